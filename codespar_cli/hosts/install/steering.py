"""What leads a hook to another configuration than the one that is meant: variables beside it, and on its own line.

A probe brings its own configuration and cannot see them, so they are read. Claude Code puts the `env` of its settings into
every hook (the settings type of npm @anthropic-ai/claude-agent-sdk 0.3.330). Gemini CLI reads the nearest `.env`
(`findEnvFile` of packages/cli/src/config/settings.ts), Codex the one in its own directory (`load_dotenv` of codex-rs).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error
from codespar_cli.hosts.install.switches import json_settings

_NAME = r"(?:HOME|XDG_CONFIG_HOME|XDG_STATE_HOME|CODESPAR_\w+|LD_PRELOAD|LD_AUDIT|DYLD_INSERT_LIBRARIES)"
_STEERS = re.compile(_NAME)
_ON_LINE = re.compile(rf"(?<![\w-])({_NAME})=|(?:-u|--unset=?|\bunset)\s*({_NAME})\b")
_IN_FILE = re.compile(rf"(?m)^[ \t]*(?:export[ \t]+)?({_NAME})[ \t]*[=:]")


def steered(host: str, home: Path, here: Path, found: list[Found], environ: Mapping[str, str]) -> Iterator[Finding]:
    """For hooks at `home`, when the host works in `here` and was itself started with `environ`.

    An administrator's settings are left out: they may lead a hook wherever they like.
    """
    for one in found:
        for match in _ON_LINE.finditer(" ".join(one.call.words)):
            name = match.group(1) or match.group(2)
            yield _led(f"the {one.event} hook's line sets `{name}`", f"codespar hosts install {host}")
    if host == "claude":
        for path in (home / "settings.json", here / ".claude/settings.json", here / ".claude/settings.local.json"):
            for name in _moved(json_settings(path).get("env"), environ):
                yield _led(f"{path}: `env` sets `{name}`", f"take it out of {path}")
    for path in _variable_files(host, home, here):
        for name in dict.fromkeys(_IN_FILE.findall(_text(path))):
            if host == "codex" or name not in environ:  # Gemini CLI leaves what is set as it is
                yield _led(f"{path}: sets `{name}`", f"take it out of {path}")


def _led(what: str, mend: str) -> Finding:
    return error(f"{what}: the hook may ask another policy than yours, and no trial would show it", mend)


def _moved(variables: Any, environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in variables.items() if isinstance(variables, dict) else ():
        if _STEERS.fullmatch(name) and value != environ.get(name):
            yield name


def _variable_files(host: str, home: Path, here: Path) -> list[Path]:
    if host == "codex":
        return [home / ".env"]
    if host != "gemini":
        return []
    above = [directory / name for directory in (here, *here.parents) for name in (".gemini/.env", ".env")]
    return [path for path in (*above, home / ".env", home.parent / ".env") if path.is_file()][:1]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""
