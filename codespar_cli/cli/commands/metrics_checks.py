"""`codespar metrics checks`: calls that their tools cannot take, and agents that go in circles."""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import typer

from codespar_cli.cli.input_file import read_input
from codespar_cli.cli.parameters import Output, OutputOption, as_since, as_whole
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.tool_checks import CheckFilter, CheckFinding, CheckFindings
from codespar_cli.errors import NotFoundError, UsageError

_HEADERS = ("call", "severity", "check", "tool", "path", "expected", "got", "suggestions")
_LONGEST = 48
_MOST = 1000
_MOST_ROWS = 10_000
_MOST_RECORDED = 100_000


def checks(
    context: typer.Context,
    calls: Annotated[
        str | None, typer.Option("--calls", metavar="FILE", help="calls as JSON lines or an array; - is stdin")
    ] = None,
    tools: Annotated[
        str | None,
        typer.Option("--tools", metavar="FILE", help="the tools there are; else those that `mcp wrap` has seen"),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="NAME", help="whose tools: they are also mcp__NAME__tool and the like"),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="keep what is found, without argument values")] = False,
    tool: Annotated[
        str | None, typer.Option("--tool", metavar="NAME", help="of what is kept, only this tool; a name or a glob")
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="of what is kept, only this agent; a name or a glob")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="of what is kept, only from then on; 10m, or a time")
    ] = None,
    count: Annotated[
        str | None, typer.Option("-n", metavar="N", help=f"of what is kept, the newest N; {_MOST} if not given")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Look at tool calls for what their tools cannot take, and for loops.

    Without --calls it shows what was kept: `mcp wrap` keeps what it finds. Exits with 1 when there is something to show.
    """
    session: Session = context.obj
    if calls is None:
        _refuse({"--tools": tools, "--server": server, "--record": record or None}, "--calls FILE")
        return _show_kept(session, tool, agent, since, count, output)
    _refuse({"--tool": tool, "--agent": agent, "--since": since, "-n": count}, "kept findings, not --calls")
    if calls == tools == "-":
        raise UsageError("--calls and --tools: expected stdin for one of them only")
    keeper: CheckFindings | None = session.able("observability", "record_findings") if record else None
    return _show_found(session, calls, tools, server, keeper, output)


def _refuse(given: dict[str, Any], belongs_to: str) -> None:
    names = [f"`{name}`" for name, value in given.items() if value is not None]
    if names:
        raise UsageError(f"{', '.join(names)}: only for {belongs_to}", hint="codespar metrics checks --help")


def _show_kept(
    session: Session, tool: str | None, agent: str | None, since: str | None, count: str | None, output: Output
) -> int:
    most = as_whole(count, "-n")
    wanted = CheckFilter(
        tool=tool,
        agent=agent,
        tenant=session.tenant_option or session.environ.get("CODESPAR_TENANT") or None,
        since=as_since(since, "--since", session.clock),
    )
    keeper: CheckFindings = session.able("observability", "findings")
    found = keeper.findings(wanted, limit=_MOST if most is None else min(most, 10**9))
    _print(session, [(finding, finding.document()) for finding in found], output, empty="no findings are kept")
    return 1 if found else 0


def _show_found(
    session: Session, calls: str, tools: str | None, server: str | None, keeper: CheckFindings | None, output: Output
) -> int:
    from codespar_cli.workbench import check_calls

    catalogue = None if tools is None else read_input(session.terminal, tools)
    tenant = session.tenant if keeper is not None else "default"
    counted = _Counted(_MOST_RECORDED if keeper is not None else 0)
    with ExitStack() as stack:
        stream = _opened(session, calls, stack)
        name = "stdin" if calls == "-" else calls
        if catalogue is None:
            seen = check_calls(stream, name, server=server, state_dir=session.config.state_dir)
        else:
            seen = check_calls(stream, name, catalogue.data, catalogue.name, server=server)
        found = counted.through(
            CheckFinding(session.clock(), tenant, call.agent, call.session, number, result)
            for number, call, result in seen
        )
        _print(session, ((each, each.result.document(each.call)) for each in found), output, empty="nothing found")
    if keeper is not None:
        keeper.record_findings(counted.last)
    return 1 if counted.all else 0


class _Counted:
    """Counts findings on their way out, and holds the last `most`: there may be any number of them."""

    def __init__(self, most: int) -> None:
        self.all = 0
        self.last: deque[CheckFinding] = deque(maxlen=most)

    def through(self, findings: Iterable[CheckFinding]) -> Iterator[CheckFinding]:
        for finding in findings:
            self.all += 1
            self.last.append(finding)
            yield finding


def _opened(session: Session, source: str, stack: ExitStack) -> BinaryIO:
    if source == "-":
        buffer = getattr(session.terminal.stdin, "buffer", None)
        if buffer is not None:
            return cast("BinaryIO", buffer)
        return io.BytesIO(session.terminal.stdin.read().encode("utf-8", "surrogateescape"))
    try:
        return stack.enter_context(Path(source).open("rb"))
    except FileNotFoundError:
        folder = os.path.dirname(source) or "."  # noqa: PTH120  as text: what was typed may be no path
        raise NotFoundError(f"no such file: `{source}`", hint=f"ls -l {folder}") from None
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"cannot be read: {words}", file=source) from None


def _print(
    session: Session, found: Iterable[tuple[CheckFinding, dict[str, Any]]], output: Output, *, empty: str
) -> None:
    if output is Output.json:
        session.terminal.json_items(document for _, document in found)
        return
    waiting = iter(found)
    session.terminal.table(_HEADERS, [_row(finding) for finding, _ in islice(waiting, _MOST_ROWS)], empty=empty)
    if more := sum(1 for _ in waiting):
        session.terminal.note(f"and {more} more: -o json shows all")


def _row(finding: CheckFinding) -> tuple[object, ...]:
    result = finding.result
    texts = (result.tool, result.path, result.expected, result.got, ", ".join(result.suggestions))
    return finding.call, result.severity, result.check, *(_short(text) for text in texts)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
