"""`codespar secrets inject TEMPLATE`: a file with references becomes one with values."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.input_file import read_input
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.private_file import check_target
from codespar_cli.cli.secret_reading import hand_out, read
from codespar_cli.cli.secret_template import Place, Reference, filled, located, places
from codespar_cli.cli.secrets_get import actor
from codespar_cli.cli.session import Session
from codespar_cli.cli.views.secrets import counted
from codespar_cli.core.administration.secrets import Secret, SecretReader
from codespar_cli.errors import UsageError

HEADERS = ("line", "reference", "version")


def inject(
    context: typer.Context,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="a file with references; - is stdin")],
    output_file: Annotated[
        Path | None,
        typer.Option("--output-file", "-O", metavar="FILE", help="where to, mode 0600; stdout if not given"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list the references, write nothing")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Fill a template: {{ codespar://tenant/KEY }} becomes the value.

    With a reference that cannot be resolved nothing is written.
    """
    session: Session = context.obj
    if output is Output.json and not dry_run:
        raise UsageError(
            "-o json shows what --dry-run finds, and a filled template is no JSON; a file is named by -O",
            hint=f"codespar secrets inject {shlex.quote(template)} --dry-run -o json",
        )
    if output_file is not None:
        _check_output(output_file, template)
    elif not dry_run and session.terminal.stdout.isatty():
        raise UsageError(
            "this would show values on the terminal",
            hint=f"codespar secrets inject {shlex.quote(template)} | less; into a file with -O",
        )
    file = read_input(session.terminal, template)
    found = places(file.data, file.name)
    if dry_run:
        _list(session, found, file.name, output)
        return 0

    def value_of(reference: Reference) -> Secret:
        return read(session, reference.key, tenant=reference.tenant, version=reference.version)

    hand_out(session, filled(file.data, found, value_of, file.name), output_file)
    if output_file is not None:
        session.terminal.note(f"wrote `{output_file}`, {counted(len(found), 'reference')} filled in")
    return 0


def _list(session: Session, found: Sequence[Place], file: str, output: Output) -> None:
    vault: SecretReader = session.able("secrets", "describe")
    rows = []
    for place in found:
        tenant, key, version = place.reference
        with located(file, place):
            facts = vault.describe(tenant, key, version=version, actor=actor())
        rows.append((place.line, place.reference, facts.version))
    if output is Output.json:
        keys = ("line", "tenant", "key", "version")
        shown = [(line, reference.tenant, reference.key, version) for line, reference, version in rows]
        session.terminal.json([dict(zip(keys, row, strict=True)) for row in shown])
        return
    session.terminal.table(HEADERS, rows, empty="there is no reference in it")
    session.terminal.note("nothing was written")


def _check_output(output_file: Path, template: str) -> None:
    check_target(output_file, "--output-file")
    try:
        same = template != "-" and output_file.samefile(template)
    except (OSError, ValueError):
        same = False
    if same:
        raise UsageError("--output-file: the template itself would be replaced", hint="name another file")
