"""`codespar init`: files that work as they are."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.policy_template import TEST_FILE, Template, find_template
from codespar_cli.cli.session import Session
from codespar_cli.errors import CodesparError

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_ENFORCING = 'mode = "enforce"            # observe: allow everything, record what would have been denied'
_OBSERVING = 'mode = "observe"            # allow everything, record what would have been denied; then: enforce'


class Mode(str, Enum):
    enforce = "enforce"
    observe = "observe"


@app.command()
def init(
    context: typer.Context,
    template: Annotated[
        str,
        typer.Option("--template", metavar="NAME", help="which policy to begin with, see `codespar policy templates`"),
    ] = "starter",
    directory: Annotated[Path, typer.Option("--dir", metavar="D", help="where to write")] = Path(),
    mode: Annotated[
        Mode | None,
        typer.Option(
            "--mode",
            help="enforce the rules, or observe: allow everything and record; asked for on a terminal, else enforce",
        ),
    ] = None,
) -> None:
    """Write a commented plugins.toml and policy.yaml that work as they are. Nothing is overwritten."""
    session: Session = context.obj
    chosen = find_template(template)
    try:
        _require_room(chosen, directory)
        observes = mode is Mode.observe if mode is not None else _wants_to_observe(session)
        _write(session, chosen, directory, observes=observes)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise CodesparError(f"{directory} cannot be written: {words}", code="not_writable") from error
    enter = "" if directory == Path() else f"cd {directory}, then "
    then = "codespar policy check deploy/staging --explain"
    if TEST_FILE in chosen.files:
        then = f"codespar policy test {TEST_FILE}"
    session.terminal.note(f"next: {enter}codespar plugins status, then {then}")
    if observes:
        session.terminal.note(
            "observe mode denies nothing; after some calls: codespar policy simulate --policy policy.yaml"
        )
    elif mode is None:
        session.terminal.note('its rules are enforced; to watch first, say mode = "observe" in plugins.toml')


def _wants_to_observe(session: Session) -> bool:
    terminal = session.terminal
    return terminal.interactive and terminal.confirm("begin with observe mode, which denies nothing and records?")


def _require_room(template: Template, directory: Path) -> None:
    present = [name for name in template.files if (directory / name).exists()]
    if present:
        raise CodesparError(
            f"{directory / present[0]} is already there, and stays as it is",
            code="exists",
            hint="codespar init --dir ANOTHER",
        )


def _write(session: Session, template: Template, directory: Path, *, observes: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in template.files:
        with (directory / name).open("x", encoding="utf-8") as file:
            text = (template.directory / name).read_text("utf-8")
            file.write(text.replace(_ENFORCING, _OBSERVING) if observes and name == "plugins.toml" else text)
        session.terminal.note(f"wrote {directory / name}")
