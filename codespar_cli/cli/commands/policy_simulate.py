"""`codespar policy simulate`: what the recorded calls would get from another policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption, as_since
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.policy_simulation import Progress

_EVERY = 2048  # a multiple of what the engine tells


def simulate(
    context: typer.Context,
    policy: Annotated[Path, typer.Option("--policy", metavar="FILE", help="the policy to try", show_default=False)],
    since: Annotated[
        str | None, typer.Option("--since", metavar="T", help="count calls from then on: a time, or 7d before now")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Replay the recorded calls through another policy and show which it would answer differently.

    First they are replayed through the policies that decided; exits with 1 when that does not give what was recorded.
    """
    from codespar_cli.cli.views import policy_simulate as view

    session: Session = context.obj
    start = as_since(since, "--since", session.clock)
    engine = session.able("policy", "simulate")
    try:
        found = engine.simulate(policy, start, progress=_progress(session))
    finally:
        _wipe(session)
    if output is Output.json:
        session.terminal.json(view.simulation_json(found))
        return 0
    for line in view.summary_lines(found):
        session.terminal.line(line)
    if found.flips:
        session.terminal.line()
        session.terminal.table(view.TALLIES, view.tally_rows(found))
        session.terminal.line()
        session.terminal.table(view.FLIPS, view.flip_rows(found))
    if len(found.flips) > view.SHOWN:
        session.terminal.note(f"{len(found.flips) - view.SHOWN} more flips: -o json shows all")
    return 0


def _progress(session: Session) -> Progress | None:
    stderr = session.terminal.stderr
    if not stderr.isatty():
        return None

    def told(records: int) -> None:
        if records % _EVERY == 0:
            stderr.write(f"\r{records} records replayed")
            stderr.flush()

    return told


def _wipe(session: Session) -> None:
    stderr = session.terminal.stderr
    if stderr.isatty():
        stderr.write("\r\x1b[K")
        stderr.flush()
