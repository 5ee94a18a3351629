"""What can be done with the versions of a secret: listed, brought back, hidden, erased."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codespar_cli.cli.parameters import Output, OutputOption, YesOption
from codespar_cli.cli.secret_options import KeyArgument, VersionOption, tell_written
from codespar_cli.cli.secrets_get import actor, not_there, own_command, version_number
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import SecretReader, SecretWriter
from codespar_cli.errors import UsageError


def show_history(context: typer.Context, key: KeyArgument, output: OutputOption = Output.table) -> int:
    """List the versions of a secret, newest first."""
    session: Session = context.obj
    vault: SecretReader = session.able("secrets", "history")
    found = vault.history(session.tenant, key, actor=actor())
    if output is Output.json:
        session.terminal.json([view.listed_json(facts) for facts in found])
    else:
        now = session.clock()
        session.terminal.table(view.HISTORY_HEADERS, [view.history_row(facts, now) for facts in found])
    return 0


def rollback(
    context: typer.Context,
    key: KeyArgument,
    to: Annotated[str, typer.Option("--to", metavar="N", help="the version whose value is wanted back")],
    output: OutputOption = Output.table,
) -> int:
    """Bring an earlier value back, as a new version."""
    session: Session = context.obj
    vault: SecretWriter = session.able("secrets", "rollback")
    number = version_number(to, "--to", own_command(session, "history", key))
    facts = vault.rollback(session.tenant, key, to=number, actor=actor())
    tell_written(session, facts, view.written_line(facts), output)
    return 0


def delete_secret(
    context: typer.Context, key: KeyArgument, yes: YesOption = False, output: OutputOption = Output.table
) -> int:
    """Hide a secret and all its versions.

    `undelete` shows them again; `destroy` erases them.
    """
    session: Session = context.obj
    vault = session.able("secrets", "delete")
    if _will_ask(session, yes, "deleting", own_command(session, "delete", key)):
        _require_current(session, vault, key)
    if not (yes or session.terminal.confirm(f"delete `{key}` of tenant `{session.tenant}`?")):
        session.terminal.note("nothing was deleted")
        return 1
    count = vault.delete(session.tenant, key, actor=actor())
    line = f"deleted `{key}` of tenant `{session.tenant}`: {view.counted(count, 'version')}"
    _tell(session, output, line, key, versions=count)
    return 0


def undelete_secret(context: typer.Context, key: KeyArgument, output: OutputOption = Output.table) -> int:
    """Show a deleted secret again, with all versions that still have their value."""
    session: Session = context.obj
    vault: SecretWriter = session.able("secrets", "undelete")
    count = vault.undelete(session.tenant, key, actor=actor())
    line = f"`{key}` of tenant `{session.tenant}` is back: {view.counted(count, 'version')}"
    _tell(session, output, line, key, versions=count)
    return 0


def destroy_secret(
    context: typer.Context,
    key: KeyArgument,
    version: VersionOption = None,
    yes: YesOption = False,
    output: OutputOption = Output.table,
) -> int:
    """Erase the values of a secret for good: every version's, or one's."""
    session: Session = context.obj
    vault = session.able("secrets", "destroy", "history")
    number = None if version is None else version_number(version, "--version", own_command(session, "history", key))
    what = f"`{key}` of tenant `{session.tenant}`" if number is None else f"version {number} of `{key}`"
    if _will_ask(session, yes, "destroying", own_command(session, "destroy", key)):
        vault.history(session.tenant, key, actor=actor())
    if not (yes or session.terminal.confirm(f"erase {what} for good?")):
        session.terminal.note("nothing was destroyed")
        return 1
    erased = vault.destroy(session.tenant, key, version=number, actor=actor())
    line = (
        f"erased {what}: {view.counted(erased.versions, 'version')}; this does not reach copies and backups, and does not "
        "withdraw the value where it was issued"
    )
    _tell(session, output, line, key, versions=erased.versions, log_emptied=erased.log_emptied)
    if not erased.log_emptied:
        session.terminal.note(view.LOG_KEPT)
    return 0


def _tell(session: Session, output: Output, line: str, key: str, **facts: object) -> None:
    if output is Output.json:
        session.terminal.json({"key": key, "tenant": session.tenant, **facts})
    else:
        session.terminal.note(line)


def _will_ask(session: Session, yes: bool, doing: str, command: str) -> bool:
    """Raises UsageError when nobody is there to be asked."""
    if not yes and not session.terminal.interactive:
        raise UsageError(f"{doing} asks first, and nobody is there to answer", hint=f"add --yes: {command} --yes")
    return not yes


def _require_current(session: Session, vault: Any, key: str) -> None:
    """So that nobody is asked about what is not there. Raises NotFoundError."""
    if callable(getattr(vault, "describe", None)):
        vault.describe(session.tenant, key, actor=actor())
    elif vault.get(session.tenant, key) is None:
        raise not_there(session, vault, key)
