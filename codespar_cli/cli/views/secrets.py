"""How secrets, their versions and their rotations read. Values pass through here only when they were to be revealed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from codespar_cli.core.administration.secrets import KeyStatus, RotationReport, SecretFacts, VaultReport
from codespar_cli.core.clock import iso
from codespar_cli.core.durations import render_duration

MASK = "********"
LOG_KEPT = "a reader keeps retired bytes in the log; the next command that opens the vault tries again"
LIST_HEADERS = ("key", "version", "fingerprint", "age", "expires", "state", "note")
HISTORY_HEADERS = ("version", "state", "fingerprint", "created", "expires", "readable until", "note")


def secret_json(facts: SecretFacts, *, value: str | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "key": facts.key,
        "tenant": facts.tenant,
        "version": facts.version,
        "fingerprint": facts.fingerprint,
        "created_at": _iso(facts.created_at),
        "expires_at": _iso(facts.expires_at),
        "note": facts.note,
        "agents": _globs(facts.agents),
        "tools": _globs(facts.tools),
    }
    return shown if value is None else {**shown, "value": value}


def listed_json(facts: SecretFacts) -> dict[str, Any]:
    return {**secret_json(facts), "state": facts.state}


def secret_lines(facts: SecretFacts, now: datetime) -> list[tuple[str, str]]:
    """What is shown in place of a value."""
    rows = [("key", facts.key), ("tenant", facts.tenant), ("value", f"{MASK} (--reveal shows it)")]
    if facts.fingerprint is not None:
        rows.append(("fingerprint", facts.fingerprint))
    if facts.version is not None:
        rows.append(("version", f"{facts.version} ({facts.state})"))
    if facts.created_at is not None:
        rows.append(("age", _age(facts.created_at, now) or ""))
    if facts.expires_at is not None:
        rows.append(("expires", _expiry(facts.expires_at, now) or ""))
    if facts.agents is not None:
        rows.append(("agents", ", ".join(facts.agents) or "nobody"))
    if facts.tools is not None:
        rows.append(("tools", ", ".join(facts.tools) or "no tool"))
    if facts.note:
        rows.append(("note", facts.note))
    return rows


def list_table(found: Sequence[SecretFacts], now: datetime) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Headers and rows; a column for grants only where there are some."""
    limited = any(grant_words(facts) for facts in found)
    rows = [(*_list_row(facts, now), *([grant_words(facts)] if limited else [])) for facts in found]
    return (*LIST_HEADERS, *(["granted to"] if limited else [])), rows


def grant_words(facts: SecretFacts) -> str | None:
    """`ci-*, deploy for stripe/**`; None for a secret that is not limited."""
    agents = None if facts.agents is None else ", ".join(facts.agents) or "nobody"
    tools = None if facts.tools is None else ", ".join(facts.tools) or "no tool"
    if agents is None and tools is None:
        return None
    return f"{agents or 'anyone'} for {tools}" if tools else agents


def granted_line(facts: SecretFacts) -> str:
    return f"`{facts.key}` of tenant `{facts.tenant}` is granted to {grant_words(facts) or 'anyone'}"


def _list_row(facts: SecretFacts, now: datetime) -> tuple[object, ...]:
    return (
        facts.key,
        facts.version,
        facts.fingerprint,
        _age(facts.created_at, now),
        _expiry(facts.expires_at, now),
        facts.state,
        facts.note,
    )


def history_row(facts: SecretFacts, now: datetime) -> tuple[object, ...]:
    return (
        facts.version,
        facts.state,
        facts.fingerprint,
        _iso(facts.created_at),
        _expiry(facts.expires_at, now),
        _iso(facts.retires_at),
        facts.note,
    )


def overdue_line(facts: SecretFacts, now: datetime) -> str:
    """For whoever uses a secret past its date."""
    expired = _expiry(facts.expires_at, now) or ""
    return f"`{facts.key}` expired {expired}: replace it with codespar secrets rotate {facts.key}"


