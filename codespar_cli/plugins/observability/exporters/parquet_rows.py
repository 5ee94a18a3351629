"""Rows as Parquet, by pyarrow: the extra `parquet`. Money is DECIMAL(18, 6), times are microseconds in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from codespar_cli.core.administration.metrics import ROW_KEYS, MetricRow
from codespar_cli.errors import MissingExtra

GROUP_ROWS = 50_000


def write_parquet(rows: Iterable[MetricRow], stream: BinaryIO) -> int:
    """Answers how many rows. Raises MissingExtra."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("`metrics export --format parquet`", "parquet") from None
    schema = _schema(pa)
    count = 0
    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for group in _groups(rows):
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=GROUP_ROWS)
            count += len(group)
    return count


def _groups(rows: Iterable[MetricRow]) -> Iterator[list[tuple[Any, ...]]]:
    waiting = iter(rows)
    while group := [row[: len(ROW_KEYS)] for row in islice(waiting, GROUP_ROWS)]:
        yield group


def _schema(arrow: Any) -> Any:
    name = arrow.string()
    types = {
        "id": arrow.int64(),
        "time": arrow.timestamp("us", tz="UTC"),
        "latency_ms": arrow.float64(),
        "success": arrow.bool_(),
        "cost": arrow.decimal128(18, 6),
        "input_tokens": arrow.int64(),
        "output_tokens": arrow.int64(),
    }
    optional = {"project", "session", "error_type", "cost", "input_tokens", "output_tokens", "decision_id"}
    return arrow.schema([arrow.field(key, types.get(key, name), nullable=key in optional) for key in ROW_KEYS])
