"""What the `metrics` commands ask alike: which calls, by what, since when."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from codespar_cli.cli.session import Session


class By(str, Enum):
    tool = "tool"
    agent = "agent"
    project = "project"
    tenant = "tenant"
    hour = "hour"
    day = "day"


ToolGlob = Annotated[str | None, typer.Argument(metavar="[TOOL]", help="a name or a glob such as github/**")]
AgentGlob = Annotated[str | None, typer.Option("--agent", metavar="NAME", help="only this agent; a name or a glob")]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="a duration such as 10m, or a time")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="the same, for the end; now if not given")]
ByOption = Annotated[By, typer.Option("--by", help="what to add up")]


def chosen_tenant(session: Session) -> str | None:
    """Reading looks at every tenant, unless one was asked for."""
    return session.tenant_option or session.environ.get("CODESPAR_TENANT") or None
