"""The command line of `codespar hook HOST`, read without a parser's help: it stands in a host's configuration, written once."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_VALUES = {
    "--config": "config",
    "--tenant": "tenant",
    "--agent": "agent",
    "--project": "project",
    "--env": "environment",
    "--event": "event",
}
_FLAGS = ("--no-color",)
_HELP = ("--help", "-h")


class HookLine(NamedTuple):
    """What was asked for; `problem` says what cannot be meant."""

    host: str | None = None
    config: str | None = None
    tenant: str | None = None
    agent: str | None = None
    project: str | None = None
    environment: str | None = None
    event: str | None = None
    problem: str | None = None


def is_hook(arguments: Sequence[str]) -> bool:
    """Whether `hook` is the command. `codespar hook --help` is the other door's work, but not with a host beside it:

    help on stdout with exit 0 is an allow to a host, whatever made somebody write it into the line.
    """
    words, named, helping = list(arguments), list[str](), False
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if name in _VALUES and not equals:
            del words[:1]
        helping = helping or word in _HELP
        if not word.startswith("-"):
            named.append(word)
    return named[:1] == ["hook"] and (len(named) > 1 or not helping)


def read_line(arguments: Sequence[str]) -> HookLine:
    """Never raises: what is wrong is in `problem`, beside the host that has to be told of it."""
    words, found, problem = list(arguments), {}, None
    named: list[str] = []
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name in _VALUES:
            if not equals and not words:
                problem = problem or f"option `{name}` requires an argument"
            value = value if equals or not words else words.pop(0)
            if not value:
                problem = problem or f"option `{name}` is empty"
            found[_VALUES[name]] = value
        elif word.startswith("-") and word not in _FLAGS:
            problem = problem or f"there is no option `{word[:40]}`"
        elif word not in _FLAGS:
            named.append(word)
    if len(named) > 2:
        problem = problem or f"expected one host, found `{named[2][:40]}` as well"
    host = named[1] if len(named) > 1 else None
    return HookLine(host=host, problem=problem, **found)
