"""What a change of a schema does to the values it takes.

WIDER takes more, NARROWER less, OTHER cannot be told. EQUAL is written otherwise and takes the same. NEW is a property
that an open object did not name before: in principle narrower, in practice nobody sent it. DOCS is read by people only.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core.administration.tool_drift import Grade

Effect: TypeAlias = Literal["docs", "equal", "new", "wider", "narrower", "other"]

ABSENT: Any = object()
"""In place of a value that is not there: None is a JSON value."""

UNSAID: dict[str, Any] = {}
"""In place of a schema that is not there. It takes everything, as `{}` does, and is told as nothing."""

_FLIPPED: dict[Effect, Effect] = {"wider": "narrower", "narrower": "wider", "new": "other"}
_INPUT: dict[Effect, Grade] = {
    "docs": "docs",
    "equal": "compatible",
    "new": "compatible",
    "wider": "compatible",
    "narrower": "breaking",
    "other": "breaking",
}
_OUTPUT: dict[Effect, Grade] = {**_INPUT, "wider": "breaking", "narrower": "compatible"}


class Found(NamedTuple):
    """One difference. `adds_property` is the name of a property that was not there before."""

    path: tuple[str | int, ...]
    effect: Effect
    before: Any
    after: Any
    adds_property: str | None = None


def flipped(effect: Effect) -> Effect:
    """The effect on a schema of an effect within its `not`."""
    return _FLIPPED.get(effect, effect)


def input_grade(effect: Effect) -> Grade:
    """A caller is well when everything it sends is still taken."""
    return _INPUT[effect]


def output_grade(effect: Effect) -> Grade:
    """A reader is well when nothing comes that it did not get before: the other way round."""
    return _OUTPUT[effect]


def combined(effects: Collection[Effect]) -> Effect:
    """What several changes do together, where all must hold."""
    told = set(effects) - {"docs", "equal"}
    if "other" in told or {"wider", "narrower"} <= told:
        return "other"
    if len(told) > 1:
        told.discard("new")
    return next(iter(told), "equal")


def one_way(wider: bool, narrower: bool) -> Effect:
    """`wider`: everything that was taken still is, is proven. `narrower`: nothing more is."""
    if wider and narrower:
        return "equal"
    return "wider" if wider else "narrower" if narrower else "other"
