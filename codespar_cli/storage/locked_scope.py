"""`with` under a mutex, as an object: a generator would cost more than the transaction it begins."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

T = TypeVar("T")


class LockedScope(Generic[T]):
    """Holds `mutex` from `enter`, whose value it hands to the block, to the end of `leave(value, error)`."""

    __slots__ = ("_enter", "_leave", "_mutex", "_value")

    def __init__(
        self,
        mutex: AbstractContextManager[bool],
        enter: Callable[[], T],
        leave: Callable[[T, BaseException | None], None],
    ) -> None:
        self._mutex = mutex
        self._enter = enter
        self._leave = leave

    def __enter__(self) -> T:
        self._mutex.__enter__()
        try:
            self._value = self._enter()
        except BaseException:
            self._mutex.__exit__(None, None, None)
            raise
        return self._value

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._leave(self._value, error)
        finally:
            self._mutex.__exit__(None, None, None)
