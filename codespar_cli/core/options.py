"""What a value in plugins.toml may be: small checks, composed into tables of known keys.

A check looks at a value and yields a `Problem` for each thing wrong with it, with the path of the key at fault, so
that the reader of the file is told the line, what was expected and what was found. Checks know nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from codespar_cli.core.durations import EXPECTED as A_DURATION
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.references import EXPECTED as A_REFERENCE
from codespar_cli.core.references import is_reference
from codespar_cli.core.sizes import EXPECTED as A_SIZE
from codespar_cli.core.sizes import parse_size
from codespar_cli.core.text import nearest, visible

Path: TypeAlias = tuple[str | int, ...]


class Problem(NamedTuple):
    path: Path
    message: str
    hint: str | None = None


Check: TypeAlias = Callable[[Any, Path], Iterator[Problem]]


def texts_in(value: Any) -> Iterator[str]:
    """Every text that a value holds, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)


def describe(value: object) -> str:
    """A value as an error shows it: short, harmless, with its type where it matters."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"`{visible(value[:60])}`" if value else "an empty string"
        case Mapping():
            return "a table"
        case list():
            return "a list"
        case None:
            return "nothing"
        case _:
            return f"`{visible(str(value)[:60])}`"


def simple(expected: str, accepts: Callable[[Any], bool], *, shown: bool = True, hint: str | None = None) -> Check:
    """`shown=False` where the value may be a secret that was put in the wrong place: then it is never repeated."""

    def check(value: Any, path: Path) -> Iterator[Problem]:
        if not accepts(value):
            yield Problem(path, f"expected {expected}, found {_found(value, shown=shown)}", hint)

    return check


def _found(value: object, *, shown: bool) -> str:
    return "a text that is neither" if not shown and isinstance(value, str) else describe(value)


def duration(hint: str | None = None) -> Check:
    return simple(A_DURATION, _is_duration, hint=hint)


def _is_duration(value: Any) -> bool:
    return _is_read_by(parse_duration, value)


def _is_size(value: Any) -> bool:
    return _is_read_by(parse_size, value)


def _is_read_by(parse: Callable[[str], Any], value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        parse(value)
    except ValueError:
        return False
    return True


TEXT = simple("a string", lambda value: isinstance(value, str) and value != "" and "\0" not in value)
FLAG = simple("true or false", lambda value: isinstance(value, bool))
COUNT = simple("a whole number above 0", lambda value: type(value) is int and value > 0)
DURATION = duration()
SIZE = simple(A_SIZE, _is_size)
REFERENCE = simple(A_REFERENCE, is_reference, shown=False)
# A URL may hold a password: what is found is never repeated.
STORE = simple(
    "`sqlite`, `postgresql://…`, `secret:KEY`, `env:NAME` or `file:PATH`",
    lambda value: (
        isinstance(value, str)
        and (value == "sqlite" or value.startswith(("postgresql://", "postgres://")) or is_reference(value))
    ),
    shown=False,
)
SCALAR = simple("a string, a number or true/false", lambda value: isinstance(value, str | int | float | bool))


def choice(*names: str) -> Check:
    """One of a few words."""
    listed = ", ".join(f"`{name}`" for name in names)

    def check(value: Any, path: Path) -> Iterator[Problem]:
        if value not in names:
            close = nearest(value, names) if isinstance(value, str) else None
            yield Problem(
                path,
                f"expected one of {listed}, found {describe(value)}",
                f"did you mean `{close}`?" if close else None,
            )

    return check


def listing(of: Check) -> Check:
    def check(value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem(path, f"expected a list, found {describe(value)}")
            return
        for index, item in enumerate(value):
            yield from of(item, (*path, index))

    return check


def either(one: Check, *others: Check, expected: str, shown: bool = True) -> Check:
    """Valid if any of the checks is content."""

    def check(value: Any, path: Path) -> Iterator[Problem]:
        if all(any(True for _ in each(value, path)) for each in (one, *others)):
            yield Problem(path, f"expected {expected}, found {_found(value, shown=shown)}")

    return check


def mapping(of: Check) -> Check:
    """A table whose keys are the user's own names."""

    def check(value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, Mapping):
            yield Problem(path, f"expected a table, found {describe(value)}")
            return
        for key, item in value.items():
            yield from of(item, (*path, key))

    return check


def table(keys: Mapping[str, Check], *, required: tuple[str, ...] = ()) -> Check:
    """A table with exactly these keys; an unknown one is an error that names the nearest known one."""

    def check(value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, Mapping):
            yield Problem(path, f"expected a table, found {describe(value)}")
            return
        for key, item in value.items():
            if key in keys:
                yield from keys[key](item, (*path, key))
            else:
                yield unknown_key((*path, key), keys)
        for key in required:
            if key not in value:
                yield Problem(path, f"missing key `{key}`")

    return check


def unknown_key(path: Path, known: Mapping[str, object]) -> Problem:
    key = str(path[-1])
    close = nearest(key, known)
    listed = ", ".join(f"`{name}`" for name in sorted(known))
    return Problem(
        path, f"unknown key, expected one of {listed}", f"did you mean `{close}`?" if close else "codespar plugins list"
    )


ANYTHING: Check = lambda value, path: iter(())  # noqa: E731  a check that is content with everything
