"""HTTP headers as a mapping whose keys do not know case (RFC 9110, section 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


class Headers(Mapping[str, str]):
    """Read-only. A name given twice is joined with a comma (RFC 9110, section 5.3), so that a second signature or a
    second event name can never quietly take the place of the first: the joined value matches neither.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        for name, value in (pairs or {}).items():
            self._add(name, value)

    @classmethod
    def of(cls, source: Any) -> Headers:
        """Whatever a caller has: a mapping of text or bytes, with single values or lists of them, a list of pairs, or
        nothing. What cannot be a header is left out; this never raises."""
        if isinstance(source, cls):
            return source
        headers = cls()
        pairs = source.items() if isinstance(source, Mapping) else source
        if isinstance(pairs, str | bytes) or not hasattr(pairs, "__iter__"):
            return headers
        known = headers._values
        for pair in pairs:
            # As a server has them, which is what a delivery's cost is made of.
            if type(pair) is tuple and len(pair) == 2 and type(pair[0]) is bytes and type(pair[1]) is bytes and pair[0]:
                name, value = pair[0].decode("latin-1"), pair[1].decode("latin-1")
                key = name.lower()
                known[key] = (name, value if key not in known else f"{known[key][1]}, {value}")
                continue
            if isinstance(pair, tuple | list) and len(pair) == 2:
                name, values = pair
                for value in values if isinstance(values, tuple | list) else (values,):
                    headers._add(_text(name), _text(value))
        return headers

    def with_defaults(self, defaults: Mapping[str, str]) -> Headers:
        """The same headers, and those of `defaults` that are not there."""
        extended = Headers(dict(self._values.values()))
        for name, value in defaults.items():
            if name not in self:
                extended._add(name, value)
        return extended

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        # Names only: a value may be a signature, a token or a cookie.
        return f"<Headers {', '.join(self._values)}>"

    def _add(self, name: str | None, value: str | None) -> None:
        if not name or value is None:
            return
        key = name.lower()
        present = self._values.get(key)
        self._values[key] = (name, value if present is None else f"{present[1]}, {value}")


NO_HEADERS = Headers()


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else None
