"""`codespar webhook`: payloads of outside services through the active integrations, and what the inbox keeps of them."""

from __future__ import annotations

import typer

from codespar_cli.cli.commands import webhook_doctor, webhook_inbox, webhook_replay, webhook_send
from codespar_cli.cli.lazy import FileGroup

app = typer.Typer(
    cls=FileGroup,
    help="Replay, look at and sign the webhooks of outside services.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command()(webhook_replay.replay)
app.command(name="list")(webhook_inbox.list_)
app.command()(webhook_inbox.show)
app.command()(webhook_send.sign)
app.command()(webhook_send.send)
app.command()(webhook_doctor.doctor)
