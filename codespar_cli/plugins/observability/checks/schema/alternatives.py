"""`allOf`, `anyOf`, `oneOf`, `not`, `if`: schemas about the same place, and which fault is worth telling.

When no alternative fits, the one that was plainly meant is taken: the only one of the value's type, the one whose
constants hold, the one with the fewest faults. When none was, the alternatives are told together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codespar_cli.plugins.observability.checks.json_values import Path, json_type, shape
from codespar_cli.plugins.observability.checks.schema.fault import Fault, Outcome

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.checks.schema.evaluator import Evaluation


def check_alternatives(evaluation: Evaluation, schema: dict[str, Any], value: Any, path: Path, out: Outcome) -> None:
    every = schema.get("allOf")
    for inner in every if isinstance(every, list) else ():
        out.add(evaluation.here(inner, value, path))
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and options:
            _choose(evaluation, options, value, path, out, only_one=keyword == "oneOf")
    if "not" in schema:
        unsure = evaluation.unsure
        if evaluation.fits(schema["not"], value, path) and evaluation.unsure == unsure:
            out.faults.append(Fault("invalid_value", path, "a value that `not` does not describe", shape(value)))
    if "if" in schema:
        _decide(evaluation, schema, value, path, out)


def _choose(
    evaluation: Evaluation, options: list[Any], value: Any, path: Path, out: Outcome, *, only_one: bool
) -> None:
    unsure = evaluation.unsure
    outcomes = [evaluation.here(option, value, path) for option in options]
    fitting = [outcome for outcome in outcomes if outcome.valid]
    for outcome in outcomes:
        out.learn(outcome)
    if not fitting:
        out.faults += closest(outcomes, value, path)
    elif only_one and len(fitting) > 1 and evaluation.unsure == unsure:
        found = f"a value that fits {len(fitting)}"
        out.faults.append(Fault("invalid_value", path, f"exactly one of {len(options)} alternatives", found))
    else:
        for outcome in fitting:
            out.names |= outcome.names
            out.items |= outcome.items
        out.warnings += min(fitting, key=lambda outcome: len(outcome.warnings)).warnings


def _decide(evaluation: Evaluation, schema: dict[str, Any], value: Any, path: Path, out: Outcome) -> None:
    unsure = evaluation.unsure
    condition = evaluation.here(schema["if"], value, path)
    if evaluation.unsure != unsure:
        return
    out.learn(condition)
    if condition.valid:
        out.names |= condition.names
        out.items |= condition.items
    branch = "then" if condition.valid else "else"
    if branch in schema:
        out.add(evaluation.here(schema[branch], value, path))


def closest(outcomes: list[Outcome], value: Any, path: Path) -> list[Fault]:
    """What to tell when no alternative fits."""
    of_type = [each for each in outcomes if not _at(each, path, "wrong_type")]
    if not of_type:
        return _joined(
            [fault for each in outcomes for fault in each.faults if fault.path == path], path, json_type(value)
        )
    # An alternative that is told from the others by a constant of its own is not meant when that constant is not there.
    meant = [each for each in of_type if not _breaks_a_constant(each, path)]
    if not meant:
        choices = [fault for each in of_type for fault in each.faults if fault.check == "not_in_enum"]
        if len({fault.path for fault in choices}) == 1:
            return _joined(choices, choices[0].path, choices[0].got)
        meant = of_type
    fewest = min(len(each.faults) for each in meant)
    best = [each for each in meant if len(each.faults) == fewest]
    if len(best) == 1:
        return best[0].faults
    firsts = {(fault.check, fault.path) for each in best for fault in each.faults}
    if len(firsts) == fewest:
        return [
            fault
            for check, place in firsts
            for fault in _joined(
                [f for each in best for f in each.faults if (f.check, f.path) == (check, place)], place
            )
        ]
    if fewest == 1 and all(each.faults[0].check == "missing_argument" for each in best):
        names = " or ".join(f"`{each.faults[0].path[-1]}`" for each in best[:8])
        return [Fault("missing_argument", path, names, "none of them")]
    return [Fault("invalid_value", path, f"a value that fits one of {len(outcomes)} alternatives", shape(value))]


def _at(outcome: Outcome, path: Path, check: str) -> bool:
    return any(fault.check == check and fault.path == path for fault in outcome.faults)


def _breaks_a_constant(outcome: Outcome, path: Path) -> bool:
    return any(
        fault.check == "not_in_enum" and len(path) <= len(fault.path) <= len(path) + 1 for fault in outcome.faults
    )


def _joined(faults: list[Fault], path: Path, got: str | None = None) -> list[Fault]:
    """One fault for several of a kind at one place: `string or null`."""
    first = faults[0]
    expected = " or ".join(dict.fromkeys(fault.expected for fault in faults[:12]))
    suggestions = tuple(dict.fromkeys(word for fault in faults for word in fault.suggestions))[:3]
    return [Fault(first.check, path, expected, got or first.got, suggestions, first.kept)]
