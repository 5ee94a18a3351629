"""Keywords about single values: enum, const, numbers and their limits, texts, formats, patterns."""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeGuard

from codespar_cli.core.text import nearest
from codespar_cli.plugins.observability.checks.json_values import Path, json_type, shape, shown
from codespar_cli.plugins.observability.checks.schema.ecma_matcher import TooManySteps
from codespar_cli.plugins.observability.checks.schema.ecma_pattern import NotAnExpression
from codespar_cli.plugins.observability.checks.schema.fault import Fault
from codespar_cli.plugins.observability.checks.schema.formats import breaks_format

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.checks.schema.evaluator import Evaluation

_LISTED = 12
_COMPARED = 500
_LONGEST_WORD = 64


def choice_fault(evaluation: Evaluation, schema: dict[str, Any], value: Any, path: Path) -> Fault | None:
    """`enum` and `const`."""
    allowed = schema.get("enum")
    if isinstance(allowed, list) and not evaluation.is_among(value, allowed):
        return not_among(value, allowed, path)
    if "const" in schema and not evaluation.is_among(value, [schema["const"]]):
        return not_among(value, [schema["const"]], path)
    return None


def not_among(value: Any, allowed: list[Any], path: Path) -> Fault:
    listed = ", ".join(shown(item, ()) for item in allowed[:_LISTED])
    more = f" and {len(allowed) - _LISTED} more" if len(allowed) > _LISTED else ""
    expected = f"{'one of ' if len(allowed) > 1 else ''}{listed}{more}" if allowed else "nothing"
    return Fault("not_in_enum", path, expected, shown(value, path), _meant(value, allowed), shape(value))


def _meant(value: Any, allowed: list[Any]) -> tuple[str, ...]:
    words = [item for item in allowed[:_COMPARED] if isinstance(item, str) and len(item) <= _LONGEST_WORD]
    if not isinstance(value, str):
        same = [item for item in words if item == str(value)] if isinstance(value, int) and abs(value) < 10**9 else []
        return tuple(same)
    if len(value) > _LONGEST_WORD:
        return ()
    folded = [item for item in words if item.casefold() == value.casefold().strip()]
    close = nearest(value.casefold(), words) if not folded else None
    return (folded[0],) if folded else (close,) if close else ()


_LIMITS: tuple[tuple[str, str, Callable[[Any, Any], bool]], ...] = (
    ("minimum", "at least", operator.lt),
    ("maximum", "at most", operator.gt),
    ("exclusiveMinimum", "more than", operator.le),
    ("exclusiveMaximum", "less than", operator.ge),
)


def number_faults(schema: dict[str, Any], value: float, path: Path) -> list[Fault]:
    found = []
    for keyword, words, breaks in _LIMITS:
        limit = schema.get(keyword)
        if limit is True and keyword.startswith("exclusive"):  # draft 4 says it beside the limit
            limit = schema.get(keyword.removeprefix("exclusive").lower())
        if is_number(limit) and breaks(value, limit):
            found.append(
                Fault("invalid_value", path, f"{words} {shown(limit, ())}", shown(value, path), (), shape(value))
            )
    step = schema.get("multipleOf")
    if is_number(step) and step > 0 and _exact(value) % _exact(step) != 0:
        expected = f"a multiple of {shown(step, ())}"
        found.append(Fault("invalid_value", path, expected, shown(value, path), (), shape(value)))
    return found


def is_number(value: Any) -> TypeGuard[float]:
    return json_type(value) in {"integer", "number"}


def is_count(value: Any) -> TypeGuard[int]:
    return json_type(value) == "integer" and value >= 0


def _exact(value: float) -> Fraction:
    # As it is written: 0.3 is a multiple of 0.1, whatever their nearest binary fractions are.
    return Fraction(value) if isinstance(value, int) else Fraction(Decimal(repr(value)))


def text_faults(evaluation: Evaluation, schema: dict[str, Any], value: str, path: Path) -> list[Fault]:
    found = []
    least, most, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if is_count(least) and len(value) < least:
        found.append(Fault("invalid_value", path, f"at least {least} characters", shape(value)))
    if is_count(most) and len(value) > most:
        found.append(Fault("invalid_value", path, f"at most {most} characters", shape(value)))
    if isinstance(pattern, str) and pattern_matches(evaluation, pattern, value, path) is False:
        found.append(Fault("invalid_value", path, f"a match of the pattern `{pattern[:200]}`", shape(value)))
    if breaks_format(schema.get("format"), value):
        found.append(Fault("invalid_value", path, f"the format `{schema['format']}`", shape(value)))
    return found


def pattern_matches(evaluation: Evaluation, pattern: str, text: str, path: Path) -> bool | None:
    """None, and a note to the evaluation, when it cannot be told."""
    try:
        return evaluation.searched(pattern, text)
    except NotAnExpression as error:
        evaluation.not_checked(path, str(error))
    except TooManySteps:
        evaluation.not_checked(path, "a pattern that takes too long on a value of this length")
    return None
