"""Templates with references to secrets: `{{ codespar://tenant/KEY }}`, with `?version=N` for an earlier version.

Tenant and key are percent-encoded where they hold white space, `/` (in a tenant), `?`, `%`, `{` or `}`. Every other byte of a
template stays what it is, and so does everything else in double braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from codespar_cli.core.administration.secrets import Secret
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import CodesparError, UsageError

EXPECTED = "{{ codespar://tenant/KEY }}"
_OPENING = re.compile(rb"\{\{[ \t]*codespar:")
_REFERENCE = re.compile(
    rb"\{\{[ \t]*codespar://(?P<tenant>[^\s/?{}]+)/(?P<key>[^\s?{}]+)(?:\?version=(?P<version>[1-9][0-9]{0,8}))?[ \t]*\}\}"
)
_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Reference(NamedTuple):
    """Which secret is meant."""

    tenant: str
    key: str
    version: int | None

    def __str__(self) -> str:
        version = "" if self.version is None else f"?version={self.version}"
        return f"codespar://{self.tenant}/{self.key}{version}"


class Place(NamedTuple):
    """A reference, its bytes in the template, and its line from 1."""

    reference: Reference
    start: int
    end: int
    line: int


def places(template: bytes, file: str) -> list[Place]:
    """Every reference, in order. Raises UsageError with file and line for what looks like one and is not."""
    return list(_places(template, file))


def filled(template: bytes, found: list[Place], value_of: Callable[[Reference], Secret], file: str) -> Hidden[bytes]:
    """The template with values in place of references, each asked for once. An error tells the line."""
    values: dict[Reference, Secret] = {}
    for place in found:
        if place.reference not in values:
            with located(file, place):
                values[place.reference] = value_of(place.reference)
    parts, end = [], 0
    for place in found:
        parts += [template[end : place.start], values[place.reference].reveal().encode()]
        end = place.end
    return Hidden(b"".join([*parts, template[end:]]))


@contextmanager
def located(file: str, place: Place) -> Iterator[None]:
    """A CodesparError that knows no place gets this one."""
    try:
        yield
    except CodesparError as error:
        if error.file is None:
            error.file, error.line = file, place.line
        raise


def _places(template: bytes, file: str) -> Iterator[Place]:
    line, counted = 1, 0
    for opening in _OPENING.finditer(template):
        line += template.count(b"\n", counted, opening.start())
        counted = opening.start()
        found = _REFERENCE.match(template, opening.start())
        if found is None:
            raise UsageError(
                f"expected {EXPECTED}",
                code="reference_invalid",
                file=file,
                line=line,
                hint="percent-encode what is special in a name; ?version=N may follow it",
            )
        names = [_decoded(found[part], file, line) for part in ("tenant", "key")]
        version = None if found["version"] is None else int(found["version"])
        yield Place(Reference(names[0], names[1], version), *found.span(), line)


def _decoded(name: bytes, file: str, line: int) -> str:
    try:
        if _BAD_PERCENT.search(name) is None:
            return unquote_to_bytes(name).decode()
    except UnicodeDecodeError:
        pass
    raise UsageError("a name is not percent-encoded UTF-8", code="reference_invalid", file=file, line=line)
