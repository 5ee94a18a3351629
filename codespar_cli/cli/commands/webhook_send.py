"""`codespar webhook sign` and `send`: standing in for a provider, to try out a receiver."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from codespar_cli.cli.session import Session
from codespar_cli.cli.webhook_choice import AllowPrivateOption, body_of, require_known, target_of
from codespar_cli.core.administration.webhooks import Signing
from codespar_cli.errors import CodesparError, ConfigError, UsageError

FileArgument = Annotated[str, typer.Argument(help="the body, taken byte for byte; - for stdin", metavar="FILE")]


def sign(
    context: typer.Context,
    file: FileArgument,
    provider: Annotated[str, typer.Option(metavar="NAME", help="whose signature to make")],
) -> int:
    """Print the signature its provider would send.

    It is the whole header, for exactly these bytes, made with the first configured secret.
    """
    session: Session = context.obj
    hook = _hook(session, provider)
    if not isinstance(hook, Signing) or not callable(hook.sign) or not hook.wire.signed:
        raise UsageError(f"`{provider}` does not sign its webhooks", code="not_supported")
    body = body_of(file, session)
    session.terminal.line(f"{hook.wire.signature_header}: {hook.sign(body, _secret(hook, provider, session.tenant))}")
    return 0


def send(
    context: typer.Context,
    file: FileArgument,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="where to")],
    provider: Annotated[str, typer.Option(metavar="NAME", help="who it is to look like")],
    event: Annotated[
        str | None, typer.Option(metavar="NAME", help="value of the event header; else read from the body")
    ] = None,
    allow_private: AllowPrivateOption = False,
) -> int:
    """Send a body as its provider would: signed, with its headers, a new delivery id and the time.

    Prints the status of the answer. The secret is the first that is configured. Where the provider signs the time of
    sending inside the body (Linear), that number is renewed. Exit code 1 when the answer is not 2xx or there is none.
    """
    from codespar_cli.net.exchange import Refused, Unanswered
    from codespar_cli.webhooks.outgoing import fresh, resigned
    from codespar_cli.webhooks.resend import post

    session: Session = context.obj
    hook = _hook(session, provider)
    raw = body_of(file, session)
    secret = _secret(hook, provider, session.tenant)
    target = target_of(to, allow_private=allow_private)
    try:
        message = fresh(hook, raw, event or _event_of(hook, raw), session.clock())
        message = resigned(hook, message, secret, session.clock(), None)
    except ValueError as error:
        raise UsageError(f"cannot be sent: {error}", file=None if file == "-" else file) from None
    if message.raw != raw:
        session.terminal.note("the time of sending inside the body was renewed")
    try:
        status = post(target, message, allow_private=allow_private)
    except Unanswered as error:
        raise CodesparError(f"`{target.host}` {error}", code="not_answered") from None
    except Refused as error:  # its name led elsewhere when it was looked at before
        raise UsageError(f"--to: {error}", code="target_refused") from None
    session.terminal.line(str(status))
    if not 200 <= status < 300:
        raise CodesparError(
            f"`{target.host}` answered {status}",
            code="not_taken",
            hint="codespar webhook doctor --help says how to find out why a signature does not hold",
        )
    return 0


def _hook(session: Session, provider: str) -> Any:
    integrations = session.registry("integrations").integrations
    require_known(provider, integrations)
    return integrations[provider]


def _secret(hook: Any, provider: str, tenant: str) -> str:
    """The newest of that tenant's. Raises ConfigError when none is configured or none has a value."""
    from codespar_cli.webhooks.authenticity import secrets_for

    secrets = secrets_for(hook, tenant)
    if not secrets:
        raise ConfigError(
            f"no secret is configured for `{provider}`",
            key=f"integrations.{provider}.secret",
            hint=f'add `secret = "secret:KEY"` to [integrations.{provider}] in plugins.toml',
        )
    return str(secrets[0])


def _event_of(hook: Any, raw: bytes) -> str | None:
    """The bare event, as the connector tells it by the body's shape."""
    import asyncio

    from codespar_cli.core.headers import NO_HEADERS
    from codespar_cli.core.webhook_body import parse_body

    try:
        event = asyncio.run(hook.handle_webhook(parse_body(raw), NO_HEADERS))
    except ValueError:
        return None
    return None if event is None else str(event.event_type).partition(".")[0]
