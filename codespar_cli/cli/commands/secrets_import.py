"""`codespar secrets import`: the values of a dotenv or JSON file, all of them or none."""

from __future__ import annotations

import shlex
from enum import Enum
from typing import Annotated

import typer

from codespar_cli.cli.dotenv import parse_dotenv
from codespar_cli.cli.input_file import InputFile, read_input
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.secrets_get import actor
from codespar_cli.cli.session import Session
from codespar_cli.core import strict_json
from codespar_cli.core.administration.secrets import MAX_VALUE_BYTES
from codespar_cli.core.administration.secrets_import import Imported, SecretImporter
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import UsageError, WriteConflict

HEADERS = ("key", "action", "version")


class Format(str, Enum):
    dotenv = "dotenv"
    json = "json"


class OnConflict(str, Enum):
    fail = "fail"
    skip = "skip"
    replaced = "replace"  # `replace` is a method of every str


def import_file(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE", help="a dotenv file; - is stdin")],
    format: Annotated[Format, typer.Option("--format", help="dotenv, or json: an object of texts")] = Format.dotenv,
    on_conflict: Annotated[
        OnConflict, typer.Option("--on-conflict", help="when a key is there: fail, skip, or replace by a new version")
    ] = OnConflict.fail,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, store nothing")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Store every value of a file, or none."""
    session: Session = context.obj
    vault: SecretImporter = session.able("secrets", "put_all")
    file = read_input(session.terminal, source)
    parse = _from_json if format is Format.json else _from_dotenv
    values = without_frames(lambda: Hidden(parse(file)))
    try:
        done = vault.put_all(
            session.tenant, values.reveal(), on_conflict=on_conflict.value, dry_run=dry_run, actor=actor()
        )
    except WriteConflict as error:
        error.hint = f"codespar secrets import {shlex.quote(source)} --on-conflict skip, or replace"
        raise
    if output is Output.json:
        session.terminal.json([step._asdict() for step in done])
    else:
        session.terminal.table(HEADERS, done, empty="there is nothing in it")
        session.terminal.note(_summary(done, session.tenant, dry_run=dry_run))
    if file.exposed is not None:
        session.terminal.note(
            f"others can read `{file.name}` (mode {file.exposed:04o}): remove it, or chmod 600 it", style="yellow"
        )
    return 0


def _from_dotenv(file: InputFile) -> dict[str, str]:
    try:
        found = parse_dotenv(file.data, file.name)
    except UsageError as error:
        if file.data.lstrip().startswith(b"{"):
            error.hint = f"if it is JSON: codespar secrets import {_typed(file)} --format json"
        raise
    for each in found.values():
        _check_length(each.name, each.value, file.name, each.line)
    return {each.name: each.value for each in found.values()}


def _typed(file: InputFile) -> str:
    return "-" if file.name == "stdin" else shlex.quote(file.name)


def _from_json(file: InputFile) -> dict[str, str]:
    try:
        found = strict_json.loads(file.data)
    except ValueError as error:
        raise UsageError(
            str(error),
            code="json_invalid",
            file=file.name,
            hint='expected an object of texts, such as {"KEY": "value"}',
        ) from None
    if not isinstance(found, dict):
        raise UsageError(
            f"expected a JSON object of texts, found {_kind(found)}",
            code="json_invalid",
            file=file.name,
            hint='write {"KEY": "value"}',
        )
    for key, value in found.items():
        if not isinstance(value, str):
            raise UsageError(
                f"`{key}`: expected a text, found {_kind(value)}", code="json_invalid", file=file.name, hint="quote it"
            )
        _check_length(key, value, file.name, None)
    return found


def _check_length(key: str, value: str, file: str, line: int | None) -> None:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise UsageError(
            f"`{key}`: not valid UTF-8", code="invalid_utf8", file=file, line=line, hint="write the character itself"
        ) from None
    if size > MAX_VALUE_BYTES:
        raise UsageError(
            f"`{key}`: the value is {size} bytes long, at most {MAX_VALUE_BYTES} are possible",
            code="value_too_long",
            file=file,
            line=line,
            hint="keep large material in a file, and the key that encrypts the file here",
        )


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _summary(done: object, tenant: str, *, dry_run: bool) -> str:
    steps = [step for step in done if isinstance(step, Imported)] if isinstance(done, list) else []
    counts = {action: sum(step.action == action for step in steps) for action in ("new", "replaced", "skipped")}
    told = ", ".join(f"{number} {action}" for action, number in counts.items() if number) or "nothing"
    return f"tenant `{tenant}`: {'would be ' if dry_run else ''}{told}{'; nothing was stored' if dry_run else ''}"
