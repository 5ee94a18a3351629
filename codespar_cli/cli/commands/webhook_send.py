"""`codespar webhook sign` and `send`: standing in for a provider, to try out a receiver."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codespar_cli.cli.session import Session
from codespar_cli.cli.webhook_choice import AllowPrivateOption, payload_in, require_known, sender_of, target_of
from codespar_cli.core.administration.webhooks import Signing
from codespar_cli.errors import CodesparError, ConfigError, UsageError
from codespar_cli.webhooks.authenticity import wire_of

if TYPE_CHECKING:
    from codespar_cli.webhooks.payload import Payload

FileArgument = Annotated[
    str, typer.Argument(help="the body, taken byte for byte, or a record of a delivery; - for stdin", metavar="FILE")
]


def sign(
    context: typer.Context,
    file: FileArgument,
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="whose signature to make; else whose the body looks like")
    ] = None,
) -> int:
    """Print the signature its provider would send.

    It is the whole header, for exactly these bytes, made with the first configured secret.
    """
    session: Session = context.obj
    payload, name, hook = _sent_by(session, file, provider)
    if not isinstance(hook, Signing) or not callable(hook.sign) or not hook.wire.signed:
        raise UsageError(f"`{name}` does not sign its webhooks", code="not_supported", hint=_instead(hook, name, file))
    session.terminal.line(
        f"{hook.wire.signature_header}: {hook.sign(payload.raw or b'', _secret(hook, name, session.tenant))}"
    )
    return 0


def send(
    context: typer.Context,
    file: FileArgument,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="where to")],
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="who it is to look like; else whose the body looks like")
    ] = None,
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
    payload, name, hook = _sent_by(session, file, provider)
    raw = payload.raw or b""
    secret = _secret(hook, name, session.tenant)
    target = target_of(to, allow_private=allow_private)
    try:
        message = fresh(hook, raw, event or _event_of(hook, payload), session.clock())
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
        words = f"`{target.host}` answered {status}"
        raise CodesparError(words, code="not_taken", hint=_after(status, hook, name, file))
    return 0


def _sent_by(session: Session, file: str, provider: str | None) -> tuple[Payload, str, Any]:
    """What is in the file, whose it is, and that provider's connector."""
    integrations = session.registry("integrations").integrations
    if provider is not None:
        require_known(provider, integrations)  # before a file is read, or stdin waited for
    payload = payload_in(file, session)
    name = sender_of(provider, payload, integrations)
    return payload, name, integrations[name]


def _instead(hook: Any, name: str, file: str) -> str:
    header = wire_of(hook).signature_header
    if header is None:
        return f"codespar plugins info {shlex.quote(name)}"
    return f"it sends a token in {header}: codespar webhook send {_named(file)} --provider {shlex.quote(name)} --to URL"


def _after(status: int, hook: Any, name: str, file: str) -> str | None:
    """What to run when the target did not take it."""
    who = shlex.quote(name)
    if status in {401, 403} and isinstance(hook, Signing) and callable(hook.sign):
        signed = f'"$(codespar webhook sign {_named(file)} --provider {who})"'
        return (
            "the target has another secret, or changes the body; with its plugins.toml:"
            f" codespar --config ITS_FILE webhook doctor {_named(file)} --provider {who} --header {signed}"
        )
    if status in {401, 403}:
        return "the target has another token: codespar serve says the cause on stderr"
    return f"codespar serve takes it at /webhooks/{who}" if status == 404 else None


def _named(file: str) -> str:
    return "FILE" if file == "-" else shlex.quote(file)


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


def _event_of(hook: Any, payload: Payload) -> str | None:
    """The bare event: as the record's headers say, else as the connector tells it by the body's shape."""
    import asyncio

    header = wire_of(hook).event_header
    if header is not None and header in payload.headers:
        return payload.headers[header]
    if payload.value is None:
        return None
    event = asyncio.run(hook.handle_webhook(payload.value, payload.headers))
    return None if event is None else str(event.event_type).partition(".")[0]
