"""`codespar mcp`: what stands between an agent and its MCP servers."""

from __future__ import annotations

import typer

from codespar_cli.cli.commands import mcp_pins, mcp_wrap
from codespar_cli.cli.lazy import FileGroup


class Group(FileGroup):
    """Made whole: only groups without groups in them are made one command at a time."""


app = typer.Typer(
    add_completion=False,
    cls=Group,
    help="MCP servers: a policy in front of their tools, and the pins of these.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(context_settings=mcp_wrap.CONTEXT)(mcp_wrap.wrap)
app.add_typer(mcp_pins.app, name="pins")
