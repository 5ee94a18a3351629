"""`codespar audit`: read and verify the hash-chained record."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption, StreamOption, StreamOutput, as_since
from codespar_cli.cli.session import Session
from codespar_cli.cli.tailing import ReaderWatch
from codespar_cli.cli.views import audit as view
from codespar_cli.errors import IntegrityError
from codespar_cli.startup import record_chains
from codespar_cli.storage.chain_rows import ChainRecord

if TYPE_CHECKING:
    from codespar_cli.storage.chain_files import ChainFile
    from codespar_cli.storage.postgres_chain import ServerChain

app = typer.Typer(
    cls=FileGroup,
    help="The hash-chained record of decisions and secret access.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_Entry: TypeAlias = tuple[str, ChainRecord]
_POLL_S = 0.1


@app.command()
def tail(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", min=0, help="how many of the last records")] = 20,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="wait for more")] = False,
    output: StreamOption = StreamOutput.table,
) -> None:
    """Show the last records of all chains, in order of time."""
    session: Session = context.obj
    seen: dict[str, int] = {}
    entries = _noted(_merged(_chains(session)), seen)
    latest = heapq.nlargest(count, entries, key=lambda entry: (entry[1].at, entry[1].seq))
    latest.reverse()
    if not follow:
        _show(session, latest, output)
        return
    try:
        _follow(session, latest, seen, output)
    except BrokenPipeError:
        pass  # whoever read has seen enough


def _follow(session: Session, latest: list[_Entry], seen: dict[str, int], output: StreamOutput) -> None:
    if output is StreamOutput.table:
        session.terminal.line(view.tail_header(), style="bold")
        _show_lines(session, latest)
    else:
        _show(session, latest, output)
    session.terminal.stdout.flush()
    reader = ReaderWatch(session.terminal.stdout)
    while reader.wait(_POLL_S) and not session.terminal.reader_gone:
        for file in _chains(session):
            fresh = _noted(((file.name, record) for record in file.records(after=seen.get(file.name, 0))), seen)
            if output is StreamOutput.table:
                _show_lines(session, fresh)
            else:
                _show(session, fresh, StreamOutput.jsonl)
        session.terminal.stdout.flush()


@app.command()
def verify(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Recompute every chain. Keep the printed heads elsewhere: who can rewrite a whole file can rewrite its chain."""
    session: Session = context.obj
    results = []
    broken: IntegrityError | None = None
    for file in _chains(session):
        try:
            results.append(view.head_json(file.name, file.verify()))
        except IntegrityError as error:
            broken = broken or error
            results.append({"chain": file.name, "records": None, "head": None, "ok": False, "error": error.message})
    if output is Output.json:
        session.terminal.json(results)
    else:
        rows = [
            (r["chain"], "ok" if r["ok"] else "broken", r["records"], r["head"] if r["ok"] else r["error"])
            for r in results
        ]
        session.terminal.table(("chain", "state", "records", "head"), rows, empty="nothing has been recorded yet")
    return broken.exit_code if broken else 0


@app.command()
def export(
    context: typer.Context,
    since: Annotated[str | None, typer.Option("--since", help="a time, or a duration such as 24h")] = None,
    output: StreamOption = StreamOutput.jsonl,
) -> None:
    """Write every record, one JSON object each."""
    session: Session = context.obj
    begin = as_since(since, "--since", session.clock)
    entries = (entry for entry in _merged(_chains(session)) if begin is None or entry[1].at >= begin)
    if output is StreamOutput.jsonl:
        for name, record in entries:
            session.terminal.json_line(view.record_json(name, record))
    else:
        _show(session, list(entries), output)


def _chains(session: Session) -> list[ChainFile | ServerChain]:
    return record_chains(session.config, environ=session.environ)


def _merged(files: list[ChainFile | ServerChain]) -> Iterator[_Entry]:
    streams = [_named(file) for file in files]
    return heapq.merge(*streams, key=lambda entry: entry[1].at)


def _named(file: ChainFile | ServerChain) -> Iterator[_Entry]:
    return ((file.name, record) for record in file.records())


def _noted(entries: Iterable[_Entry], seen: dict[str, int]) -> Iterator[_Entry]:
    """Notes which was the last of each chain, so that whoever follows goes on from there and misses none."""
    for name, record in entries:
        seen[name] = record.seq
        yield name, record


def _show_lines(session: Session, entries: Iterable[_Entry]) -> None:
    for name, record in entries:
        session.terminal.line(view.tail_line(name, record))


def _show(session: Session, entries: Iterable[_Entry], output: StreamOutput) -> None:
    if output is StreamOutput.json:
        session.terminal.json([view.record_json(name, record) for name, record in entries])
    elif output is StreamOutput.jsonl:
        for name, record in entries:
            session.terminal.json_line(view.record_json(name, record))
    else:
        rows = [view.record_row(name, record) for name, record in entries]
        session.terminal.table(view.HEADERS, rows, empty="nothing has been recorded yet")
