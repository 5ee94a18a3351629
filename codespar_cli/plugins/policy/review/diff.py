"""Two policies, compared by what they mean: order, comments and spelling never count.

What a field's change does is read off two tables: diff_fields.py says whether the second value is wider than the first,
and a wider `tools` of a deny rule lets less through where a wider `limit` lets more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from codespar_cli.core.administration.policy_diff import Direction, PolicyChange
from codespar_cli.core.clock import MICROSECOND
from codespar_cli.core.durations import render_duration
from codespar_cli.plugins.policy.language.money import grouped, to_micros
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Allow, Budget, Rate
from codespar_cli.plugins.policy.review.comparing import Width
from codespar_cli.plugins.policy.review.diff_fields import FIELDS, Entry, entries_of

_LETS_THROUGH: dict[Width, Direction] = {"wider": "loosens", "narrower": "tightens"}
_ABOUT = frozenset(("tools", "agents", "when"))
_STRICTNESS = {"allow": 0, "approve": 1, "budget": 1, "rate": 1, "window": 1, "deny": 2}
_OPPOSITE: dict[Direction, Direction] = {"loosens": "tightens", "tightens": "loosens", "changes": "changes"}


def differences(first: Policy, second: Policy) -> list[PolicyChange]:
    """From the first to the second: the top of the file, then rules by id."""
    before, after = entries_of(first), entries_of(second)
    found = list(_top(first, second))
    for name in sorted({*before, *after}):
        if name not in before:
            found.append(_whole(after[name], second, "tightens"))
        elif name not in after:
            found.append(_whole(before[name], first, "loosens"))
        else:
            pointless = first.allow_by_default or second.allow_by_default
            found.extend(_changes(before[name], after[name], pointless_allows=pointless))
    return found


def _whole(entry: Entry, policy: Policy, of_a_restriction: Direction) -> PolicyChange:
    rule, added = entry.rule, of_a_restriction == "tightens"
    direction = of_a_restriction
    if isinstance(rule, Allow):
        direction = "changes" if policy.allow_by_default else _OPPOSITE[of_a_restriction]
    before, after = (None, rule.effect) if added else (rule.effect, None)
    return PolicyChange(rule.id, "added" if added else "removed", None, before, after, direction, rule.line)


# ── one rule ──


def _changes(before: Entry, after: Entry, *, pointless_allows: bool) -> Iterator[PolicyChange]:
    rule = after.rule
    effect = before.rule.effect if before.rule.effect == rule.effect else None
    differing = list(_differing(before, after, effect))
    if effect is None:
        yield PolicyChange(
            rule.id,
            "changed",
            "effect",
            before.rule.effect,
            rule.effect,
            _of_effects(before, after, differing),
            rule.line,
        )
    restarts = _restarts(before, after)
    for name, width in differing:
        direction: Direction = "changes"
        if effect is not None and not (effect == "allow" and pointless_allows):
            direction = _LETS_THROUGH.get(width, "changes")
            if name in _ABOUT and effect != "allow":
                direction = _OPPOSITE[direction]
        # What was spent is forgotten, so that at first even a tighter rule lets more through.
        if restarts and direction == "tightens":
            direction = "changes"
        texts = before.text(name), after.text(name)
        yield PolicyChange(rule.id, "changed", name, *texts, direction, after.line(name), name in restarts)


def _differing(before: Entry, after: Entry, effect: str | None) -> Iterator[tuple[str, Width]]:
    """The fields that mean something else; of rules of two effects only those that every rule has."""
    for name, field in FIELDS[effect].items():
        width = field.width(field.value(before), field.value(after))
        if width != "same":
            yield name, width


def _of_effects(before: Entry, after: Entry, differing: list[tuple[str, Width]]) -> Direction:
    one, other = _STRICTNESS[before.rule.effect], _STRICTNESS[after.rule.effect]
    if one == other or any(name in _ABOUT for name, _ in differing):
        return "changes"
    return "tightens" if other > one else "loosens"


def _restarts(before: Entry, after: Entry) -> frozenset[str]:
    """The fields whose change gives a rule new counters: they are kept by rule, scope and window."""
    one, other = before.rule, after.rule
    names = set()
    if isinstance(one, Budget | Rate) and isinstance(other, Budget | Rate):
        if one.per != other.per:
            names.add("per")
        if isinstance(one, Budget) and isinstance(other, Budget) and one.period.key != other.period.key:
            names.add("window")
        if isinstance(one, Rate) and isinstance(other, Rate) and one.window != other.window:
            names.add("limit")
    return frozenset(names)


# ── the top of the file ──


def _top(first: Policy, second: Policy) -> Iterator[PolicyChange]:
    if first.zone.name != second.zone.name:
        yield _at_top("timezone", first.zone.name, second.zone.name, "changes")
    if first.currency != second.currency:
        restarts = bool(first.budgets and second.budgets)
        yield _at_top("currency", first.currency, second.currency, "changes", restarts=restarts)
    if first.allow_by_default != second.allow_by_default:
        words = {False: "deny", True: "allow"}
        direction: Direction = "loosens" if second.allow_by_default else "tightens"
        yield _at_top("default", words[first.allow_by_default], words[second.allow_by_default], direction)
    yield from _costs(first, second)
    if first.hold_ttl != second.hold_ttl:
        # A hold that nobody settles keeps its money for so long.
        direction = "tightens" if second.hold_ttl > first.hold_ttl else "loosens"
        yield _at_top("hold_ttl", _duration(first.hold_ttl), _duration(second.hold_ttl), direction)


def _costs(first: Policy, second: Policy) -> Iterator[PolicyChange]:
    before, after = _prices(first), _prices(second)
    conditional = any(
        rule.when is not None and rule.when.reads_cost for policy in (first, second) for rule in policy.rules
    )
    for text in sorted({*before, *after}):
        old, new = before.get(text), after.get(text)
        if old == new:
            continue
        direction: Direction = "changes"
        if old is not None and new is not None and not conditional:
            direction = "tightens" if new > old else "loosens"
        yield _at_top(f"costs.{text}", _amount(old), _amount(new), direction)


def _prices(policy: Policy) -> Mapping[str, Decimal]:
    return {pattern.text: price for pattern, price in policy.prices}


def _at_top(
    field: str, before: str | None, after: str | None, direction: Direction, *, restarts: bool = False
) -> PolicyChange:
    return PolicyChange(None, "changed", field, before, after, direction, None, restarts)


def _amount(price: Decimal | None) -> str | None:
    return None if price is None else grouped(to_micros(price))


def _duration(micros: int) -> str:
    return render_duration((micros * MICROSECOND).total_seconds())
