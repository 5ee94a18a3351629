"""`codespar secrets export --reveal`: the tenant's values, for another place that keeps them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.dotenv import write_dotenv
from codespar_cli.cli.private_file import check_target
from codespar_cli.cli.running.environment import is_variable
from codespar_cli.cli.secret_reading import every_name, hand_out, named, read
from codespar_cli.cli.session import Session
from codespar_cli.cli.views.secrets import counted
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import UsageError

_JSON_HINT = "codespar secrets export -o json --reveal"


class ExportFormat(str, Enum):
    dotenv = "dotenv"
    json = "json"
    shell = "shell"


def export(
    context: typer.Context,
    reveal: Annotated[bool, typer.Option("--reveal", help="yes, print the values")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="KEYS", help="only these: A,B")] = None,
    output: Annotated[
        ExportFormat, typer.Option("--output", "-o", help="dotenv, json, or shell: lines for eval")
    ] = ExportFormat.dotenv,
    output_file: Annotated[
        Path | None, typer.Option("--output-file", metavar="PATH", help="into a file of mode 0600")
    ] = None,
) -> int:
    """Print every value, to be imported elsewhere."""
    session: Session = context.obj
    if not reveal:
        raise UsageError(
            "an export shows every value: say so with --reveal",
            code="reveal_needed",
            hint="codespar secrets export --reveal --output-file secrets.env",
        )
    if output_file is not None:
        check_target(output_file, "--output-file")
    names = named(only)
    names = every_name(session) if names is None else names
    _check_names(names, output)
    values = Hidden({name: read(session, name).reveal() for name in names})
    text = without_frames(lambda: Hidden(_written(values.reveal(), output).encode()))
    hand_out(session, text, output_file)
    count = f"{counted(len(names), 'value')} of tenant `{session.tenant}`"
    session.terminal.note(f"exported {count}{f' to `{output_file}`' if output_file else ''}")
    return 0


def _check_names(names: list[str], output: ExportFormat) -> None:
    """Before any value is read. Raises UsageError."""
    if output is ExportFormat.dotenv:
        write_dotenv(dict.fromkeys(names, ""))
    if output is ExportFormat.shell:
        for name in names:
            if not is_variable(name):
                raise UsageError(f"`{name}` cannot be a variable of a shell", hint=_JSON_HINT)


def _written(values: Mapping[str, str], output: ExportFormat) -> str:
    if output is ExportFormat.json:
        return json.dumps(values, indent=2) + "\n"
    if output is ExportFormat.dotenv:
        return write_dotenv(values)
    for name, value in values.items():
        if "\0" in value:
            raise UsageError(f"`{name}`: no variable can hold a NUL", hint=_JSON_HINT)
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
