"""`codespar serve`: one process that takes the webhooks of outside services."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import active_count
from typing import TYPE_CHECKING, Annotated

import typer

from codespar_cli.cli.session import Session
from codespar_cli.cli.standing_gate import standing_gate
from codespar_cli.core.text import visible
from codespar_cli.core.webhook_options import MOST_WORKERS
from codespar_cli.errors import ConfigError, UsageError

if TYPE_CHECKING:
    import socket

    from codespar_cli.webhooks.endpoints import Endpoints
    from codespar_cli.webhooks.service import Service

app = typer.Typer(rich_markup_mode=None, add_completion=False)
HOST, PORT = "127.0.0.1", 8787


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"where to listen, else {HOST}")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, metavar="N", help=f"else {PORT}")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_WORKERS, metavar="N", help=f"processes; else one a core, at most {MOST_WORKERS}"),
    ] = None,
    insecure_no_verify: Annotated[
        bool, typer.Option("--insecure-no-verify", help="take deliveries of anybody, on loopback only")
    ] = False,
) -> int:
    """Receive webhooks and answer agents until SIGTERM or SIGINT.

    A delivery is verified, stored durably, and then answered. With `token` under [serve] in plugins.toml, agents and their
    hosts ask the policy at /v1.
    """
    from codespar_cli.server.log import PacedLog
    from codespar_cli.server.serving import default_workers, listen, require_extra, run, url_of
    from codespar_cli.startup import receiving

    session: Session = context.obj
    require_extra()
    registry = session.registry("secrets", "integrations", "observability")
    found = receiving(
        session.config, registry, verify=not insecure_no_verify, clock=session.clock, gate=standing_gate(session)
    )
    if "token" not in session.config.serve:
        _refuse_without_secrets(found.endpoints, session)
    log = PacedLog(session.terminal.note)
    served = found.service(log)  # what a route names and nobody has is told before we listen
    settings = session.config.serve
    listening = listen(
        settings.get("host", HOST) if host is None else host,
        _port(port, settings.get("port", PORT)),
        allow=_refuse_beyond_loopback if insecure_no_verify else lambda address: None,
    )
    with listening:
        for line in found.endpoints.left_out:
            session.terminal.note(line)
        ready = partial(_tell, session, found.endpoints, url_of(listening))
        stopping = partial(_say_stopping, session)
        count = workers or settings.get("workers") or (default_workers() if found.endpoints.served else 1)
        if count > 1 and active_count() > 1:
            # A copy has none of them, and for ever holds the locks that they held.
            session.terminal.note("a plugin has begun a thread: one process does everything")
            count = 1
        if count == 1:
            run(served.app, listening, ready=ready, stopping=stopping, log=log)
        else:
            _keep(served, listening, count - 1, session, found.endpoints, ready, stopping)
        log.flush()
    return 0


def _keep(
    served: Service,
    listening: socket.socket,
    count: int,
    session: Session,
    endpoints: Endpoints,
    ready: Callable[[], None],
    stopping: Callable[[int], None],
) -> None:
    """Other processes accept, this one keeps."""
    from codespar_cli.server.acceptors import supervised
    from codespar_cli.server.serving import Ending, keep
    from codespar_cli.webhooks.accepting import accept

    supervisor = supervised(count, listening, partial(accept, endpoints, served.kept, session.clock, count))
    listening.close()

    async def work(ending: Ending) -> None:
        async with served.app.alive():
            await served.keeping.serve(supervisor, count, ending, ready=ready, stopping=stopping)

    try:
        keep(work)
    finally:
        supervisor.end()


def _port(option: int | None, configured: int) -> int:
    return configured if option is None else option


def _refuse_without_secrets(endpoints: Endpoints, session: Session) -> None:
    if endpoints.served:
        return
    names = [backend.name for backend in session.config.integrations]
    if not names:
        raise ConfigError(
            "no integration is active: there is nothing to receive",
            key="integrations.active",
            hint="codespar plugins enable integrations github",
        )
    raise ConfigError(
        f"no active integration has a secret to verify deliveries with: {', '.join(visible(name) for name in names)}",
        code="no_secret",
        key=f"integrations.{names[0]}.secret",
        hint=f'add `secret = "secret:KEY"` to [integrations.{names[0]}] in plugins.toml, then codespar secrets set KEY',
    )


def _refuse_beyond_loopback(address: str) -> None:
    from codespar_cli.server.serving import is_loopback

    if not is_loopback(address):
        raise UsageError(
            "--insecure-no-verify: expected a loopback address, found one that others can reach",
            hint=f"codespar serve --host {HOST} --insecure-no-verify",
        )


def _say_stopping(session: Session, requests: int) -> None:
    session.terminal.note(_stopping(requests, bool(session.config.routes)))


def _stopping(requests: int, routes: bool) -> str:
    from codespar_cli.server.serving import DRAIN_S
    from codespar_cli.webhooks.routes.dispatcher import END_WITHIN_S

    what = {0: "no request is under way", 1: f"1 request is under way and gets {DRAIN_S} s"}.get(
        requests, f"{requests} requests are under way and get {DRAIN_S} s"
    )
    return f"stopping: {what}" + (f"; what routes do gets {END_WITHIN_S:g} s" if routes else "")


def _tell(session: Session, endpoints: Endpoints, url: str) -> None:
    session.terminal.note(f"listening on {url}")
    for tenant, provider in endpoints.served:
        prefix = "" if tenant == endpoints.tenant else f"{tenant}/"
        unverified = " (nothing is verified)" if endpoints.served[tenant, provider].keys is None else ""
        session.terminal.note(f"  POST /webhooks/{prefix}{provider}{unverified}")
    if "token" in session.config.serve:
        session.terminal.note("  POST /v1/check, /v1/record, /v1/hook/HOST (for who has the token)")
    if "metrics_token" in session.config.serve:
        session.terminal.note("  GET /metrics (for who has the token)")
