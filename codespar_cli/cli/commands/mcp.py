"""`codespar mcp`: what stands between an agent and its MCP servers."""

from __future__ import annotations

import typer

from codespar_cli.cli.commands import mcp_wrap
from codespar_cli.cli.lazy import FileGroup

app = typer.Typer(
    add_completion=False,
    cls=FileGroup,
    help="MCP servers: a policy in front of their tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command(context_settings=mcp_wrap.CONTEXT)(mcp_wrap.wrap)
