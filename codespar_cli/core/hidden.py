"""A value on its way, out of sight of a traceback that shows every local.

Whoever calls with a plain value holds it in a frame of its own; every frame below shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Hidden(Generic[T]):
    """Hold it in place of the value wherever something can still fail. Equal when the values are."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and bool(self._value == other._value)

    __hash__ = None  # type: ignore[assignment]  # what is held may be a dict

    def __repr__(self) -> str:
        return "<Hidden>"

    def __reduce__(self) -> str:
        raise TypeError("a hidden value cannot be pickled")


def without_frames(act: Callable[[], T]) -> T:
    """What `act` answers. Its error comes out as if it had been raised here: what it passed through held values."""
    try:
        return act()
    except Exception as error:
        found = error.with_traceback(None)
        found.__cause__ = found.__context__ = None
    raise found
