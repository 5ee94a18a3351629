"""What `codespar secrets get` does, apart from how its command line is read."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from codespar_cli.cli.session import Session
from codespar_cli.core.administration.secrets import Secret, SecretFacts
from codespar_cli.errors import NotFoundError, UsageError


class Options(NamedTuple):
    """As the command line gives them; the defaults are the command's."""

    key: str
    reveal: bool = False
    version: str | None = None
    output: str = "table"


def run(session: Session, options: Options) -> int:
    """Show what is known of a secret, or its value if it was to be revealed. Raises NotFoundError, VersionRetired."""
    secret = _find(session, options)
    if options.reveal and options.output != "json":
        session.terminal.raw(secret.reveal().encode())
    else:
        _show(session, secret, options)
    if secret.facts.state == "expired":
        from codespar_cli.cli.views import secrets as view

        session.terminal.note(view.overdue_line(secret.facts, session.clock()), style="yellow")
    return 0


def actor() -> str:
    """Who is on record: this user's login name, which no environment variable can change."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:uid-{os.getuid()}"


def _show(session: Session, secret: Secret, options: Options) -> None:
    from codespar_cli.cli.views import secrets as view

    if options.output == "json":
        session.terminal.json(view.secret_json(secret.facts, value=secret.reveal() if options.reveal else None))
        return
    for name, text in view.secret_lines(secret.facts, session.clock()):
        session.terminal.line(f"{name:<12} {text}")


def _find(session: Session, options: Options) -> Secret:
    """From any backend: one that knows no versions and no fingerprints is asked for the value alone."""
    version = _whole(options.version)
    vault = session.able("secrets", "get" if version is None else "fetch")
    if callable(getattr(vault, "fetch", None)) and callable(getattr(vault, "describe", None)):
        if options.reveal:
            secret: Secret = vault.fetch(session.tenant, options.key, version=version, actor=actor())
            return secret
        return Secret(vault.describe(session.tenant, options.key, version=version, actor=actor()), "")
    value = vault.get(session.tenant, options.key)
    if value is None:
        raise NotFoundError(f"tenant `{session.tenant}` has no secret `{options.key}`")
    return Secret(SecretFacts(options.key, session.tenant, None, "current", None, None, None, None, None), value)


def _whole(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise UsageError("--version: expected a whole number above 0")
    return int(text)
