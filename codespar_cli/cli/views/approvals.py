"""What the approval commands show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from codespar_cli.core.clock import iso, iso_second
from codespar_cli.core.durations import render_duration
from codespar_cli.core.text import visible

if TYPE_CHECKING:
    from codespar_cli.core.administration.policy import ApprovalState, NeedState

WAITING = frozenset({"pending", "approved"})
STYLES = {"pending": "yellow", "approved": "green", "denied": "red"}
HEADERS = ("token", "status", "votes", "agent", "tool", "cost", "expires at", "args")
_WATCH_WIDTHS = (11, 8, 9, 16, 24, 10, 20)
_LEAST_ARGS = 24
_LEFT_EDGE = 14


def summary_json(state: ApprovalState) -> dict[str, Any]:
    """One request among others. `votes` and `quorum` are sums over its needs: equal when enough have approved."""
    return {
        "token": state.token,
        "agent": state.agent,
        "tool": state.tool,
        "status": state.status,
        "votes": sum(min(need.approved, need.quorum) for need in state.needs),
        "quorum": sum(need.quorum for need in state.needs),
        "expires_at": iso_second(state.expires_at),
        "created_at": iso(state.created_at),
        "cost": state.cost,
        "project": state.project,
        "environment": state.environment,
        "notified": state.notified,
    }


def state_json(state: ApprovalState) -> dict[str, Any]:
    return {
        **summary_json(state),
        "args": state.args,
        "args_complete": state.complete,
        "args_hidden": state.hidden,
        "also_denied": state.also_denied,
        "requesters": list(state.requesters),
        "needs": [
            {
                "rule_id": need.rule_id,
                "quorum": need.quorum,
                "approvers": list(need.approvers),
                "approved_by": list(need.approved_by),
            }
            for need in state.needs
        ],
        "voters": [
            {"name": vote.name, "approves": vote.approves, "at": iso(vote.at), "reason": vote.reason or None}
            for vote in state.votes
        ],
        "policy_hash": state.policy_hash,
        "digest": state.digest,
    }


def rows(states: Iterable[ApprovalState], width: int) -> list[tuple[str, ...]]:
    """A table for `width` columns: of the arguments stands what the widest of each other column leaves room for."""
    found = [(_cells(state), state) for state in states]
    widest = [max(map(len, column)) for column in zip(HEADERS[:-1], *(cells for cells, _ in found), strict=True)]
    room = width - sum(widest) - 2 * len(widest)
    return [(*cells, _args(state, room)) for cells, state in found]


def watch_header() -> str:
    """The table's head, for rows that are not all there yet: columns of a width of their own."""
    return _columns([header.upper() for header in HEADERS])


def watch_line(state: ApprovalState, width: int) -> str:
    cells = _cells(state)
    taken = sum(max(len(cell), least) + 2 for cell, least in zip(cells, _WATCH_WIDTHS, strict=True))
    return _columns([*cells, _args(state, width - taken)])


def lines(state: ApprovalState, now: datetime) -> Iterator[tuple[str, str]]:
    """One request whole: lines and their styles. Every fact stands after its name, so that none can pass for another."""
    yield f"{state.token}  {_status(state, now)}", STYLES.get(state.status, "")
    facts = (
        ("agent", state.agent),
        ("asked for", ", ".join(state.requesters[1:]) or None),
        ("tool", state.tool),
        ("cost", state.cost),
        ("project", state.project),
        ("environment", state.environment),
        ("args", state.args if state.status != "used" else "not kept after use"),
    )
    for name, value in facts:
        if value is not None:
            yield _fact(name, value), ""
    if state.args is not None and not state.complete:
        yield _fact("", "the arguments are longer than shown here: what runs is what the digest covers"), "yellow"
    if state.args is not None and state.hidden:
        noun = "values are" if state.hidden > 1 else "value is"
        yield _fact("", f"{state.hidden} {noun} not shown, or not whole: a name or a look that is a secret's"), "yellow"
    for need in state.needs:
        yield _fact("needs", _need(need)), ""
    for vote in state.votes:
        word = "approved by" if vote.approves else "denied by"
        yield _fact(word, f"{vote.name} at {_moment(vote.at)}" + (f": {vote.reason}" if vote.reason else "")), ""
    if state.also_denied:
        yield _fact("but", _also_denied(state)), "yellow"
    yield _fact("asked at", _moment(state.created_at)), ""
    yield _fact("expires at", iso_second(state.expires_at)), ""
    yield _fact("policy", state.policy_hash), ""
    yield _fact("digest", state.digest), ""


def outcome(state: ApprovalState) -> str:
    """What a vote has come to."""
    if state.status == "approved" and state.also_denied:
        return f"{state.token} approved, until {iso_second(state.expires_at)}"
    if state.status == "approved":
        return f"{state.token} approved: this call is allowed once, until {iso_second(state.expires_at)}"
    if state.status == "denied":
        return f"{state.token} denied"
    return f"{state.token} {state.status}: {'; '.join(_need(need) for need in state.needs)}"


def warning(state: ApprovalState) -> str | None:
    """What a vote does not change: the call would be denied all the same."""
    return f"warning: {_also_denied(state)}" if state.also_denied and state.status in WAITING else None


def voters_hint(state: ApprovalState, command: str) -> str:
    """Whom a vote may be by, where one was given without a name."""
    named = dict.fromkeys(name for need in state.needs for name in need.approvers)
    whom = f"one of {', '.join(named)}" if named else "anyone but who asked"
    return f"codespar approvals {command} {state.token} --as NAME: {whom}"


def _also_denied(state: ApprovalState) -> str:
    return f"even when approved it would be denied now, {state.also_denied}"


def _cells(state: ApprovalState) -> list[str]:
    """All but the arguments."""
    cells = (
        state.token,
        state.status,
        _votes(state),
        state.agent,
        state.tool,
        state.cost,
        iso_second(state.expires_at),
    )
    return ["" if cell is None else visible(str(cell)) for cell in cells]


def _args(state: ApprovalState, room: int) -> str:
    """The beginning of the preview: what tells one call of a tool from another."""
    text = visible(state.args or "")
    most = max(room, _LEAST_ARGS)
    return text if len(text) <= most else text[: most - 1] + "…"


def _status(state: ApprovalState, now: datetime) -> str:
    if state.status == "void":
        return "void: the policy has changed since it was asked for"
    seconds = (state.expires_at - now).total_seconds()
    if state.status in WAITING and seconds > 0:
        return f"{state.status}, for another {render_duration(seconds)}"
    return state.status


def _need(need: NeedState) -> str:
    whom = f" of {', '.join(need.approvers)}" if need.approvers else ", from anyone but who asked"
    by = f" ({', '.join(need.approved_by)})" if need.approved_by else ""
    return f"{need.quorum}{whom} by rule {need.rule_id}, {need.approved} so far{by}"


def _votes(state: ApprovalState) -> str:
    return ", ".join(f"{need.approved}/{need.quorum}" for need in state.needs)


def _moment(moment: datetime) -> str:
    """To the second, rounded down: when it was, something had begun."""
    return iso(moment)[:19] + "Z"


def _fact(name: str, value: str) -> str:
    return f"  {name:<{_LEFT_EDGE}}{value}"


def _columns(cells: list[str]) -> str:
    *most, last = cells
    padded = [cell.ljust(width) for cell, width in zip(most, _WATCH_WIDTHS, strict=True)]
    return "  ".join([*padded, last]).rstrip()
