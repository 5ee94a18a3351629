"""`codespar secrets`: credentials per tenant, masked unless asked for, and the keys they are kept under."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from codespar_cli.cli import secret_input
from codespar_cli.cli.discreet import DiscreetCommand
from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption, YesOption, as_duration
from codespar_cli.cli.secrets_get import Options as GetOptions
from codespar_cli.cli.secrets_get import actor
from codespar_cli.cli.secrets_get import run as run_get
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import SecretFacts, new_master_key
from codespar_cli.errors import CodesparError, UsageError

app = typer.Typer(
    cls=FileGroup,
    help="Keep, hand out and rotate credentials, per tenant.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DUE_WITHIN = timedelta(days=7)

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="the secret's name")]
FromFileOption = Annotated[str | None, typer.Option("--from-file", metavar="PATH", help="take the bytes of a file")]
GenerateOption = Annotated[int | None, typer.Option("--generate", metavar="N", help="make N random characters")]
ExpiresOption = Annotated[str | None, typer.Option("--expires", metavar="AGE", help="due for replacement after, 90d")]
NoteOption = Annotated[str | None, typer.Option("--note", help="a remark, stored in clear")]
VersionOption = Annotated[str | None, typer.Option("--version", metavar="N", help="an earlier version")]


@app.command("set", cls=DiscreetCommand)
def set_secret(
    context: typer.Context,
    key: KeyArgument,
    from_file: FromFileOption = None,
    generate: GenerateOption = None,
    expires: ExpiresOption = None,
    note: NoteOption = None,
    cas: Annotated[
        int | None, typer.Option("--cas", metavar="N", min=0, help="only if N is current; 0: only if there is none")
    ] = None,
    output: OutputOption = Output.table,
) -> int:
    """Store a value: typed, piped, from a file or made up."""
    session: Session = context.obj
    vault = session.able("secrets", "put")
    expires_at = _expiry(session, expires)
    value = secret_input.read_value(session.terminal, from_file=from_file, generate=generate)
    facts = vault.put(session.tenant, key, value, expires_at=expires_at, note=note, cas=cas, actor=actor())
    _tell_written(session, facts, view.written_line(facts), output)
    return 0


@app.command("get", cls=DiscreetCommand)
def get_secret(
    context: typer.Context,
    key: KeyArgument,
    reveal: Annotated[bool, typer.Option("--reveal", help="print the exact bytes and nothing else")] = False,
    version: VersionOption = None,
    output: OutputOption = Output.table,
) -> int:
    """Show what is known of a secret; --reveal its value."""
    return run_get(context.obj, GetOptions(key=key, reveal=reveal, version=version, output=output.value))


@app.command("list", cls=DiscreetCommand)
def list_secrets(
    context: typer.Context,
    due: Annotated[bool, typer.Option("--due", help="only what has expired or will within 7 days")] = False,
    output: OutputOption = Output.table,
) -> int:
    """List the tenant's secrets, without their values."""
    session: Session = context.obj
    found = session.able("secrets", "entries").entries(session.tenant, actor=actor())
    now = session.clock()
    if due:
        found = [facts for facts in found if facts.expires_at is not None and facts.expires_at <= now + DUE_WITHIN]
    if output is Output.json:
        session.terminal.json([view.listed_json(facts) for facts in found])
    else:
        nothing = f"tenant `{session.tenant}` has no secret{' that is due' if due else ''}"
        session.terminal.table(view.LIST_HEADERS, [view.list_row(facts, now) for facts in found], empty=nothing)
    return 0


@app.command("history", cls=DiscreetCommand)
def show_history(context: typer.Context, key: KeyArgument, output: OutputOption = Output.table) -> int:
    """List the versions of a secret, newest first."""
    session: Session = context.obj
    found = session.able("secrets", "history").history(session.tenant, key, actor=actor())
    if output is Output.json:
        session.terminal.json([view.listed_json(facts) for facts in found])
    else:
        now = session.clock()
        session.terminal.table(view.HISTORY_HEADERS, [view.history_row(facts, now) for facts in found])
    return 0


@app.command("delete", cls=DiscreetCommand)
def delete_secret(context: typer.Context, key: KeyArgument, yes: YesOption = False) -> int:
    """Hide a secret and all its versions."""
    session: Session = context.obj
    vault = session.able("secrets", "delete")
    if not yes:
        if not session.terminal.interactive:
            raise UsageError("deleting asks first, and nobody is there to answer", hint="add --yes")
        if not session.terminal.confirm(f"delete `{key}` of tenant `{session.tenant}`?"):
            session.terminal.note("nothing was deleted")
            return 1
    count = vault.delete(session.tenant, key, actor=actor())
    session.terminal.note(f"deleted `{key}` of tenant `{session.tenant}`: {count} version{'s' if count != 1 else ''}")
    return 0


