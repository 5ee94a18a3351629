"""`codespar approvals`: what waits for a human, and the human's answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption, StreamOption, StreamOutput
from codespar_cli.cli.session import Session
from codespar_cli.cli.tailing import ReaderWatch
from codespar_cli.cli.views import approvals as view
from codespar_cli.errors import CodesparError, UsageError

if TYPE_CHECKING:
    from codespar_cli.core.administration.policy import ApprovalState

app = typer.Typer(
    cls=FileGroup,
    help="Requests for approval: calls that wait until people agree.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
TokenArgument = Annotated[str, typer.Argument(metavar="TOKEN", help="such as ap-7K2M9QXA", show_default=False)]
NameOption = Annotated[
    str | None,
    typer.Option("--as", metavar="NAME", help="who votes, as the policy names approvers; required", show_default=False),
]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; kept in the record")]
_POLL_S = 0.25


@app.command(name="list")
def list_requests(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="also what is denied, expired, used or void")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="go on, with a line for each request and each change")] = False,
    output: StreamOption = StreamOutput.table,
) -> int:
    """Show what waits for approval, and what is approved and not used yet."""
    session: Session = context.obj
    if watch and output is StreamOutput.json:
        raise UsageError("`-o json` is one document and needs an end", hint="use -o jsonl, or leave out --watch")
    desk = session.able("policy", "approvals")
    if watch:
        _follow(session, desk, output, everything=everything)
        return 0
    states = [state for state in desk.approvals(unexpired=not everything) if everything or state.status in view.WAITING]
    if output is StreamOutput.json:
        session.terminal.json([view.summary_json(state) for state in states])
    elif output is StreamOutput.jsonl:
        _show_lines(session, states, output)
    else:
        nothing = "nothing has been asked yet" if everything else "nothing waits for approval"
        session.terminal.table(view.HEADERS, view.rows(states, session.terminal.width), empty=nothing)
    session.terminal.flush()
    _remind(session, desk)
    return 0


@app.command()
def show(context: typer.Context, token: TokenArgument, output: OutputOption = Output.table) -> int:
    """Show one request: the call, who may approve it, who has, and what else stands in its way."""
    session: Session = context.obj
    state = session.able("policy", "approval").approval(token)
    if output is Output.json:
        session.terminal.json(view.state_json(state))
    else:
        for line, style in view.lines(state, session.clock()):
            session.terminal.line(line, style=style)
    return 0


@app.command()
def approve(
    context: typer.Context,
    token: TokenArgument,
    name: NameOption = None,
    reason: ReasonOption = "",
    output: OutputOption = Output.table,
) -> int:
    """Say yes to a request. Exits with 1 when this person may not vote on it, or not any more."""
    return _vote(context.obj, token, name, reason, output, approves=True)


@app.command()
def deny(
    context: typer.Context,
    token: TokenArgument,
    name: NameOption = None,
    reason: ReasonOption = "",
    output: OutputOption = Output.table,
) -> int:
    """Say no to a request: one denial ends it, also after it was approved."""
    return _vote(context.obj, token, name, reason, output, approves=False)


def _vote(session: Session, token: str, name: str | None, reason: str, output: Output, *, approves: bool) -> int:
    if name is None:
        state = session.able("policy", "approval", "vote").approval(token)
        raise UsageError(
            "--as: expected the name of who votes", hint=view.voters_hint(state, "approve" if approves else "deny")
        )
    state = session.able("policy", "vote").vote(token, name, approves=approves, reason=reason)
    if output is Output.json:
        session.terminal.json(view.state_json(state))
    else:
        session.terminal.line(view.outcome(state), style=view.STYLES.get(state.status, ""))
        if (warning := view.warning(state)) is not None:
            session.terminal.note(warning, style="yellow")
    return 0


def _remind(session: Session, desk: Any) -> None:
    """Try again to tell people of what nobody has been told of; that it fails is no failure of looking."""
    if not callable(getattr(desk, "remind", None)):
        return
    try:
        failures = desk.remind()
    except CodesparError as error:
        failures = [str(error)]
    for failure in failures:
        session.terminal.note(f"nobody could be told of {failure}", style="yellow")


def _follow(session: Session, desk: Any, output: StreamOutput, *, everything: bool) -> None:
    seen: dict[str, ApprovalState] = {}
    reader = ReaderWatch(session.terminal.stdout)
    try:
        if output is StreamOutput.table:
            session.terminal.line(view.watch_header(), style="bold")
        changed = _changed(desk, seen, everything=everything)
        _show_lines(session, [each for each in changed if everything or each.status in view.WAITING], output)
        while not session.terminal.reader_gone and reader.wait(_POLL_S):
            _show_lines(session, _changed(desk, seen, everything=False), output)
    except BrokenPipeError:
        pass  # whoever read has seen enough


def _changed(desk: Any, seen: dict[str, ApprovalState], *, everything: bool) -> list[ApprovalState]:
    """What is not as it was seen last. What has expired is not looked at again, however much of it there is."""
    found: list[ApprovalState] = desk.approvals(unexpired=not everything)
    present = {state.token for state in found}
    gone = [old.token for old in seen.values() if old.token not in present and old.status in view.WAITING]
    changed = [
        state
        for state in (*(desk.approval(token) for token in gone), *found)
        if state.token not in seen or (seen[state.token].status, seen[state.token].votes) != (state.status, state.votes)
    ]
    seen.update((state.token, state) for state in changed)
    return changed


def _show_lines(session: Session, states: Iterable[ApprovalState], output: StreamOutput) -> None:
    for state in states:
        if output is StreamOutput.jsonl:
            session.terminal.json_line(view.summary_json(state))
        else:
            session.terminal.line(
                view.watch_line(state, session.terminal.width), style=view.STYLES.get(state.status, "")
            )
    session.terminal.stdout.flush()
