"""`codespar init`: files that work as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.policy_template import TEST_FILE, Template, find_template
from codespar_cli.cli.session import Session
from codespar_cli.errors import CodesparError

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def init(
    context: typer.Context,
    template: Annotated[
        str,
        typer.Option("--template", metavar="NAME", help="which policy to begin with, see `codespar policy templates`"),
    ] = "starter",
    directory: Annotated[Path, typer.Option("--dir", metavar="D", help="where to write")] = Path(),
) -> None:
    """Write a commented plugins.toml and policy.yaml that work as they are. Nothing is overwritten."""
    session: Session = context.obj
    chosen = find_template(template)
    try:
        _write(session, chosen, directory)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise CodesparError(f"{directory} cannot be written: {words}", code="not_writable") from error
    enter = "" if directory == Path() else f"cd {directory}, then "
    then = "codespar policy check deploy/staging --explain"
    if TEST_FILE in chosen.files:
        then = f"codespar policy test {TEST_FILE}"
    session.terminal.note(f"next: {enter}codespar plugins status, then {then}")


def _write(session: Session, template: Template, directory: Path) -> None:
    present = [name for name in template.files if (directory / name).exists()]
    if present:
        raise CodesparError(
            f"{directory / present[0]} is already there, and stays as it is",
            code="exists",
            hint="codespar init --dir ANOTHER",
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name in template.files:
        with (directory / name).open("x", encoding="utf-8") as file:
            file.write((template.directory / name).read_text("utf-8"))
        session.terminal.note(f"wrote {directory / name}")
