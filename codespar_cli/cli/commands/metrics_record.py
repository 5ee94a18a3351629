"""`codespar metrics record`: one call from options, or many from JSON lines."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from codespar_cli.cli.parameters import Output, OutputOption, as_moment
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.metric_lines import DEFAULT_AGENT, MetricLines
from codespar_cli.core.administration.metrics import MetricsImporter
from codespar_cli.core.hooks import ToolMetric
from codespar_cli.errors import UsageError


def record(
    context: typer.Context,
    tool: Annotated[str | None, typer.Argument(metavar="[TOOL]", help="the tool that was called")] = None,
    agent: Annotated[str, typer.Option("--agent", metavar="A", help="who called")] = DEFAULT_AGENT,
    latency_ms: Annotated[float, typer.Option("--latency-ms", metavar="N", help="how long it took")] = 0.0,
    cost: Annotated[str | None, typer.Option("--cost", metavar="N", help="what it cost; unknown if not given")] = None,
    error_type: Annotated[str | None, typer.Option("--error-type", metavar="NAME", help="it failed, with this")] = None,
    input_tokens: Annotated[int | None, typer.Option("--input-tokens", metavar="N", help="tokens in")] = None,
    output_tokens: Annotated[int | None, typer.Option("--output-tokens", metavar="N", help="tokens out")] = None,
    project: Annotated[str | None, typer.Option("--project", metavar="P", help="in which project")] = None,
    session_name: Annotated[str | None, typer.Option("--session", metavar="S", help="in which session")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="when it was made; now if not given")] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="JSON lines with the keys of a row; - is stdin")
    ] = None,
    output: OutputOption = Output.table,
) -> None:
    """Record one call, or all the calls of a file: every line of it, or none."""
    session: Session = context.obj
    if (tool is None) == (source is None):
        raise UsageError(
            "expected a tool, or `--from FILE`", hint="codespar metrics record github/list_issues --latency-ms 120"
        )
    if source is not None:
        recorded = _record_lines(session, source)
    else:
        metric = ToolMetric(
            tool_name=tool or "",
            agent_id=agent,
            latency_ms=latency_ms,
            success=not error_type,
            cost=cost,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            error_type=error_type,
            time=as_moment(at, "--at"),
            tenant=session.tenant,
            project=project,
            session=session_name,
        )
        recorded = _record_one(session, metric)
    if output is Output.json:
        session.terminal.json({"recorded": recorded})
    else:
        session.terminal.note(f"recorded {recorded} call{'' if recorded == 1 else 's'}")


def _record_one(session: Session, metric: ToolMetric) -> int:
    plugin = session.able("observability", "record")
    plugin.record(metric)
    # What is told is durable: a plugin that gathers rows must write this one before we say so.
    if callable(flush := getattr(plugin, "flush", None)):
        flush()
    return 1


def _record_lines(session: Session, source: str) -> int:
    importer: MetricsImporter = session.able("observability", "record_all")
    with ExitStack() as stack:
        if source == "-":
            name, stream = "stdin", _stdin(session)
        else:
            name, stream = source, stack.enter_context(_opened(source))
        lines = MetricLines(stream, name, tenant=session.tenant)
        try:
            return importer.record_all(lines)
        except UsageError as error:
            raise lines.located(error) from None


def _opened(source: str) -> BinaryIO:
    try:
        return Path(source).open("rb")
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot be read: {words}", file=source) from None


def _stdin(session: Session) -> BinaryIO:
    buffer = getattr(session.terminal.stdin, "buffer", None)
    if buffer is not None:
        return cast("BinaryIO", buffer)
    return io.BytesIO(session.terminal.stdin.read().encode("utf-8", "surrogateescape"))
