"""`codespar secrets run -- CMD`: a command with the tenant's secrets in its environment, and its output masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from codespar_cli.cli.running.environment import child_environment, is_steering, is_variable, key_variables
from codespar_cli.cli.secret_reading import every_name, listed, named, read
from codespar_cli.cli.secrets_get import tell_unasked_vault
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import secrets as view
from codespar_cli.core.administration.secrets import Secret
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import UsageError

if TYPE_CHECKING:
    from codespar_cli.core.masking.spellings import Spellings

CONTEXT = {"allow_interspersed_args": False}


def run(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD ARGS", help="the command, after two dashes")],
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="KEYS", help="only these: A,B; NAME=KEY passes KEY on as the variable NAME"),
    ] = None,
    no_masking: Annotated[
        bool, typer.Option("--no-masking", help="let values through, and become the command")
    ] = False,
) -> int:
    """Run a command with secrets in its environment.

    Its exit code is the command's, 128 + n when signal n ended it, 127 when there is no such command.
    """
    from codespar_cli.cli.running import child
    from codespar_cli.cli.running.hiding import hide_memory

    # Before anything is forked: the guard of the terminal has our first environment too.
    hide_memory()
    session: Session = context.obj
    tell_unasked_vault(session)
    hidden = _hidden(session)
    wanted = _wanted(named(only), hidden)
    if no_masking:
        given = _given(session, wanted, hidden)
        return without_frames(
            lambda: child.replace_us(command, child_environment(session.environ, hidden, given.reveal().values))
        )
    terminal = child.borrow_terminal()
    try:
        given = _given(session, wanted, hidden)
        session.terminal.flush()
        return without_frames(
            lambda: child.run(
                command,
                child_environment(session.environ, hidden, given.reveal().values),
                given.reveal().needles,
                terminal,
            )
        )
    finally:
        if terminal is not None:
            terminal.close()


def _hidden(session: Session) -> frozenset[str]:
    """The variables that the command is not to see. Raises ConfigError."""
    backend = session.able("secrets", "get")
    return key_variables(session.config.secrets.options, getattr(backend, "key_variables", ()))


def _wanted(only: list[str] | None, hidden: frozenset[str]) -> dict[str, str] | None:
    """Variables to keys as --only names them, None for all. Raises UsageError: what is asked for by name must be possible."""
    if only is None:
        return None
    found: dict[str, str] = {}
    for text in only:
        name, equals, key = text.partition("=")
        key = key if equals else name
        if not is_variable(name):
            raise UsageError(
                f"--only: no variable can be called `{name}`", hint=f"codespar secrets run --only NAME={key} -- CMD"
            )
        if is_steering(name, hidden):
            raise UsageError(
                f"--only: `{name}` decides which code runs or where it looks, so it is not taken from the vault",
                code="steering_variable",
                hint=f"codespar secrets run --only OTHER_NAME={key} -- CMD",
            )
        if name in found:
            raise UsageError(
                f"--only: the variable `{name}` is given twice",
                hint=f"codespar secrets run --only OTHER_NAME={key} -- CMD",
            )
        found[name] = key
    return found


class Given(NamedTuple):
    """Variables with their values, and every spelling that is to be masked."""

    values: dict[str, str]
    needles: Spellings


def _given(session: Session, wanted: dict[str, str] | None, hidden: frozenset[str]) -> Hidden[Given]:
    from codespar_cli.core.masking.spellings import SHORTEST, spellings

    names = _all_possible(session, hidden) if wanted is None else wanted
    secrets = {name: read(session, key) for name, key in names.items()}
    holding_nul = [name for name, secret in secrets.items() if "\0" in secret.reveal()]
    if holding_nul and wanted is not None:
        raise UsageError(
            f"no variable can hold the value of {listed(holding_nul)}: there is a NUL in it",
            hint="store it encoded, as base64; or leave it out of --only",
        )
    if holding_nul:
        _tell(session, f"left out, since no variable can hold a NUL: {listed(holding_nul)}")
    kept = {name: secret for name, secret in secrets.items() if name not in holding_nul}
    _tell_overdue(session, kept)
    short = [name for name, secret in kept.items() if 0 < len(secret.reveal().encode()) < SHORTEST]
    if short:
        _tell(session, f"not masked, since shorter than {SHORTEST} bytes: {listed(short)}")
    values = {name: secret.reveal() for name, secret in kept.items()}
    return Hidden(Given(values, spellings(values.values())))


def _all_possible(session: Session, hidden: frozenset[str]) -> dict[str, str]:
    names = every_name(session)
    nameless = [name for name in names if not is_variable(name)]
    steering = [name for name in names if is_steering(name, hidden)]
    if nameless:
        _tell(session, f"left out, since no variable can be called so: {listed(nameless)}; --only NAME=KEY renames")
    if steering:
        _tell(session, f"left out, since they decide which code runs: {listed(steering)}; --only NAME=KEY renames")
    return {name: name for name in names if name not in nameless and name not in steering}


def _tell_overdue(session: Session, secrets: dict[str, Secret]) -> None:
    for secret in secrets.values():
        if secret.facts.state == "expired":
            _tell(session, view.overdue_line(secret.facts, session.clock()))


def _tell(session: Session, text: str) -> None:
    session.terminal.note(text, style="yellow")
