"""`codespar webhook`: payloads of outside services through the active integrations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codespar_cli.cli.lazy import FileGroup
from codespar_cli.cli.parameters import Output, OutputOption
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import webhook as views
from codespar_cli.core.administration.webhooks import Signing
from codespar_cli.core.text import nearest
from codespar_cli.errors import CodesparError, ConfigError, NotFoundError, UsageError

app = typer.Typer(
    cls=FileGroup, help="Replay and sign the webhooks of outside services.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def replay(
    context: typer.Context,
    files: Annotated[
        list[str], typer.Argument(help="payload files, directories of them, or - for stdin", metavar="FILE...")
    ],
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="who sent payloads that do not say it")] = None,
    event: Annotated[
        str | None, typer.Option(metavar="NAME", help="value of the provider's event header, for bare payloads")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME:VALUE", help="for payloads without it; repeatable")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="refuse what its provider did not sign")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Show the events that payloads become.

    They run through the handlers of the active integrations once more, without any other effect. A FILE holds a bare payload, a record of a delivery ({"headers", "body" or "body_b64", "provider"}), a JSON array or
    one document a line of either. Exit codes: 5 a signature is not good, 1 a handler failed, 6 a file is missing or no
    integration took any payload.
    """
    from codespar_cli.webhooks.payload_files import read_payloads
    from codespar_cli.webhooks.replay import Replay, failure_of

    session: Session = context.obj
    integrations = session.registry("integrations").integrations
    if provider is not None:
        _known(provider, list(integrations))
    run = Replay(integrations, provider=provider, event=event, headers=_headers(header or []), verify=verify)
    outcomes = run.run(read_payloads(files, session.terminal.read_bytes))
    if output is Output.json:
        session.terminal.json(views.replay_json(outcomes))
    else:
        session.terminal.table(views.HEADERS, views.replay_rows(outcomes))
        session.terminal.note(views.replay_summary(outcomes))
    failure = failure_of(outcomes)
    if failure is not None:
        raise failure
    return 0


@app.command()
def sign(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="the body, signed byte for byte; - for stdin", metavar="FILE")],
    provider: Annotated[str, typer.Option(metavar="NAME", help="whose signature to make")],
) -> int:
    """Print the signature its provider would send.

    It is the whole header, for exactly these bytes, made with the first configured secret.
    """
    session: Session = context.obj
    integrations = session.registry("integrations").integrations
    _known(provider, list(integrations))
    hook = integrations[provider]
    if not isinstance(hook, Signing) or not hook.wire.signed:
        raise UsageError(f"`{provider}` does not sign its webhooks", code="not_supported")
    body = _body(file, session)
    secrets = hook.secrets()
    if not secrets:
        raise ConfigError(
            f"no secret is configured for `{provider}`",
            key=f"integrations.{provider}.secret",
            hint=f'add `secret = "secret:KEY"` to [integrations.{provider}] in plugins.toml',
        )
    session.terminal.line(f"{hook.wire.signature_header}: {hook.sign(body, secrets[0])}")
    return 0


_MAX_BODY = 64 << 20


def _body(file: str, session: Session) -> bytes:
    try:
        body = session.terminal.read_bytes(_MAX_BODY) if file == "-" else _read(Path(file))
    except FileNotFoundError:
        raise NotFoundError(f"no such file: `{file}`") from None
    except OSError as error:
        raise CodesparError(f"cannot be read: {(error.strerror or str(error)).lower()}", file=file) from None
    if len(body) > _MAX_BODY:
        raise UsageError(f"the body is larger than {_MAX_BODY >> 20} MiB")
    return body


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MAX_BODY + 1)


def _known(provider: str, active: list[str]) -> None:
    if provider in active:
        return
    close = nearest(provider, active)
    listed = ", ".join(f"`{name}`" for name in active) or "none"
    raise UsageError(
        f"`{provider}` is not an active integration, active: {listed}",
        code="unknown_provider",
        hint=f"did you mean `{close}`?" if close else "codespar plugins list",
    )


def _headers(given: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for item in given:
        name, colon, value = item.partition(":")
        if not colon or not name.strip():
            raise UsageError("--header: expected NAME:VALUE")
        headers[name.strip()] = value.strip()
    return headers
