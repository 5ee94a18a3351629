"""Rows as CSV (RFC 4180, with line feeds), for spreadsheets and people.

Names are made harmless: characters that cannot be seen are spelled out, and what a spreadsheet would run as a formula
gets a leading apostrophe. JSON lines keep every name as it is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any, BinaryIO

from codespar_cli.core.administration.metrics import ROW_KEYS, MetricRow
from codespar_cli.core.spreadsheet_cells import inert_cell
from codespar_cli.core.text import visible


def write_csv(rows: Iterable[MetricRow], stream: BinaryIO) -> int:
    """Answers how many rows."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(ROW_KEYS)
    count = 0
    for row in rows:
        writer.writerow([_cell(value) for value in row.document().values()])
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(value: Any) -> Any:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return inert_cell(visible(value))
        case _:
            return value
