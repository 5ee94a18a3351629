"""One thing that is wrong with a host's hooks, and what mends it."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """An `error` means that calls are made unasked, or may be. `fix` is a command, or what to do."""

    status: Literal["error", "warning"]
    message: str
    fix: str | None = None


def error(message: str, fix: str | None = None) -> Finding:
    return Finding("error", message, fix)


def warning(message: str, fix: str | None = None) -> Finding:
    return Finding("warning", message, fix)
