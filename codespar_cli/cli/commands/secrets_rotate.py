"""`codespar secrets rotate`: the vault's keys, or one value."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from codespar_cli.cli import secret_input
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.progress import ProgressLine
from codespar_cli.cli.secret_options import (
    ExpiresOption,
    FromFileOption,
    GenerateOption,
    NoteOption,
    age_of,
    expiry,
    tell_written,
)
from codespar_cli.cli.secrets_get import actor, own_command
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import SecretReader, VaultKeeper
from codespar_cli.errors import UsageError


def rotate(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="replace this secret's value")] = None,
    reencrypt: Annotated[bool, typer.Option("--reencrypt", help="new data keys, every value encrypted again")] = False,
    previous: Annotated[
        str | None, typer.Option("--previous", metavar="REF", help="the old master key, such as file:old.key")
    ] = None,
    grace: Annotated[
        str | None,
        typer.Option("--grace", metavar="AGE", help="how long earlier versions stay readable; 0: not at all"),
    ] = None,
    from_file: FromFileOption = None,
    generate: GenerateOption = None,
    expires: ExpiresOption = None,
    note: NoteOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, change nothing")] = False,
    status: Annotated[bool, typer.Option("--status", help="show what the keys are like, change nothing")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Change the vault's keys, or with KEY one value.

    Without KEY every tenant's data key is wrapped anew: under a new master key, if the old one is in the variable named
    like the new one with _PREVIOUS at its end, or in --previous.
    """
    session: Session = context.obj
    if status:
        _only_status(
            key=key, reencrypt=reencrypt or None, previous=previous, grace=grace, from_file=from_file,
            generate=generate, expires=expires, note=note, dry_run=dry_run or None,
        )  # fmt: skip
        return _show_status(session, output)
    if key is None:
        _only_for_values(grace=grace, from_file=from_file, generate=generate, expires=expires, note=note)
        return _rotate_keys(session, reencrypt=reencrypt, previous=previous, dry_run=dry_run, output=output)
    if reencrypt or previous is not None:
        raise UsageError(
            "--reencrypt and --previous change the vault's keys: leave out KEY",
            hint=f"codespar secrets rotate {'--reencrypt' if reencrypt else '--previous file:old.key'}",
        )
    vault = session.able("secrets", "replace", "history", "describe")
    command = own_command(session, "rotate", key)
    kept = timedelta(0) if grace == "0" else age_of(grace, "--grace", f"{command} --grace 24h")
    expires_at = expiry(session, expires, command)
    if dry_run:
        return _would_replace(session, vault, key, output)
    if secret_input.asks(session.terminal, from_file=from_file, generate=generate):
        vault.describe(session.tenant, key, actor=actor())  # so that nobody types a value for what is not there
    value = secret_input.read_value(session.terminal, from_file=from_file, generate=generate, command=command)
    facts = vault.replace(
        session.tenant, key, value.reveal(), grace=kept, expires_at=expires_at, note=note, actor=actor()
    )
    older = vault.history(session.tenant, key, actor=actor())
    tell_written(session, facts, view.replaced_line(facts, older), output)
    return 0


def _would_replace(session: Session, vault: SecretReader, key: str, output: Output) -> int:
    following = (vault.describe(session.tenant, key, actor=actor()).version or 0) + 1
    if output is Output.json:
        session.terminal.json({"key": key, "tenant": session.tenant, "version": following, "dry_run": True})
    else:
        session.terminal.note(f"would make version {following} of `{key}`; nothing was changed")
    return 0


def _only_status(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            found = "KEY" if name == "key" else f"--{name.replace('_', '-')}"
            raise UsageError(f"--status only shows: leave out {found}", hint="codespar secrets rotate --status")


def _show_status(session: Session, output: Output) -> int:
    vault: VaultKeeper = session.able("secrets", "key_status")
    found = vault.key_status(actor=actor())
    if output is Output.json:
        session.terminal.json(view.status_json(found))
    else:
        for name, text in view.status_lines(found, session.clock()):
            session.terminal.line(f"{name:<14} {text}")
    if found.rotation_due:
        session.terminal.note(
            f"the vault is still under the previous master key ({found.master_key}): run codespar secrets rotate",
            style="yellow",
        )
    if found.costs_low:
        session.terminal.note(
            "the passphrase is hashed at less than today's costs: run codespar secrets rotate", style="yellow"
        )
    return 0


def _only_for_values(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} belongs to the rotation of one value", hint="codespar secrets rotate KEY"
            )


def _rotate_keys(session: Session, *, reencrypt: bool, previous: str | None, dry_run: bool, output: Output) -> int:
    vault: VaultKeeper = session.able("secrets", "rotate_values" if reencrypt else "rotate_master")
    operation = vault.rotate_values if reencrypt else vault.rotate_master
    with ProgressLine(session.terminal, "tenants") as progress:
        report = operation(previous=previous, dry_run=dry_run, progress=progress, actor=actor())
    if output is Output.json:
        session.terminal.json(view.rotation_json(report))
    else:
        session.terminal.line(view.rotation_line(report))
    if not report.log_emptied:
        session.terminal.note(view.LOG_KEPT)
    return 0
