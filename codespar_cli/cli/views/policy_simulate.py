"""What `codespar policy simulate` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from codespar_cli.cli.views.policy import money
from codespar_cli.core.administration.policy_simulation import Flip, Simulation
from codespar_cli.core.clock import iso

TALLIES = ("by", "name", "flips", "now allowed", "no longer allowed", "money")
FLIPS = ("at", "agent", "tool", "cost", "from", "to", "why")
SHOWN = 50
_ALLOW = "allow"


def simulation_json(found: Simulation) -> dict[str, Any]:
    lost = found.not_replayable
    return {
        "replayed": found.replayed,
        "reproduced": found.reproduced,
        "counted": found.counted,
        "observed": found.observed,
        "as_judged": found.as_judged,
        "since": None if found.since is None else iso(found.since),
        "policy_hash": found.policy_hash,
        "not_replayable": {
            "decisions": lost.decisions,
            "rules": list(lost.rules),
            "reasons": dict(lost.reasons),
        },
        "flips": [flip_json(flip) for flip in found.flips],
        "by_tool": _tallies(found.flips, _tool),
        "by_agent": _tallies(found.flips, _agent),
        "money": {"currency": found.currency, **_money(found.flips)},
    }


def flip_json(flip: Flip) -> dict[str, Any]:
    return {
        "at": iso(flip.at),
        "agent": flip.agent,
        "tool": flip.tool,
        "from": flip.before,
        "to": flip.after,
        "code": flip.code,
        "cost": None if flip.cost is None else money(flip.cost),
        "rule_id": flip.rule_id,
        "from_code": flip.before_code,
        "from_rule_id": flip.before_rule_id,
        "decision": flip.decision_id,
    }


def summary_lines(found: Simulation) -> Iterator[str]:
    yield f"{_count(found.replayed, 'decision')} replayed, {found.reproduced} as recorded"
    lost = found.not_replayable
    if lost.decisions:
        rules = f"; rules that cannot be asked: {', '.join(lost.rules)}" if lost.rules else ""
        reasons = ", ".join(f"{reason} ({count})" for reason, count in lost.reasons.items())
        yield f"{_count(lost.decisions, 'decision')} not replayable: {reasons}{rules}"
    if found.observed:
        yield f"{_count(found.observed, 'decision')} observed: let through then, and shown is what enforce mode would answer"
    if found.as_judged:
        yield f"{_count(found.as_judged, 'decision')} of these as this policy judged then: arguments not recorded"
    since = "" if found.since is None else f" since {iso(found.since)}"
    told = _money(found.flips)
    yield (
        f"{_count(len(found.flips), 'flip')} among {found.counted}{since}: {told['now_allowed']} {found.currency}"
        f" now allowed, {told['no_longer_allowed']} {found.currency} no longer allowed"
    )


def tally_rows(found: Simulation) -> list[tuple[object, ...]]:
    return [
        (by, name, tally["flips"], tally["now_allowed"], tally["no_longer_allowed"], tally["money"])
        for by, key in (("tool", _tool), ("agent", _agent))
        for name, tally in _tallies(found.flips, key).items()
    ]


def flip_rows(found: Simulation) -> list[tuple[str, ...]]:
    return [
        (
            iso(flip.at),
            flip.agent,
            flip.tool,
            "" if flip.cost is None else money(flip.cost),
            flip.before,
            flip.after,
            _why(flip),
        )
        for flip in islice(found.flips, SHOWN)
    ]


def _tallies(flips: Iterable[Flip], key: Callable[[Flip], str]) -> dict[str, dict[str, Any]]:
    """For each name, the most flips first."""
    groups: dict[str, list[Flip]] = {}
    for flip in flips:
        groups.setdefault(key(flip), []).append(flip)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {
        name: {
            "flips": len(group),
            "now_allowed": sum(flip.after == _ALLOW for flip in group),
            "no_longer_allowed": sum(flip.before == _ALLOW for flip in group),
            "money": money(sum((flip.cost or Decimal(0) for flip in group), Decimal(0))),
        }
        for name, group in ordered
    }


def _money(flips: Iterable[Flip]) -> dict[str, Any]:
    """The estimates of calls that would be let through and were not, and the other way round."""
    gained = lost = Decimal(0)
    unknown = 0
    for flip in flips:
        unknown += flip.cost is None
        gained += (flip.cost or 0) if flip.after == _ALLOW else 0
        lost += (flip.cost or 0) if flip.before == _ALLOW else 0
    return {"now_allowed": money(gained), "no_longer_allowed": money(lost), "flips_without_cost": unknown}


def _why(flip: Flip) -> str:
    """The code and rule of the one of the two answers that is not an allow; of the new one, if neither is."""
    code, rule = (flip.before_code, flip.before_rule_id) if flip.after == _ALLOW else (flip.code, flip.rule_id)
    was = "was " if flip.after == _ALLOW else ""
    return f"{was}{code or ''}{f' by rule {rule}' if rule else ''}"


def _tool(flip: Flip) -> str:
    return flip.tool


def _agent(flip: Flip) -> str:
    return flip.agent


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
