"""JSON through CPython's own scanner and encoder, without the package around them, which imports `re` and `enum`.

For a process that reads one document, writes one and ends. Both speak the very dialect of `json`: where the C parts are
missing, or are not called as we call them, it is `json` that answers.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLANKS = " \t\n\r"
_CONSTANTS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_SAMPLE: dict[str, Any] = {"b": [1, None, 0.5], "a": "\u00e9"}


class Reading:
    """What a scanner asks of its reader; the names are those of `json.JSONDecoder`."""

    strict = True
    object_hook = None
    memo: dict[str, str]

    def __init__(
        self,
        *,
        object_pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None,
        parse_constant: Callable[[str], Any] = _CONSTANTS.__getitem__,
        parse_float: Callable[[str], Any] = float,
        parse_int: Callable[[str], Any] = int,
    ) -> None:
        self.object_pairs_hook = object_pairs_hook
        self.parse_constant = parse_constant
        self.parse_float = parse_float
        self.parse_int = parse_int

    def loads(self, text: str) -> Any:
        """One document. Raises json.JSONDecodeError, which is a ValueError, and RecursionError, as `json.loads` does."""
        try:
            from _json import make_scanner  # `json`'s own

            scan = make_scanner(self)  # type: ignore[arg-type]  # it takes whatever has these attributes
        except (ImportError, AttributeError, TypeError):
            return self._slowly(text)
        begin = len(text) - len(text.lstrip(_BLANKS))
        try:
            value, end = scan(text, begin)
        except (StopIteration, SystemError):  # before 3.12 it fails to fail where `json` was never imported
            return self._slowly(text)  # which says what is wrong
        return value if not text[end:].strip(_BLANKS) else self._slowly(text)

    def _slowly(self, text: str) -> Any:
        import json

        return json.loads(
            text,
            object_pairs_hook=self.object_pairs_hook,
            parse_constant=self.parse_constant,
            parse_float=self.parse_float,
            parse_int=self.parse_int,
        )


def loads(text: str) -> Any:
    """As `json.loads`, of text."""
    return Reading().loads(text)


def dumps(value: object) -> str:
    """As `json.dumps(value, separators=(",", ":"), allow_nan=False)`."""
    return encoder(sort_keys=False)(value)


def encoder(
    *, sort_keys: bool, default: Callable[[Any], Any] | None = None, check_circular: bool = False
) -> Callable[[Any], str]:
    """A function from a value to its text: no blanks, ASCII, neither NaN nor infinity. Raises as `json.dumps` does.

    Without `check_circular` a value that holds itself is a RecursionError instead of a ValueError.
    """
    plain = _no_default if default is None else default
    try:
        from _json import encode_basestring_ascii, make_encoder

        def made() -> Any:
            markers: dict[int, Any] | None = {} if check_circular else None
            return make_encoder(markers, plain, encode_basestring_ascii, None, ":", ",", sort_keys, False, False)

        expected = '{"a":"\\u00e9","b":[1,null,0.5]}' if sort_keys else '{"b":[1,null,0.5],"a":"\\u00e9"}'
        once = made()
        if "".join(once(_SAMPLE, 0)) == expected:
            if check_circular:  # what is left in the markers by one value that failed must not fail the next
                return lambda value: "".join(made()(value, 0))
            return lambda value: "".join(once(value, 0))
    except (ImportError, TypeError):  # its arguments are CPython's own affair
        pass
    import json

    return json.JSONEncoder(
        sort_keys=sort_keys,
        separators=(",", ":"),
        allow_nan=False,
        default=default,
        check_circular=check_circular,
    ).encode


def _no_default(value: object) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
