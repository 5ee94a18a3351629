"""What the outside may send: values that broke somebody's parser once. Shared by the contract suites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\x00",
    "\n\r\t",
    "a\nb",
    "\x1b[2J\x1b]8;;https://evil.example\x07click",
    "\u202egnp.exe",
    "\ud800",  # a lone surrogate, as JSON may spell it
    "[red]markup[/x]",
    "../../etc/passwd",
    "%s%n{0}${jndi:ldap://x}",
    "😀" * 100,
    "x" * 100_000,
)

_DEEP: list[Any] = []
for _ in range(5_000):
    _DEEP = [_DEEP]

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**400,
    float("nan"),
    float("inf"),
    -0.5,
    [],
    {},
    [None],
    {"": None},
    _DEEP,
    *TEXTS,
)


def threads(count: int, work: Any) -> list[BaseException]:
    """Run `work(number)` on `count` threads at once; answer what was raised."""
    from threading import Barrier, Thread

    raised: list[BaseException] = []
    start = Barrier(count)

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    running = [Thread(target=run, args=(number,)) for number in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return raised


def mutations(payload: Any) -> Iterator[Any]:
    """The payload with each of its values in turn replaced by something of a wrong type, and with each one left out."""
    for path in _paths(payload):
        for value in _WRONG:
            yield _replaced(payload, path, value)
        yield _replaced(payload, path, _LEFT_OUT)


_LEFT_OUT = object()
_WRONG: tuple[Any, ...] = (None, 7, "\ud800\x1b", [], {}, [[{}]], True, float("nan"))


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield (*at, key)
        yield from _paths(item, (*at, key))


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    key, rest = path[0], path[1:]
    changed: Any = copy(value)
    item = _replaced(value[key], rest, new)
    if item is _LEFT_OUT:
        del changed[key]
    else:
        changed[key] = item
    return changed
