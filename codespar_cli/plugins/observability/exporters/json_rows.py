"""Rows as JSON lines: exactly what `metrics tail -o jsonl` prints, and `metrics record --from` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import BinaryIO

from codespar_cli.core.administration.metrics import MetricRow


def write_jsonl(rows: Iterable[MetricRow], stream: BinaryIO) -> int:
    """Answers how many rows."""
    count = 0
    for row in rows:
        stream.write(json.dumps(row.document(), separators=(",", ":")).encode() + b"\n")
        count += 1
    return count
