"""`codespar webhook list` and `show`: what the inbox keeps."""

from __future__ import annotations

from typing import Annotated

import typer

from codespar_cli.cli.parameters import Output, OutputOption, StreamOption, StreamOutput
from codespar_cli.cli.session import Session
from codespar_cli.cli.views import webhook_inbox as views
from codespar_cli.cli.webhook_choice import (
    Choice,
    LastOption,
    SinceOption,
    StatusOption,
    UntilOption,
    opened_inbox,
    require_ids,
)
from codespar_cli.errors import NotFoundError


def list_(
    context: typer.Context,
    ids: Annotated[list[int] | None, typer.Option("--id", metavar="N", help="this one; repeatable")] = None,
    last: LastOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    status: StatusOption = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="only this provider's")] = None,
    event: Annotated[str | None, typer.Option(metavar="GLOB", help="only event types that match: issue.*")] = None,
    output: StreamOption = StreamOutput.table,
) -> int:
    """Show what was received and what became of it, oldest first.

    All options that are given must hold, and so must --tenant NAME: without it all tenants are looked at. Verified is
    `no` for what came in under `serve --insecure-no-verify`: anybody may have sent it.
    """
    session: Session = context.obj
    wanted = Choice(tuple(ids or ()), last, since, until, status, provider, event).filter(session)
    with opened_inbox(session) as store:
        require_ids(store, wanted.ids)
        found = store.deliveries(wanted)
    if output is StreamOutput.jsonl:
        for delivery in found:
            session.terminal.json_line(views.delivery_json(delivery))
    elif output is StreamOutput.json:
        session.terminal.json([views.delivery_json(delivery) for delivery in found])
    else:
        session.terminal.table(
            views.HEADERS, map(views.delivery_row, found), empty="the inbox has no delivery like that"
        )
    return 0


def show(
    context: typer.Context,
    number: Annotated[int, typer.Argument(metavar="ID", help="the delivery, as `webhook list` numbers it")],
    raw: Annotated[bool, typer.Option("--raw", help="print the body's exact bytes, and nothing else")] = False,
    output: OutputOption = Output.table,
) -> int:
    """Show one delivery: its headers without signatures and tokens, its event, and what its routes did."""
    from codespar_cli.webhooks.inbox.delivery import Filter

    session: Session = context.obj
    with opened_inbox(session) as store:
        body = next(store.bodies(Filter(ids=(number,))), None)
        if body is None:
            raise NotFoundError(f"the inbox has no delivery {number}", hint="codespar webhook list --last 20")
        tasks = store.tasks_of(number)
    routes = {route["name"] for route in session.config.routes}
    if raw:
        session.terminal.raw(body.raw)
    elif output is Output.json:
        session.terminal.json(views.body_json(body, tasks, routes))
    else:
        for line in views.body_lines(body, tasks, routes):
            session.terminal.line(line)
    return 0