@app.command("rotate", cls=DiscreetCommand)
def rotate(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(metavar="[KEY]", help="replace this secret's value")] = None,
    reencrypt: Annotated[bool, typer.Option("--reencrypt", help="new data keys, every value encrypted again")] = False,
    previous: Annotated[
        str | None, typer.Option("--previous", metavar="REF", help="the old master key, such as file:old.key")
    ] = None,
    grace: Annotated[
        str | None, typer.Option("--grace", metavar="AGE", help="how long earlier versions stay readable")
    ] = None,
    from_file: FromFileOption = None,
    generate: GenerateOption = None,
    expires: ExpiresOption = None,
    note: NoteOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check everything, change nothing")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Change the vault's keys, or with KEY one value.

    Without KEY every tenant's data key is wrapped anew: under a new master key, if the old one is in the variable named
    like the new one with _PREVIOUS at its end, or in --previous.
    """
    session: Session = context.obj
    if key is None:
        _only_for_values(grace=grace, from_file=from_file, generate=generate, expires=expires, note=note)
        return _rotate_keys(session, reencrypt=reencrypt, previous=previous, dry_run=dry_run, output=output)
    if reencrypt or previous is not None:
        raise UsageError("--reencrypt and --previous change the vault's keys: leave out KEY")
    vault = session.able("secrets", "replace", "history", "describe")
    kept = _age(grace, "--grace")
    expires_at = _expiry(session, expires)
    if dry_run:
        facts = vault.describe(session.tenant, key, actor=actor())
        session.terminal.note(f"would make version {facts.version + 1} of `{key}`; nothing was changed")
        return 0
    value = secret_input.read_value(session.terminal, from_file=from_file, generate=generate)
    facts = vault.replace(session.tenant, key, value, grace=kept, expires_at=expires_at, note=note, actor=actor())
    older = vault.history(session.tenant, key, actor=actor())
    _tell_written(session, facts, view.replaced_line(facts, older), output)
    return 0


@app.command("keygen", cls=DiscreetCommand)
def keygen(context: typer.Context) -> int:
    """Make a master key: 32 random bytes."""
    session: Session = context.obj
    session.terminal.line(new_master_key())
    session.terminal.note("keep a copy where the vault is not: without it no secret can be read again")
    if _vault_exists(session):
        session.terminal.note(
            "there is a vault already, and this key does not open it: to change its key keep the old one as --previous "
            "and run codespar secrets rotate",
            style="yellow",
        )
    return 0


@app.command("verify", cls=DiscreetCommand)
def verify(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Open every value and check every record.

    Exits with 5 when anything is not as it was written.
    """
    session: Session = context.obj
    report = session.able("secrets", "verify").verify(actor=actor())
    if output is Output.json:
        session.terminal.json(view.verify_json(report))
    else:
        session.terminal.line(view.verify_line(report))
    for warning in report.warnings:
        session.terminal.note(warning, style="yellow")
    return 0


def _rotate_keys(session: Session, *, reencrypt: bool, previous: str | None, dry_run: bool, output: Output) -> int:
    vault = session.able("secrets", "rotate_values" if reencrypt else "rotate_master")
    operation = vault.rotate_values if reencrypt else vault.rotate_master
    report = operation(previous=previous, dry_run=dry_run, actor=actor())
    if output is Output.json:
        session.terminal.json(view.rotation_json(report))
    else:
        session.terminal.line(view.rotation_line(report))
    if not report.log_emptied:
        session.terminal.note(
            "a reader keeps retired bytes in the log; the next command that opens the vault tries again"
        )
    return 0


def _tell_written(session: Session, facts: SecretFacts, line: str, output: Output) -> None:
    if output is Output.json:
        session.terminal.json(view.secret_json(facts))
    else:
        session.terminal.note(line)
    if facts.advice:
        session.terminal.note(facts.advice, style="yellow")


def _only_for_values(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"--{name.replace('_', '-')} belongs to the rotation of one value", hint="codespar secrets rotate KEY"
            )


def _vault_exists(session: Session) -> bool:
    try:
        return bool(getattr(session.registry("secrets").secrets, "exists", False))
    except CodesparError:
        return False  # a key can be made beside a configuration that is not ready yet


def _expiry(session: Session, text: str | None) -> datetime | None:
    age = _age(text, "--expires")
    if age is None:
        return None
    try:
        return session.clock() + age
    except OverflowError:
        raise UsageError("--expires: that is too far away") from None


def _age(text: str | None, option: str) -> timedelta | None:
    try:
        return as_duration(text, option)
    except UsageError:
        # It may be a value in the wrong place, so it is not repeated.
        raise UsageError(f"{option}: expected a duration such as 30s, 10m, 24h or 7d") from None
