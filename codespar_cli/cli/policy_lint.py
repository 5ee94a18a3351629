"""Where `codespar policy lint` gets its findings from: the active backend, or files given by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from codespar_cli.cli.session import Session

if TYPE_CHECKING:
    from codespar_cli.core.administration.policy import Finding
    from codespar_cli.core.config import Config


def lint(session: Session, files: Sequence[Path], tools: str | None) -> list[Finding]:
    """Files given by name need no plugins.toml. Raises ConfigError, and UsageError for a list of tools that is none."""
    known = None
    if tools is not None:
        from codespar_cli.cli.tool_list import read_tools

        known = read_tools(session, tools)
    if files:
        from codespar_cli.workbench import lint_file

        return [finding for file in files for finding in lint_file(file, known)]
    backend = session.able("policy", "lint")
    note = rules_file_alone(session.config, "lint reads")
    if note is not None:
        session.terminal.note(note)
    # An installed plugin's `lint` may know nothing of tools: it is told of them only where there are some.
    findings: list[Finding] = backend.lint() if known is None else backend.lint(known)
    return findings


def rules_file_alone(config: Config, who: str) -> str | None:
    """What there is to say when the active policy is written in another language than the rules file beside it."""
    for backend in config.backends("policy"):
        if backend.name in {"cedar", "rego"}:
            files = backend.options.get("policies", [])
            named = ", ".join([files] if isinstance(files, str) else files)
            return f"{who} the rules file alone: what {named or f'the {backend.name} policy'} says is not looked at"
    return None
