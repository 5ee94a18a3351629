"""What `codespar secrets get` does, apart from how its command line is read."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.cli.session import Session
from codespar_cli.core.administration.secrets import VAULT_FILE, Secret, SecretFacts
from codespar_cli.core.hidden import without_frames
from codespar_cli.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from codespar_cli.core.hooks import ToolCall


class Options(NamedTuple):
    """As the command line gives them; the defaults are the command's."""

    key: str
    reveal: bool = False
    version: str | None = None
    agent: str | None = None
    tool: str | None = None
    output: str = "table"


def run(session: Session, options: Options) -> int:
    """Show what is known of a secret, or its value if it was to be revealed.

    Raises NotFoundError, VersionRetired, SecretDenied.
    """
    tell_unasked_vault(session)
    secret = _find(session, options)
    if options.reveal and options.output != "json":
        without_frames(lambda: session.terminal.raw(secret.reveal().encode()))
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


def own_command(session: Session, verb: str, key: str, *, tenant: str | None = None) -> str:
    """`codespar secrets VERB KEY` as it is to be typed, for the tenant that this command is about."""
    import shlex

    owner = session.tenant_option if tenant is None else tenant
    return shlex.join(["codespar", *(["--tenant", owner] if owner else []), "secrets", verb, key])


def not_there(session: Session, vault: Any, key: str, *, tenant: str | None = None) -> NotFoundError:
    """What a backend that answers None means, with what puts the secret there."""
    owner = session.tenant if tenant is None else tenant
    advice = getattr(vault, "advice", None)
    hint = advice(owner, key) if callable(advice) else own_command(session, "set", key, tenant=tenant)
    return NotFoundError(f"tenant `{owner}` has no secret `{key}`", hint=hint)


def tell_unasked_vault(session: Session) -> None:
    """Outside of a project the environment is read: whoever has a vault is told that it was not asked."""
    if session.config.path is not None:
        return
    vault = session.config.state_dir / VAULT_FILE
    if vault.exists():
        session.terminal.note(
            f"no plugins.toml found: read from the environment; the vault at {vault} was not asked", style="yellow"
        )


def require_grants(vault: Any) -> None:
    """Raises UsageError for a backend that knows no grants: asking it for some must not look as if they held."""
    if getattr(vault, "grants", False) is not True:
        backend = getattr(vault, "backend", type(vault).__name__)
        raise UsageError(
            f"the secrets backend `{backend}` cannot limit a secret to agents or tools",
            code="not_supported",
            hint="codespar plugins enable secrets vault",
        )


def _show(session: Session, secret: Secret, options: Options) -> None:
    from codespar_cli.cli.views import secrets as view

    if options.output == "json":
        shown = secret if options.reveal else None
        without_frames(
            lambda: session.terminal.json(view.secret_json(secret.facts, value=shown.reveal() if shown else None))
        )
        return
    for name, text in view.secret_lines(secret.facts, session.clock()):
        session.terminal.line(f"{name:<12} {text}")


def _find(session: Session, options: Options) -> Secret:
    """From any backend: one that knows no versions and no fingerprints is asked for the value alone."""
    history = own_command(session, "history", options.key)
    version = None if options.version is None else version_number(options.version, "--version", history)
    asked_for = _asked_for(session, options)
    vault = session.able("secrets", "get" if version is None else "fetch")
    if asked_for:
        require_grants(vault)
    if callable(getattr(vault, "fetch", None)) and callable(getattr(vault, "describe", None)):
        if options.reveal:
            secret: Secret = vault.fetch(session.tenant, options.key, version=version, actor=actor(), **asked_for)
            return secret
        facts = vault.describe(session.tenant, options.key, version=version, actor=actor(), **asked_for)
        return Secret(facts, "")
    value = vault.get(session.tenant, options.key)
    if value is None:
        raise not_there(session, vault, options.key)
    return Secret(SecretFacts(options.key, session.tenant, None, "current", None, None, None, None, None), value)


def _asked_for(session: Session, options: Options) -> dict[str, ToolCall]:
    """The call of the agent that is to be asked as; nothing when it is the person who asks."""
    if options.agent is None:
        if options.tool is not None:
            import shlex

            asked = shlex.join(["--agent", "NAME", "--tool", options.tool])
            raise UsageError(
                "--tool says for which tool an agent asks: expected --agent NAME with it, found none",
                hint=f"{own_command(session, 'get', options.key)} {asked}",
            )
        return {}
    from codespar_cli.core.hooks import CallContext, ToolCall

    return {"call": ToolCall(options.agent, options.tool or "", None, CallContext(tenant=session.tenant))}


def version_number(text: str, option: str, hint: str) -> int:
    """Raises UsageError, which does not repeat what may be a value in the wrong place. `hint` shows which there are."""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise UsageError(f"{option}: expected a whole number above 0, found what is none", hint=hint)
    return int(text)
