"""Programs that stand in for others: what a version manager puts on the PATH picks an interpreter each time it is called.

Such a shim costs about 80 ms a call, and which interpreter it picks depends on the directory, on files in it and on the
environment: an agent that writes `.python-version` takes the hook away. Told by where it lies and by what is in it. What
`uvx` and the like unpack into a cache is no better: it goes when the cache is emptied.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.regular_file import open_regular

_PLACES = {
    "/.pyenv/shims/": "pyenv",
    "/.asdf/shims/": "asdf",
    "/mise/shims/": "mise",
    "/.rbenv/shims/": "rbenv",
    "/.nodenv/shims/": "nodenv",
    "/.volta/bin/": "volta",
    "/.proto/shims/": "proto",
    "/.rye/shims/": "rye",
    "/rtx/shims/": "rtx",
    "/uv/archive-v0/": "uvx",
    "/.cache/uv/": "uvx",
    "/pipx/.cache/": "pipx run",
    "/_npx/": "npx",
}
_CONTENTS = {
    b"pyenv exec": "pyenv",
    b"asdf exec": "asdf",
    b"mise x ": "mise",
    b"mise exec": "mise",
    b"uv run": "uv",
    b"uvx ": "uv",
    b"npx ": "npx",
    b"hatch run": "hatch",
    b"poetry run": "poetry",
    b"pipx run": "pipx",
    b"rtx exec": "rtx",
}
_RUNNERS = frozenset(
    ("uv", "uvx", "npx", "pipx", "mise", "asdf", "pyenv", "poetry", "hatch", "pdm", "rye", "conda", "env")
)
_SYMLINKED = frozenset(("mise", "volta", "proto", "rtx", "uv", "asdf"))
_MOST_BYTES = 4096


class Shim(NamedTuple):
    """`manager` is whose it is, `path` where it lies."""

    manager: str
    path: str


def shim_at(path: str) -> Shim | None:
    """What a program is a shim of, or None. Never raises: what cannot be read is judged by its place and name alone."""
    target = os.path.realpath(path)
    for place, manager in _PLACES.items():
        if place in path or place in target:
            return Shim(manager, path)
    name = Path(path).name
    if name in _RUNNERS:
        return Shim(name, path)
    # mise and volta link every tool to themselves, and look at the name they are called by.
    resolved = Path(target).name
    if resolved in _SYMLINKED and resolved != name:
        return Shim(resolved, path)
    return _by_content(path)


def _by_content(path: str) -> Shim | None:
    try:
        head = _head(path)
    except OSError:
        return None
    if not head.startswith(b"#!"):
        return None
    first, _, rest = head.partition(b"\n")
    for said, manager in _CONTENTS.items():
        if said in rest or said in first + b" ":
            return Shim(manager, path)
    if first.startswith(b"#!/usr/bin/env"):
        return Shim("env", path)
    return None


def _head(path: str) -> bytes:
    with open_regular(path) as file:
        return file.read(_MOST_BYTES)


def interpreter_of(path: str) -> str | None:
    """The program that a script's first line names, absolute; None for a program proper or one that cannot be read."""
    try:
        first = _head(path).partition(b"\n")[0]
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    words = first[2:].decode("utf-8", "replace").split()
    return words[0] if words else None
