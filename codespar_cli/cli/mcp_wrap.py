"""`codespar mcp wrap -- CMD`: an MCP server with the policy in front of it, and nothing else changed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from codespar_cli.cli.running.environment import child_environment, is_steering, key_variables
from codespar_cli.cli.running.signals import SignalRelay, stop_as_asked
from codespar_cli.cli.session import Session
from codespar_cli.core.hidden import Hidden, without_frames
from codespar_cli.errors import UsageError
from codespar_cli.mcp.identity import Identity
from codespar_cli.mcp.server_name import checked_name, name_of
from codespar_cli.mcp.server_process import ServerProcess

SIGNALLED = 128
_SECRET = "secret:"  # noqa: S105  how a reference begins


class Options(NamedTuple):
    command: tuple[str, ...]
    name: str | None = None
    agent: str | None = None
    session_id: str | None = None
    project: str | None = None
    environment: str | None = None
    hide_denied: bool = False


def run(session: Session, options: Options) -> int:
    """Wrap it to its end: its exit code, or its signal's death.

    Raises:
        UsageError: no name can be told, a secret's variable or reference is none.
        ConfigError: a secret has no value.
        CodesparError: the command cannot be run, 127 when there is none, else 126.
    """
    server = name_of(options.command) if options.name is None else checked_name(options.name)
    environ = _environment(session)
    process: ServerProcess | None = None
    relay = SignalRelay(lambda number, of_terminal: _pass_on(process, number, of_terminal))
    try:
        process = without_frames(lambda: ServerProcess(options.command, environ.reveal()))
        relay.start()
        # The server starts while we load what stands in front of it.
        from codespar_cli.cli.mcp_wrapping import Wrapping

        wrapping = Wrapping(session, _identity(server, session.environ, options), hide_denied=options.hide_denied)
        code = wrapping.carry(process)
    finally:
        relay.stop()
    return code if code >= 0 else _die_of(-code, session, wrapping.flush)


def _identity(server: str, environ: Mapping[str, str], options: Options) -> Identity:
    return Identity(
        server,
        agent=options.agent or environ.get("CODESPAR_AGENT") or None,
        session=options.session_id or environ.get("CODESPAR_SESSION") or f"mcp-{os.urandom(6).hex()}",
        project=options.project,
        environment=options.environment,
    )


def _pass_on(process: ServerProcess | None, number: int, of_terminal: bool) -> None:
    """What a terminal sends has reached the server already: it is in our job."""
    if process is None:
        return
    if number == signal.SIGTSTP:
        if not of_terminal:
            process.send(number)
        stop_as_asked()
        process.send(signal.SIGCONT)
    elif not of_terminal:
        process.send(number)


def _environment(session: Session) -> Hidden[dict[str, str]]:
    """What the server finds in its environment: references to secrets are their values, and no keys to the vault.

    Raises UsageError, ConfigError, and what the secrets plugin raises.
    """
    environ = session.environ
    referring = [name for name, value in environ.items() if value.startswith(_SECRET)]
    if not referring:  # nearly always, and then no configuration need be read before the server starts
        return Hidden(child_environment(environ, key_variables({}, ()), {}))
    from codespar_cli.cli.running.hiding import hide_memory
    from codespar_cli.core.references import is_reference
    from codespar_cli.startup import required_value

    hide_memory()
    backend = session.registry("secrets").secrets
    hidden = key_variables(session.config.secrets.options, getattr(backend, "key_variables", ()))
    found: dict[str, str] = {}
    for name in referring:
        if not is_reference(environ[name]):
            continue  # `secret://…` is a URL of somebody's
        if is_steering(name, hidden):
            raise UsageError(
                f"`{name}` decides which code runs or where it looks, so it is not taken from the vault",
                code="steering_variable",
                hint=f"unset {name}",
            )
        found[name] = required_value(session.config, environ[name], key=f"environment.{name}", environ=environ)
        if "\0" in found[name]:
            raise UsageError(
                f"`{name}`: no variable can hold the value: there is a NUL in it", hint="store it as base64"
            )
    return Hidden(child_environment(environ, hidden, found))


def _die_of(number: int, session: Session, flush: Callable[[], None]) -> int:
    """End as the server did, so that whoever waits for us sees its signal."""
    from codespar_cli.core.core_dumps import forbid_core_dumps

    forbid_core_dumps()  # a core of ours would tell nothing about the server
    session.terminal.flush()
    flush()
    with suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    return SIGNALLED + number
