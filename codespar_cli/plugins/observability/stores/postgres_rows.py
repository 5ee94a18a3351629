"""Rows of calls on their way to a server: a column at a time, as the text of a PostgreSQL array.

One statement takes any number of rows so, and what it is does not depend on how many; the driver's own arrays take
three times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, LiteralString

from codespar_cli.plugins.observability.admission import StoredRow


def _numbers(values: Sequence[float | None]) -> str:
    return ",".join(["NULL" if value is None else repr(value) for value in values])


def _texts(values: Sequence[str | None]) -> str:
    return ",".join(["NULL" if value is None else _quoted(value) for value in values])


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _flags(values: Sequence[bool]) -> str:
    return ",".join(["t" if value else "f" for value in values])


def _digests(values: Sequence[bytes | None]) -> str:
    return ",".join(["NULL" if value is None else f'"\\\\x{value.hex()}"' for value in values])


_COLUMNS: tuple[tuple[LiteralString, LiteralString, Callable[[Sequence[Any]], str]], ...] = (
    ("time", "bigint", _numbers),
    ("tenant", "text", _texts),
    ("project", "text", _texts),
    ("session", "text", _texts),
    ("agent", "text", _texts),
    ("tool", "text", _texts),
    ("latency_ms", "double precision", _numbers),
    ("success", "boolean", _flags),
    ("error_type", "text", _texts),
    ("cost", "bigint", _numbers),
    ("cost_source", "text", _texts),
    ("input_tokens", "bigint", _numbers),
    ("output_tokens", "bigint", _numbers),
    ("decision_id", "text", _texts),
    ("server", "text", _texts),
    ("arguments_bytes", "bigint", _numbers),
    ("arguments_digest", "bytea", _digests),
    ("result_bytes", "bigint", _numbers),
)
COLUMNS: LiteralString = ", ".join([name for name, _, _ in _COLUMNS])
"""The columns of a StoredRow, in their order."""
_ARRAYS: LiteralString = ", ".join(["%s::" + kind + "[]" for _, kind, _ in _COLUMNS])
INSERT: LiteralString = (
    "INSERT INTO calls (id, " + COLUMNS + ") SELECT %s::bigint + place, " + COLUMNS  # noqa: S608  constants
    + " FROM unnest(" + _ARRAYS + ") WITH ORDINALITY AS fresh (" + COLUMNS + ", place)"
)  # fmt: skip
"""Takes the id before the first, and then what `arrays` answers."""


def arrays(rows: Sequence[StoredRow]) -> list[str]:
    columns = zip(*rows, strict=True)
    return ["{" + write(values) + "}" for (_, _, write), values in zip(_COLUMNS, columns, strict=True)]
