"""`codespar secrets`: credentials per tenant, masked unless asked for, and the keys they are kept under."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from codespar_cli.cli import secret_input
from codespar_cli.cli.commands import (
    secrets_export,
    secrets_grant,
    secrets_import,
    secrets_inject,
    secrets_rotate,
    secrets_run,
    secrets_versions,
)
from codespar_cli.cli.discreet import DiscreetCommand
from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.secret_options import (
    AgentsOption,
    ExpiresOption,
    FromFileOption,
    GenerateOption,
    KeyArgument,
    NoteOption,
    ToolsOption,
    VersionOption,
    current_version,
    expiry,
    globs_of,
    tell_written,
)
from codespar_cli.cli.secrets_get import Options as GetOptions
from codespar_cli.cli.secrets_get import actor, own_command, require_grants, tell_unasked_vault
from codespar_cli.cli.secrets_get import run as run_get
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import (
    SecretFacts,
    SecretReader,
    VaultKeeper,
    cas_conflict,
    new_master_key,
)
from codespar_cli.errors import CodesparError

app = typer.Typer(
    cls=FileGroup,
    help="Keep, hand out and rotate credentials, per tenant.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DUE_WITHIN = timedelta(days=7)


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
    agents: AgentsOption = None,
    tools: ToolsOption = None,
    output: OutputOption = Output.table,
) -> int:
    """Store a value: typed, piped, from a file or made up."""
    session: Session = context.obj
    more = any(option is not None for option in (expires, note, cas, agents, tools))
    # The contract's `set` will do for a value alone: some backends keep nothing beside it.
    vault = session.able("secrets", "put" if more else "set")
    command = own_command(session, "set", key)
    expires_at = expiry(session, expires, command)
    limits = {
        "agents": globs_of(agents, "--agents", command),
        "tools": globs_of(tools, "--tools", command),
    }
    given = {name: globs for name, globs in limits.items() if globs}
    if given:
        require_grants(vault)
    if cas is not None and secret_input.asks(session.terminal, from_file=from_file, generate=generate):
        current = current_version(session, vault, key)
        if current != cas:
            raise cas_conflict(key, cas, current)
    value = secret_input.read_value(session.terminal, from_file=from_file, generate=generate, command=command)
    if not callable(getattr(vault, "put", None)):
        vault.set(session.tenant, key, value.reveal())
        facts = SecretFacts(key, session.tenant, None, "current", None, None, None, None, None)
        tell_written(session, facts, view.stored_line(facts), output)
        return 0
    facts = vault.put(
        session.tenant, key, value.reveal(), expires_at=expires_at, note=note, cas=cas, **given, actor=actor()
    )
    tell_written(session, facts, view.written_line(facts), output)
    return 0


@app.command("get", cls=DiscreetCommand)
def get_secret(
    context: typer.Context,
    key: KeyArgument,
    reveal: Annotated[bool, typer.Option("--reveal", help="print the exact bytes and nothing else")] = False,
    version: VersionOption = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="NAME", help="ask as this agent would: denied if not granted")
    ] = None,
    tool: Annotated[str | None, typer.Option("--tool", metavar="NAME", help="for this tool, with --agent")] = None,
    output: OutputOption = Output.table,
) -> int:
    """Show what is known of a secret; --reveal its value."""
    return run_get(
        context.obj,
        GetOptions(key=key, reveal=reveal, version=version, agent=agent, tool=tool, output=output.value),
    )


@app.command("list", cls=DiscreetCommand)
def list_secrets(
    context: typer.Context,
    due: Annotated[bool, typer.Option("--due", help="only what has expired or will within 7 days")] = False,
    output: OutputOption = Output.table,
) -> int:
    """List the tenant's secrets, without their values."""
    session: Session = context.obj
    tell_unasked_vault(session)
    vault: SecretReader = session.able("secrets", "entries")
    found = vault.entries(session.tenant, actor=actor())
    now = session.clock()
    if due:
        found = [facts for facts in found if facts.expires_at is not None and facts.expires_at <= now + DUE_WITHIN]
    if output is Output.json:
        session.terminal.json([view.listed_json(facts) for facts in found])
    else:
        nothing = f"tenant `{session.tenant}` has no secret{' that is due' if due else ''}"
        session.terminal.table(*view.list_table(found, now), empty=nothing)
    return 0


app.command("grant", cls=DiscreetCommand)(secrets_grant.grant)
app.command("history", cls=DiscreetCommand)(secrets_versions.show_history)
app.command("rollback", cls=DiscreetCommand)(secrets_versions.rollback)
app.command("delete", cls=DiscreetCommand)(secrets_versions.delete_secret)
app.command("undelete", cls=DiscreetCommand)(secrets_versions.undelete_secret)
app.command("destroy", cls=DiscreetCommand)(secrets_versions.destroy_secret)
app.command("rotate", cls=DiscreetCommand)(secrets_rotate.rotate)
app.command("run", cls=DiscreetCommand, context_settings=secrets_run.CONTEXT)(secrets_run.run)
app.command("import", cls=DiscreetCommand)(secrets_import.import_file)
app.command("export", cls=DiscreetCommand)(secrets_export.export)
app.command("inject", cls=DiscreetCommand)(secrets_inject.inject)


@app.command("keygen", cls=DiscreetCommand)
def keygen(context: typer.Context, output: OutputOption = Output.table) -> int:
    """Make a master key: 32 random bytes."""
    session: Session = context.obj
    if output is Output.json:
        session.terminal.json({"master_key": new_master_key()})
    else:
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
    vault: VaultKeeper = session.able("secrets", "verify")
    report = vault.verify(actor=actor())
    if output is Output.json:
        session.terminal.json(view.verify_json(report))
    else:
        session.terminal.line(view.verify_line(report))
    for warning in report.warnings:
        session.terminal.note(warning, style="yellow")
    return 0


def _vault_exists(session: Session) -> bool:
    try:
        return bool(getattr(session.registry("secrets").secrets, "exists", False))
    except CodesparError:
        return False  # a key can be made beside a configuration that is not ready yet