def written_line(facts: SecretFacts) -> str:
    return f"`{facts.key}` is now version {facts.version} of tenant `{facts.tenant}`, fingerprint {facts.fingerprint}"


def stored_line(facts: SecretFacts) -> str:
    """For a backend that knows no versions."""
    return f"`{facts.key}` of tenant `{facts.tenant}` is stored"


def replaced_line(facts: SecretFacts, older: Sequence[SecretFacts]) -> str:
    kept = [f"{facts.version} until {_iso(facts.retires_at)}" for facts in older if facts.state == "previous"]
    still = f"still readable with --version: {', '.join(kept)}" if kept else "no earlier version is readable"
    due = f"due {_iso(facts.expires_at)}" if facts.expires_at is not None else "no due date is set"
    return f"{written_line(facts)}; {due}; {still}; this does not withdraw the old value where it was issued: do that there"


def rotation_json(report: RotationReport) -> dict[str, Any]:
    return report._asdict()


def rotation_line(report: RotationReport) -> str:
    would = "would have " if report.dry_run else ""
    tenants = counted(report.tenants, "tenant")
    if report.operation == "reencrypt":
        return (
            f"{would}encrypted {counted(report.values, 'value')} of {tenants} again under new data keys; "
            "this does not help against a value that has leaked: codespar secrets rotate KEY"
        )
    under = "a new master key" if report.new_master_key else "the same master key"
    if report.costs_raised:
        under = "the same passphrase, which now costs what is usual today (fingerprints are others now)"
    return (
        f"{would}wrapped {counted(report.data_keys, 'data key')} of {tenants} anew, KEK version {report.kek_version} under "
        f"{under}; values are as they were: this does not help against a leaked data key (rotate --reencrypt) "
        "or a leaked value (rotate KEY), nor does it reach copies and backups"
    )


def status_json(status: KeyStatus) -> dict[str, Any]:
    return {
        **status._asdict(),
        "oldest_data_key": _iso(status.oldest_data_key),
        "next_end": _iso(status.next_end),
    }


def status_lines(status: KeyStatus, now: datetime) -> list[tuple[str, str]]:
    kind = "a passphrase" if status.passphrase else "a key"
    if status.costs_low:
        kind += " that is hashed at less than today's costs"
    oldest = "" if status.oldest_data_key is None else f", the oldest is {_age(status.oldest_data_key, now)} old"
    ends = "" if status.next_end is None else f", the first until {_iso(status.next_end)}"
    return [
        ("master key", f"{status.master_key}, {kind}"),
        ("KEK version", str(status.kek_version)),
        ("data keys", f"{status.data_keys} of {counted(status.tenants, 'tenant')}{oldest}"),
        ("most used", f"{status.sealed} values sealed of {status.may_seal} that one data key may seal"),
        ("in grace", f"{counted(status.in_grace, 'replaced version')}{ends}"),
        ("log", "empty of retired bytes" if status.log_emptied else LOG_KEPT),
        ("epoch", str(status.epoch)),
    ]


def verify_json(report: VaultReport) -> dict[str, Any]:
    return {**report._asdict(), "warnings": list(report.warnings)}


def verify_line(report: VaultReport) -> str:
    return (
        f"{counted(report.versions, 'version')} of {counted(report.secrets, 'secret')} in "
        f"{counted(report.tenants, 'tenant')} open and are the ones that were written; epoch {report.epoch}, {counted(report.records, 'record')}, "
        f"head {report.head}"
    )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _globs(globs: tuple[str, ...] | None) -> list[str] | None:
    return None if globs is None else list(globs)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _age(created_at: datetime | None, now: datetime) -> str | None:
    return None if created_at is None else render_duration(max(0.0, (now - created_at).total_seconds()))


def _expiry(expires_at: datetime | None, now: datetime) -> str | None:
    if expires_at is None:
        return None
    left = (expires_at - now).total_seconds()
    return f"in {render_duration(left)}" if left > 0 else f"{render_duration(-left)} ago"
