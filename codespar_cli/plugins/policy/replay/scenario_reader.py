"""Scenario files for `codespar policy test`: calls in order, each with the answer that is expected. Read as strictly as rules.

A moment is an ISO 8601 time, in the policy's timezone when it names no offset, or `+10m` and `-10m`, counted from the
call before. A call without one is made at the moment of the call before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.core.clock import EPOCH
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.language.document import parse
from codespar_cli.plugins.policy.language.fields import Fields, amount_of, text_of, value_of
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.nodes import Listing, Node, Refused, Scalar, Table, mismatch
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.policy_reader import load_policy
from codespar_cli.plugins.policy.language.zones import Zone

_FILE_KEYS = ("policy", "scenarios")
_SCENARIO_KEYS = ("name", "calls")
_CALL_KEYS = (
    "at", "agent", "tool", "cost", "args", "project", "tenant", "context", "environment", "session",
    "settle", "release", "approve_as", "deny_as", "expect", "code", "rule_id", "retry_after",
)  # fmt: skip
_VERDICTS = ("allow", "deny", "approve")
_TIME = "a time such as 2026-11-23T09:00"
_MOMENT = f"{_TIME}, or one after the call before such as +10m"
NEVER = "never"
NONE = "none"


class Expected(NamedTuple):
    """None leaves a part open. `retry_after` in microseconds, `never`, or `none` when the answer gives none."""

    verdict: str
    code: str | None
    rule_id: str | None
    retry_after: int | str | None


class ScenarioCall(NamedTuple):
    """`moment` in UTC; `settle` what the call really cost."""

    line: int
    moment: datetime
    agent: str
    tool: str
    cost: str | None
    project: str | None
    tenant: str
    session: str | None
    environment: str | None
    args: Mapping[str, Any] | None
    attributes: Mapping[str, Any]
    settle: Decimal | None
    release: bool
    approve_as: tuple[str, ...]
    deny_as: tuple[str, ...]
    expected: Expected


class Scenario(NamedTuple):
    name: str
    line: int
    calls: tuple[ScenarioCall, ...]


class Suite(NamedTuple):
    """One file of scenarios, with the policy they are about."""

    file: str
    policy: Policy
    scenarios: tuple[Scenario, ...]


def read_scenarios(path: Path) -> Suite:
    """Raises ConfigError with file and line; the policy's own errors name the policy's file."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise ConfigError(f"the scenario file `{visible(str(path))}` cannot be read: {words}") from None
    try:
        fields = Fields(parse(data), "the scenario file", _FILE_KEYS)
        policy = _policy(fields, path)
        return Suite(str(path), policy, _scenarios(fields, policy.zone))
    except Refused as error:
        raise ConfigError(error.message, file=str(path), line=error.line, hint=error.hint) from None


def _policy(fields: Fields, path: Path) -> Policy:
    named = path.parent / fields.text("policy")
    if not named.is_file():
        raise fields.refuse(
            "policy", f"there is no file `{visible(str(named))}`", "it is relative to the scenario file"
        )
    return load_policy(named, key="policy")


def _scenarios(fields: Fields, zone: Zone) -> tuple[Scenario, ...]:
    found: dict[str, Scenario] = {}
    for number, node in enumerate(fields.items("scenarios"), 1):
        name = Fields(node, f"scenario {number}", _SCENARIO_KEYS).text("name")
        own = Fields(node, f"scenario `{visible(name[:60])}`", _SCENARIO_KEYS)
        if name in found:
            raise own.refuse("name", f"given twice, first in line {found[name].line}")
        found[name] = Scenario(name, node.line, _calls(own, zone))
    if not found:
        raise fields.refuse("scenarios", "the list is empty")
    return tuple(found.values())


def _calls(scenario: Fields, zone: Zone) -> tuple[ScenarioCall, ...]:
    calls: list[ScenarioCall] = []
    for number, node in enumerate(scenario.items("calls"), 1):
        fields = Fields(node, f"{scenario.what}, call {number}", _CALL_KEYS)
        calls.append(_call(fields, calls[-1].moment if calls else None, zone))
    if not calls:
        raise scenario.refuse("calls", "the list is empty")
    return tuple(calls)


