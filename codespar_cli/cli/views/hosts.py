"""What the host commands show."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from codespar_cli.core.clock import iso

if TYPE_CHECKING:
    from pathlib import Path

    from codespar_cli.hosts.heartbeats import Heartbeat
    from codespar_cli.hosts.install.installing import Change
    from codespar_cli.hosts.install.status import HostStatus

STYLES = {"proved": "green", "not proved": "red", "not installed": "yellow"}


def change_json(change: Change, backup: Path | None, *, done: bool) -> dict[str, Any]:
    """`changed` says whether the file is or would be another; `restored` that it is what it was, to the byte."""
    return {
        "host": change.layout.host,
        "path": str(change.file.path),
        "changed": change.is_needed,
        "written": done and change.is_needed,
        "removed": change.is_needed and change.after is None,
        "restored": change.restored,
        "backup": None if backup is None else str(backup),
    }


def status_json(status: HostStatus) -> dict[str, Any]:
    heard = status.heard
    return {
        "host": status.layout.host,
        "status": status.state.replace(" ", "_"),
        "path": str(status.path),
        "trials": [trial._asdict() for trial in status.trials],
        "findings": [finding._asdict() for finding in status.findings],
        "last_heard": None if heard is None else {**heard._asdict(), "at": iso(_moment(heard))},
    }


def status_lines(status: HostStatus, now: datetime) -> Iterator[tuple[str, str]]:
    """Lines with their styles."""
    yield f"{status.layout.host:<8} {status.state:<14} {status.path}", STYLES[status.state]
    for trial in status.trials:
        outcome = "as it should be" if trial.problem is None else trial.problem
        yield f"{'':<8} {trial.situation:<7} {trial.took_ms:>7.1f} ms  {outcome}", "red" if trial.problem else ""
    for finding in status.findings:
        yield f"{'':<8} {finding.status}: {finding.message}", "red" if finding.status == "error" else "yellow"
        if finding.fix:
            yield f"{'':<8} fix: {finding.fix}", ""
    yield f"{'':<8} {heard_words(status.heard, now)}", "dim"


def heard_words(heard: Heartbeat | None, now: datetime) -> str:
    """When a real event last came, and what it was told."""
    if heard is None:
        return "no event of it has ever come"
    seconds = max(0, int((now - _moment(heard)).total_seconds()))
    ago = next(
        (f"{seconds // size} {unit}" for size, unit in ((86400, "days"), (3600, "h"), (60, "min")) if seconds >= size),
        f"{seconds} s",
    )
    what = " ".join(filter(None, (heard.event, heard.tool)))
    told = ", ".join(filter(None, (what, heard.outcome, f"{heard.took_ms:.0f} ms")))
    return f"last event {ago} ago: {told}"


def _moment(heard: Heartbeat) -> datetime:
    return datetime.fromtimestamp(heard.at, UTC)
