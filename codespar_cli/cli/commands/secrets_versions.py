"""What can be done with the versions of a secret: listed, brought back, hidden, erased."""

from __future__ import annotations

from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption, YesOption
from codespar_cli.cli.secret_options import KeyArgument, VersionOption, tell_written
from codespar_cli.cli.secrets_get import actor, version_number
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.errors import UsageError


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


def rollback(
    context: typer.Context,
    key: KeyArgument,
    to: Annotated[str, typer.Option("--to", metavar="N", help="the version whose value is wanted back")],
    output: OutputOption = Output.table,
) -> int:
    """Bring an earlier value back, as a new version."""
    session: Session = context.obj
    vault = session.able("secrets", "rollback")
    facts = vault.rollback(session.tenant, key, to=version_number(to, "--to"), actor=actor())
    tell_written(session, facts, view.written_line(facts), output)
    return 0


def delete_secret(context: typer.Context, key: KeyArgument, yes: YesOption = False) -> int:
    """Hide a secret and all its versions.

    `undelete` shows them again; `destroy` erases them.
    """
    session: Session = context.obj
    vault = session.able("secrets", "delete")
    if not _is_meant(session, yes, "deleting", f"delete `{key}` of tenant `{session.tenant}`?"):
        session.terminal.note("nothing was deleted")
        return 1
    count = vault.delete(session.tenant, key, actor=actor())
    session.terminal.note(f"deleted `{key}` of tenant `{session.tenant}`: {view.counted(count, 'version')}")
    return 0


def undelete_secret(context: typer.Context, key: KeyArgument) -> int:
    """Show a deleted secret again, with all versions that still have their value."""
    session: Session = context.obj
    count = session.able("secrets", "undelete").undelete(session.tenant, key, actor=actor())
    session.terminal.note(f"`{key}` of tenant `{session.tenant}` is back: {view.counted(count, 'version')}")
    return 0


def destroy_secret(
    context: typer.Context, key: KeyArgument, version: VersionOption = None, yes: YesOption = False
) -> int:
    """Erase the values of a secret for good: every version's, or one's."""
    session: Session = context.obj
    vault = session.able("secrets", "destroy")
    number = None if version is None else version_number(version, "--version")
    what = f"`{key}` of tenant `{session.tenant}`" if number is None else f"version {number} of `{key}`"
    if not _is_meant(session, yes, "destroying", f"erase {what} for good?"):
        session.terminal.note("nothing was destroyed")
        return 1
    erased = vault.destroy(session.tenant, key, version=number, actor=actor())
    session.terminal.note(
        f"erased {what}: {view.counted(erased.versions, 'version')}; this does not reach copies and backups, and does not "
        "withdraw the value where it was issued"
    )
    if not erased.log_emptied:
        session.terminal.note(view.LOG_KEPT)
    return 0


def _is_meant(session: Session, yes: bool, doing: str, question: str) -> bool:
    """Raises UsageError when nobody is there to be asked."""
    if yes:
        return True
    if not session.terminal.interactive:
        raise UsageError(f"{doing} asks first, and nobody is there to answer", hint="add --yes")
    return session.terminal.confirm(question)
