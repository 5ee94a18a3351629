"""Recorded calls as JSON lines: what `metrics tail -o jsonl` prints, `metrics record --from` reads.

One object a line with the keys of a row; `tool` is required. `id` is read past, since the store gives its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from sys import intern
from typing import Any, Protocol

from codespar_cli.core.administration.metrics import ROW_KEYS
from codespar_cli.core.clock import parse_moment
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.core.strict_json import loads
from codespar_cli.core.text import nearest
from codespar_cli.errors import UsageError

MAX_LINE_BYTES = 65_536
MAX_LINES = 1_000_000
DEFAULT_AGENT = "agent"
_KEYS = frozenset(ROW_KEYS)
_PLACE = re.compile(r" at line 1 (?=column [0-9]+$)")
_SAME_NAME = ("session", "project", "error_type", "cost", "cost_source", "input_tokens", "output_tokens", "decision_id")


class LineSource(Protocol):
    def readline(self, limit: int = -1, /) -> bytes: ...


class MetricLines:
    """An iterator over the metrics in `lines`, to be taken one at a time. `tenant` is whose a line without one is."""

    def __init__(self, lines: LineSource, name: str, *, tenant: str) -> None:
        self._lines = lines
        self._name = name
        self._tenant = tenant
        self._number = 0

    def __iter__(self) -> Iterator[ToolMetric]:
        """Raises UsageError for the first line that is no metric."""
        while line := self._lines.readline(MAX_LINE_BYTES + 1):
            self._number += 1
            if len(line) > MAX_LINE_BYTES:
                raise UsageError(f"line is longer than {MAX_LINE_BYTES} bytes", code="invalid_metric")
            if self._number > MAX_LINES:
                raise UsageError(f"more than {MAX_LINES} lines", code="invalid_metric", hint="split -l 500000 FILE")
            if line.strip():
                yield parse_metric(line, self._tenant)

    def located(self, error: UsageError) -> UsageError:
        """The same error with its place: the line that was taken last."""
        return UsageError(error.message, code="invalid_metric", hint=error.hint, file=self._name, line=self._number)


def parse_metric(line: bytes, tenant: str) -> ToolMetric:
    """Raises UsageError. The values of most keys are left for the store's boundary to judge."""
    try:
        # Without its end a line is one line, and only the column is left to say: `located` knows the line's number.
        row = loads(line.rstrip(b"\r\n"))
    except ValueError as error:
        raise _refused(_PLACE.sub(" at ", str(error))) from None
    if not isinstance(row, dict):
        raise _refused("expected an object with the keys of a row")
    return metric_of(row, tenant)


def metric_of(row: dict[str, Any], tenant: str) -> ToolMetric:
    """The metric of a row. Raises UsageError."""
    for key in row:
        if key not in _KEYS:
            close = nearest(key, _KEYS)
            raise _refused(f"unknown key `{key[:60]}`", f"did you mean `{close}`?" if close else None)
    # Names repeat from line to line: kept once, a million lines need a fraction of the memory.
    row = {key: intern(value) if type(value) is str else value for key, value in row.items()}
    if row.get("tool") is None:
        raise _refused("missing key `tool`")
    if row.get("success") is True and row.get("error_type"):
        raise _refused("error_type: expected none where `success` is true")
    return ToolMetric(
        tool_name=row["tool"],
        agent_id=_given(row, "agent", DEFAULT_AGENT),
        latency_ms=_given(row, "latency_ms", 0.0),
        success=_given(row, "success", not row.get("error_type")),
        time=_moment(row.get("time")),
        tenant=_given(row, "tenant", tenant),
        **{key: row.get(key) for key in _SAME_NAME},
    )


def _refused(message: str, hint: str | None = None) -> UsageError:
    return UsageError(message, code="invalid_metric", hint=hint)


def _given(row: dict[str, Any], key: str, default: object) -> Any:
    value = row.get(key)
    return default if value is None else value


def _moment(text: object) -> datetime | None:
    if text is None:
        return None
    try:
        if isinstance(text, str):
            return parse_moment(text)
    except (ValueError, OverflowError):
        pass
    raise _refused("time: expected a time such as 2026-11-23T09:00:00Z")
