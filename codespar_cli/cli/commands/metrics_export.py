"""`codespar metrics export`: recorded calls for other programs, one at a time or summed up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

import typer

from codespar_cli.cli.commands.metrics_options import AgentGlob, Since, Until, chosen_tenant
from codespar_cli.cli.output_file import output_file
from codespar_cli.cli.parameters import as_since
from codespar_cli.cli.session import Session
from codespar_cli.cli.tailing import rows_within
from codespar_cli.core.administration.metric_exports import MetricsExporter
from codespar_cli.core.administration.metrics import MetricFilter, MetricsReader, RowRange
from codespar_cli.errors import UsageError


class Format(str, Enum):
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    prometheus = "prometheus"
    openmetrics = "openmetrics"


_SUMS = {Format.prometheus, Format.openmetrics}


def export(
    context: typer.Context,
    format: Annotated[Format, typer.Option("--format", help="rows, or sums as Prometheus reads them")] = Format.jsonl,
    since: Since = None,
    until: Until = None,
    tool: Annotated[str | None, typer.Option("--tool", metavar="NAME", help="only this tool; a name or a glob")] = None,
    agent: AgentGlob = None,
    output: Annotated[str, typer.Option("--output", metavar="FILE", help="where to; - is stdout")] = "-",
) -> int:
    """Write recorded calls for other programs.

    A file is there whole when the command succeeds, and untouched when it does not.
    """
    session: Session = context.obj
    wanted = MetricFilter(
        tool=tool,
        agent=agent,
        tenant=chosen_tenant(session),
        since=as_since(since, "--since", session.clock),
        until=as_since(until, "--until", session.clock),
    )
    if output == "-" and format is Format.parquet and session.terminal.stdout.isatty():
        raise UsageError(
            "--format parquet: expected a file, a terminal cannot show it",
            hint="codespar metrics export --format parquet --output calls.parquet",
        )
    plugin = session.able("observability", *(("exposition",) if format in _SUMS else ("rows", "last")))
    if output != "-":
        with output_file(Path(output)) as stream:
            count = _write(plugin, wanted, format, stream)
        if format not in _SUMS:
            session.terminal.note(f"exported {count} call{'' if count == 1 else 's'} to {output}")
        return 0
    stdout = _Stdout(session)
    try:
        _write(plugin, wanted, format, cast("BinaryIO", stdout))
        stdout.flush()
    except BrokenPipeError:
        pass  # whoever read has seen enough
    return 0


def _write(plugin: Any, wanted: MetricFilter, format: Format, stream: BinaryIO) -> int:
    if format in _SUMS:
        exporter: MetricsExporter = plugin
        for lines in _joined(exporter.exposition(wanted, openmetrics=format is Format.openmetrics)):
            stream.write(lines.encode())
        return 0
    from codespar_cli.workbench import write_rows

    reader: MetricsReader = plugin
    # What is recorded while we write would be a moving end.
    span = RowRange(0, reader.last(MetricFilter(), 0).upto)
    return write_rows(
        rows_within(reader, wanted, span), cast("Literal['jsonl', 'csv', 'parquet']", format.value), stream
    )


def _joined(lines: Iterable[str], size: int = 65_536) -> Iterator[str]:
    waiting: list[str] = []
    length = 0
    for line in lines:
        waiting.append(line)
        length += len(line)
        if length >= size:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


class _Stdout:
    """Bytes through the terminal: written in large pieces, and closed by nobody."""

    closed = False

    def __init__(self, session: Session) -> None:
        self._terminal = session.terminal
        self._waiting = bytearray()
        self._at = 0

    def write(self, data: bytes) -> int:
        self._waiting += data
        self._at += len(data)
        if len(self._waiting) >= 65_536:
            self.flush()
        return len(data)

    def flush(self) -> None:
        waiting, self._waiting = bytes(self._waiting), bytearray()
        if waiting:
            self._terminal.raw(waiting)

    def tell(self) -> int:
        return self._at

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.flush()
