"""`codespar policy test`: scenario files through the policies they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.errors import ConfigError, UsageError

_FIRST = "policy_test.yaml"


def play(
    context: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="scenario files", show_default=False)
    ] = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="also write a JUnit report")] = None,
    output: OutputOption = Output.table,
) -> int:
    """Play scenario files against the policies they name. Exits with 1 when a scenario fails.

    Needs no plugins.toml. Without a file: policy_test.yaml and *_test.yaml beside plugins.toml.
    """
    from codespar_cli.cli.views import policy_test as view
    from codespar_cli.workbench import run_scenarios

    session: Session = context.obj
    results = run_scenarios(files or _beside_config(session))
    if output is Output.json:
        session.terminal.json([view.result_json(result) for result in results])
    else:
        for line, style in view.lines(results):
            session.terminal.line(line, style=style)
    if junit is not None:
        _write(junit, view.junit(results))
    session.terminal.note(view.summary(results))
    if all(result.passed for result in results):
        return 0
    _note_of_foreign(session)
    return 1


def _note_of_foreign(session: Session) -> None:
    """A policy in another language allows nothing here, so calls that it would allow fail."""
    from codespar_cli.cli.policy_lint import rules_file_alone

    try:
        note = rules_file_alone(session.config, "scenarios play")
    except ConfigError:  # scenarios need no plugins.toml, not even a sound one
        return
    if note is not None:
        session.terminal.note(note)


def _beside_config(session: Session) -> list[Path]:
    path = session.config.path
    found = [] if path is None else sorted(Path(path).parent.glob("*_test.yaml"))
    if not found:
        raise UsageError(
            f"expected a scenario file: there is no `{_FIRST}` beside plugins.toml",
            hint="codespar policy test FILE; docs/policy-testing.md shows one",
        )
    return found


def _write(path: Path, report: bytes) -> None:
    try:
        path.write_bytes(report)
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise UsageError(f"--junit: `{path}` cannot be written: {words}") from None
