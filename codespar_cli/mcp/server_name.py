"""The name of a server, from the command that starts it: what rules and reports call its tools by.

The rule (docs/mcp.md): the first word that names the server, less scope, version and the words `mcp` and `server`. Where
that word cannot be told for certain the operator has to say it: a wrong name would have the wrong rules apply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from codespar_cli.errors import UsageError

EXPECTED = "1 to 64 letters, digits and `_.-`"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_PACKAGE_RUNNERS = frozenset({"npx", "bunx", "uvx", "pipx"})
_INTERPRETERS = re.compile(r"(?:node|nodejs|deno|bun|ruby|python[\d.]*)(?:\.exe)?")
_LAUNCHERS = frozenset(
    {
        "uv",
        "npm",
        "pnpm",
        "yarn",
        "docker",
        "podman",
        "nerdctl",
        "sh",
        "bash",
        "dash",
        "zsh",
        "fish",
        "env",
        "sudo",
        "nice",
    }
    | {
        "ssh",
        "xargs",
        "time",
        "timeout",
        "nohup",
        "cargo",
        "go",
        "java",
        "dotnet",
        "make",
        "poetry",
        "hatch",
        "codespar",
    }
)
"""They start something, and which of their words that is depends on all the others."""
_FLAGS_OF_RUNNERS = frozenset({"-y", "--yes", "-q", "--quiet", "run"})
_SAYS_NOTHING = frozenset({"", "index", "main", "server", "cli", "app", "start", "mcp", "stdio"})
_ENDINGS = re.compile(r"\.(?:js|mjs|cjs|ts|py|rb|sh|exe)$")
_VERSION = re.compile(r"(?:@|==)[^@/]*$")
_AROUND = re.compile(r"^(?:mcp|server)[-_.]+|[-_.]+(?:mcp|server)$", re.IGNORECASE)


def checked_name(name: str) -> str:
    """A name that the operator gave. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--name: expected {EXPECTED}, found `{name[:80]}`", hint="codespar mcp wrap --name NAME -- CMD"
        )
    return name


def name_of(command: Sequence[str]) -> str:
    """The name that a command tells. Raises UsageError when it tells none."""
    word = _telling_word(command)
    name = "" if word is None else _stripped(word)
    if name.lower() in _SAYS_NOTHING or not _NAME.fullmatch(name):
        raise UsageError(
            f"no name for the server can be told from `{' '.join(command)[:80]}`",
            code="server_unnamed",
            hint=f"codespar mcp wrap --name NAME -- {command[0]} …",
        )
    return name


def _telling_word(command: Sequence[str]) -> str | None:
    program = _ENDINGS.sub("", command[0].rpartition("/")[2])
    rest = list(command[1:])
    if program in _PACKAGE_RUNNERS:
        while rest and rest[0] in _FLAGS_OF_RUNNERS:
            rest.pop(0)
        return _plain(rest)
    if _INTERPRETERS.fullmatch(program):
        return _plain(rest[1:] if rest[:1] == ["-m"] else rest)
    return None if program in _LAUNCHERS else program


def _plain(rest: list[str]) -> str | None:
    """The first word, unless it is an option: what belongs to that nobody knows."""
    return rest[0] if rest and not rest[0].startswith("-") else None


def _stripped(word: str) -> str:
    last = word.rstrip("/").rpartition("/")[2] if not word.startswith("@") else word.partition("/")[2]
    last = _ENDINGS.sub("", _VERSION.sub("", last))
    while (shorter := _AROUND.sub("", last)) != last:
        last = shorter
    return last