def _call(fields: Fields, before: datetime | None, zone: Zone) -> ScenarioCall:
    expected = _expected(fields)
    settle = fields.parsed("settle", lambda node: as_amount(amount_of(node))) if "settle" in fields else None
    release = fields.flag("release")
    for key, wanted in (("settle", settle is not None), ("release", release)):
        if wanted and expected.verdict != "allow":
            raise fields.refuse(key, "only a call that is expected to be allowed holds anything")
    if settle is not None and release:
        raise fields.refuse("release", "a call is settled or released, not both")
    return ScenarioCall(
        line=fields.line,
        moment=_moment(fields, before, zone),
        agent=fields.text("agent"),
        tool=fields.text("tool"),
        cost=fields.parsed("cost", amount_of) if "cost" in fields else None,
        project=_text_or_none(fields, "project"),
        tenant=fields.text("tenant", "default"),
        session=_text_or_none(fields, "session"),
        environment=_text_or_none(fields, "environment"),
        args=fields.parsed("args", _table) if "args" in fields else None,
        attributes=fields.parsed("context", _table) if "context" in fields else {},
        settle=settle,
        release=release,
        approve_as=fields.texts("approve_as") if "approve_as" in fields else (),
        deny_as=fields.texts("deny_as") if "deny_as" in fields else (),
        expected=expected,
    )


def _text_or_none(fields: Fields, key: str) -> str | None:
    return fields.text(key) if key in fields else None


def _expected(fields: Fields) -> Expected:
    return Expected(
        fields.choice("expect", _VERDICTS),
        _text_or_none(fields, "code"),
        _text_or_none(fields, "rule_id"),
        fields.parsed("retry_after", _wait) if "retry_after" in fields else None,
    )


def _wait(node: Node) -> int | str:
    """Seconds, a duration, `never`, or `none` for an answer that gives none."""
    if isinstance(node, Scalar) and node.plain and node.text in {"null", NONE}:
        return NONE
    value = value_of(node)
    if value == NEVER:
        return NEVER
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and value >= 0:
        return int(value * 10**6)
    if isinstance(value, str):
        return parse_duration(value) // timedelta(microseconds=1)
    raise mismatch("seconds, a duration such as `10m`, `never` or `none`", node)


def _moment(fields: Fields, before: datetime | None, zone: Zone) -> datetime:
    if "at" not in fields:
        if before is None:
            raise Refused(fields.line, f"{fields.what}: missing key `at`", f"the first call is made at {_TIME}")
        return before
    return fields.parsed("at", lambda node: _moment_of(text_of(node), before, zone))


def _moment_of(text: str, before: datetime | None, zone: Zone) -> datetime:
    if text[0] in "+-":
        if before is None:
            raise ValueError(f"`{visible(text[:60])}` is counted from the call before, and this is the first")
        wait = parse_duration(text[1:])
        return _within(before, wait if text[0] == "+" else -wait)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected {_MOMENT}, found `{visible(text[:60])}`") from None
    if moment.tzinfo is None:
        return _of_wall(moment, zone)
    return _within(EPOCH, moment - EPOCH)


def _of_wall(wall: datetime, zone: Zone) -> datetime:
    """What a clock on the wall of the policy's timezone shows; the first of the two moments at which it shows it."""
    moment = wall.replace(tzinfo=zone.tz, fold=0).astimezone(UTC)
    if moment.astimezone(zone.tz).replace(tzinfo=None) != wall:
        raise ValueError(f"no clock shows `{wall.isoformat()}` in {zone.name}: the hour is left out that day")
    return moment


def _within(start: datetime, wait: timedelta) -> datetime:
    try:
        return start + wait
    except OverflowError:
        raise ValueError("beyond the calendar") from None


def _table(node: Node) -> dict[str, Any]:
    if not isinstance(node, Table):
        raise mismatch("a table", node)
    return {key: _plain(value) for key, (_, value) in node.entries.items()}


def _plain(node: Node) -> Any:
    """The value that the same text has in JSON: a number with a point is a float, `null` is None."""
    if isinstance(node, Table):
        return _table(node)
    if isinstance(node, Listing):
        return [_plain(item) for item in node.items]
    return _plain_scalar(node)


def _plain_scalar(node: Scalar) -> Any:
    if not node.plain:
        return node.text
    if node.text == "null":
        return None
    try:
        value = value_of(node)
    except ValueError as error:
        raise Refused(node.line, str(error)) from None
    return float(value) if isinstance(value, Decimal) else value
