"""`codespar init`: two files that work as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.session import Session
from codespar_cli.core.text import nearest
from codespar_cli.errors import CodesparError, UsageError

app = typer.Typer(rich_markup_mode=None, add_completion=False)
TEMPLATES = Path(__file__).parent.parent / "templates"
FILES = ("plugins.toml", "policy.yaml")


@app.command()
def init(
    context: typer.Context,
    template: Annotated[str, typer.Option("--template", metavar="NAME", help="which policy to begin with")] = "starter",
    directory: Annotated[Path, typer.Option("--dir", metavar="D", help="where to write")] = Path(),
) -> None:
    """Write a commented plugins.toml and policy.yaml that work as they are. Nothing is overwritten."""
    session: Session = context.obj
    known = sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir())
    if template not in known:
        close = nearest(template, known)
        raise UsageError(
            f"unknown template `{template}`, expected one of {', '.join(known)}",
            hint=f"did you mean `{close}`?" if close else "codespar init",
        )
    try:
        _write(session, template, directory)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise CodesparError(f"{directory} cannot be written: {words}", code="not_writable") from error
    enter = "" if directory == Path() else f"cd {directory}, then "
    session.terminal.note(f"next: {enter}codespar plugins status, then codespar policy check deploy/staging --explain")


def _write(session: Session, template: str, directory: Path) -> None:
    present = [name for name in FILES if (directory / name).exists()]
    if present:
        raise CodesparError(
            f"{directory / present[0]} is already there, and stays as it is",
            code="exists",
            hint="codespar init --dir ANOTHER",
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        with (directory / name).open("x", encoding="utf-8") as file:
            file.write((TEMPLATES / template / name).read_text("utf-8"))
        session.terminal.note(f"wrote {directory / name}")
