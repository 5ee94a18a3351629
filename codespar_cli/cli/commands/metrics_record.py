"""`codespar metrics record`: one call from options, or many from JSON lines."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from codespar_cli.cli.parameters import Output, OutputOption, as_amount, as_milliseconds, as_moment, as_whole
from codespar_cli.cli.session import Session
from codespar_cli.cli.views.metrics import recorded_text
from codespar_cli.core.administration.metric_lines import DEFAULT_AGENT, MetricLines
from codespar_cli.core.administration.metrics import MetricsImporter
from codespar_cli.core.clock import Clock
from codespar_cli.core.durations import render_duration
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.errors import NotFoundError, UsageError


def record(
    context: typer.Context,
    tool: Annotated[str | None, typer.Argument(metavar="[TOOL]", help="the tool that was called")] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help=f"who called; `{DEFAULT_AGENT}` if not given")
    ] = None,
    latency_ms: Annotated[
        str | None, typer.Option("--latency-ms", metavar="N", help="how long it took; 0 if not given")
    ] = None,
    cost: Annotated[str | None, typer.Option("--cost", metavar="N", help="what it cost; unknown if not given")] = None,
    error_type: Annotated[str | None, typer.Option("--error-type", metavar="NAME", help="it failed, with this")] = None,
    input_tokens: Annotated[str | None, typer.Option("--input-tokens", metavar="N", help="tokens in")] = None,
    output_tokens: Annotated[str | None, typer.Option("--output-tokens", metavar="N", help="tokens out")] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="NAME", help="in which project")] = None,
    session_name: Annotated[str | None, typer.Option("--session", metavar="NAME", help="in which session")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="when it was made; now if not given")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="JSON lines with the keys of a row; - is stdin")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Record one call, or the calls of a file.

    Of a file every line is recorded, or none.
    """
    session: Session = context.obj
    if (tool is None) == (source is None):
        raise UsageError(
            "expected a tool, or `--from FILE`" + (", not both" if tool else ""),
            hint="codespar metrics record github/list_issues --latency-ms 120",
        )
    given = {
        "--agent": agent,
        "--latency-ms": latency_ms,
        "--cost": cost,
        "--error-type": error_type,
        "--input-tokens": input_tokens,
        "--output-tokens": output_tokens,
        "--project": project,
        "--session": session_name,
        "--at": at,
    }
    if source is None:
        tally = _record_one(session, _metric(session, tool or "", given))
    else:
        _refuse_beside_lines(given)
        tally = _record_lines(session, source)
    if output is Output.json:
        session.terminal.json({"recorded": tally.calls})
    if output is Output.table or tally.removed:
        session.terminal.note(recorded_text(tally.calls, tally.removed))


class _Tally:
    """Counts metrics on their way to a plugin, and those of them that are past its retention."""

    def __init__(self, plugin: object, clock: Clock) -> None:
        self.calls = 0
        self._expired = 0
        age, rows = getattr(plugin, "retention", None), getattr(plugin, "max_rows", None)
        self._age = age if isinstance(age, timedelta) else None
        self._rows = rows if isinstance(rows, int) else None
        self._now = clock()

    def counted(self, metrics: Iterable[ToolMetric]) -> Iterator[ToolMetric]:
        for metric in metrics:
            self.calls += 1
            if self._age is not None and metric.time is not None and self._now - metric.time > self._age:
                self._expired += 1
            yield metric

    @property
    def removed(self) -> str:
        """What is not kept, and why; empty when everything is."""
        reasons = []
        if self._age is not None and self._expired:
            which = "" if self.calls == 1 else f"{self._expired} of them "
            reasons.append(f"{which}older than the retention of {render_duration(self._age.total_seconds())}")
        kept = self.calls - self._expired
        if self._rows is not None and kept > self._rows:
            reasons.append(f"{kept - self._rows} of them more than max_rows keeps")
        return " and ".join(reasons)


def _metric(session: Session, tool: str, given: Mapping[str, str | None]) -> ToolMetric:
    agent = given["--agent"]
    return ToolMetric(
        tool_name=tool,
        agent_id=DEFAULT_AGENT if agent is None else agent,
        latency_ms=as_milliseconds(given["--latency-ms"], "--latency-ms") or 0.0,
        success=not given["--error-type"],
        cost=as_amount(given["--cost"], "--cost"),
        input_tokens=as_whole(given["--input-tokens"], "--input-tokens"),
        output_tokens=as_whole(given["--output-tokens"], "--output-tokens"),
        error_type=given["--error-type"],
        time=as_moment(given["--at"], "--at"),
        tenant=session.tenant,
        project=given["--project"],
        session=given["--session"],
    )


def _refuse_beside_lines(given: Mapping[str, str | None]) -> None:
    names = [f"`{name}`" for name, value in given.items() if value is not None]
    if names:
        raise UsageError(
            f"{', '.join(names)}: not beside --from, whose lines say it themselves",
            hint="codespar metrics record --from FILE",
        )


def _record_one(session: Session, metric: ToolMetric) -> _Tally:
    plugin = session.able("observability", "record")
    tally = _Tally(plugin, session.clock)
    for each in tally.counted([metric]):
        plugin.record(each)
    # What is told is durable: a plugin that gathers rows must write this one before we say so.
    if callable(flush := getattr(plugin, "flush", None)):
        flush()
    return tally


def _record_lines(session: Session, source: str) -> _Tally:
    importer: MetricsImporter = session.able("observability", "record_all")
    tally = _Tally(importer, session.clock)
    with ExitStack() as stack:
        if source == "-":
            name, stream = "stdin", _stdin(session)
        else:
            name, stream = source, stack.enter_context(_opened(source))
        lines = MetricLines(stream, name, tenant=session.tenant)
        try:
            tally.calls = importer.record_all(tally.counted(lines))
        except UsageError as error:
            raise lines.located(error) from None
    return tally


def _opened(source: str) -> BinaryIO:
    try:
        return Path(source).open("rb")
    except FileNotFoundError:
        raise NotFoundError(f"no such file: `{source}`") from None
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot be read: {words}", file=source) from None


def _stdin(session: Session) -> BinaryIO:
    buffer = getattr(session.terminal.stdin, "buffer", None)
    if buffer is not None:
        return cast("BinaryIO", buffer)
    return io.BytesIO(session.terminal.stdin.read().encode("utf-8", "surrogateescape"))
