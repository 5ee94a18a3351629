"""What leads a hook to another configuration than the one that is meant: variables beside it, and on its own line.

A probe brings its own configuration and cannot see them, so they are read. Claude Code puts the `env` of its settings into
every hook (the settings type of npm @anthropic-ai/claude-agent-sdk 0.3.330). Gemini CLI reads the nearest `.env`
(`findEnvFile` of packages/cli/src/config/settings.ts), Codex the one in its own directory (`load_dotenv` of codex-rs).
Copilot's hooks may have an `env` and a `cwd` of their own (docs.github.com, "GitHub Copilot CLI hooks reference").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.command import OPTIONS
from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error, warning
from codespar_cli.hosts.install.said_settings import text_settings
from codespar_cli.hosts.install.switches import Said

# Beside what codespar reads itself: what the loader (ld.so(8), dyld(1)), the C library, OpenSSL and the shell around the line
# take code from. `-I` keeps out what Python would read.
_NAME = (
    r"(?:HOME|XDG_CONFIG_HOME|XDG_STATE_HOME|CODESPAR_\w+|(?:LD|DYLD)_\w+|GCONV_PATH|LOCPATH|GLIBC_TUNABLES"
    r"|OPENSSL_(?:CONF|MODULES|ENGINES)|BASH_ENV|BASH_FUNC_\w+%%|ZDOTDIR)"
)
_STEERS = re.compile(_NAME)
_ON_LINE = re.compile(rf"(?<![\w-])({_NAME})=|(?:-u|--unset=?|\bunset)\s*({_NAME})\b")
# npm dotenv, LINE of lib/main.js, as V8 reads it: `^` behind any of four ends of a line, `\s` with the byte order mark.
_IN_FILE = re.compile(rf"(?:\A|(?<=[\n\r\u2028\u2029]))[\s\ufeff]*(?:export[\s\ufeff]+)?({_NAME})[\s\ufeff]*[=:]")
_OPTIONS = {
    "--config": "it names the configuration that is asked",
    "--tenant": "another tenant has budgets of its own",
    "--agent": "rules and budgets of an agent go by this name",
    "--project": "rules go by this name",
    "--env": "rules go by this name",
}


def steered(host: str, home: Path, here: Path, found: list[Found], environ: Mapping[str, str]) -> Iterator[Finding]:
    """For hooks at `home`, when the host works in `here` and was itself started with `environ`.

    An administrator's settings are left out: they may lead a hook wherever they like.
    """
    for one in found:
        for match in _ON_LINE.finditer(" ".join(one.call.words)):
            name = match.group(1) or match.group(2)
            yield _led(f"the {one.event} hook's line sets `{name}`", f"codespar hosts install {host}")
        for name in _moved(one.handler.get("env"), environ):
            yield _led(f"the {one.event} hook's `env` sets `{name}`", f"codespar hosts install {host}")
        if one.handler.get("cwd"):  # where the project's plugins.toml is looked for
            yield _led(f"the {one.event} hook has a `cwd`", f"codespar hosts install {host}")
    yield from _options(found)
    said = Said()
    if host == "claude":
        for path in (home / "settings.json", here / ".claude/settings.json", here / ".claude/settings.local.json"):
            for name in _moved(said.json(path).get("env"), environ):
                yield _led(f"{path}: `env` sets `{name}`", f"take it out of {path}")
        yield from said.unread()
    for path in _variable_files(host, home, here):
        yield from _in_file(host, path, environ)


def _options(found: list[Found]) -> Iterator[Finding]:
    """What a person may have given the line, and anybody may have: it is told, so that somebody looks."""
    told: set[tuple[str, str]] = set()
    for one in found:
        for word, following in zip(one.call.words, (*one.call.words[1:], ""), strict=True):
            name, equals, value = word.partition("=")
            given = (name, value if equals else following)
            if name in OPTIONS and given not in told:
                told.add(given)
                shown = visible(" ".join(given)[:200])
                yield warning(
                    f"the {one.event} hook's line says `{shown}`: {_OPTIONS[name]}", "take it out if not yours"
                )


def _in_file(host: str, path: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        text = text_settings(path)
    except ConfigError as problem:
        yield error(problem.message, problem.hint)
        return
    for name in dict.fromkeys(_IN_FILE.findall(text)):
        if host == "codex" or name not in environ:  # Gemini CLI leaves what is set as it is
            yield _led(f"{path}: sets `{name}`", f"take it out of {path}")


def _led(what: str, mend: str) -> Finding:
    return error(
        f"{what}: the hook may ask another policy than yours or run other code, and no trial would show it", mend
    )


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
    return [path for path in (*above, home / ".env", home.parent / ".env") if path.exists()][:1]
