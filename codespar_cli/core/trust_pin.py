"""What `codespar trust` pins: a project's plugins.toml and every file that its policy names, by place and content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT_RULES = "policy.yaml"
# The options of the built-in policies that name files; a tenant's table has the same.
_FILE_OPTIONS = ("rules", "policies", "entities", "schema", "data")


class Pin(NamedTuple):
    """`path` is the real path of plugins.toml, `device` its file system's number, `digest` SHA-256 over all the content."""

    path: str
    device: int
    digest: str


def pin_of(path: Path, data: bytes, document: Mapping[str, Any]) -> Pin:
    """The pin of a plugins.toml that holds `data`. Raises OSError where a file that it names is there and cannot be read."""
    digest = hashlib.sha256()
    _add(digest, "plugins.toml", data)
    for file in policy_files(document):
        _add(digest, file, _content(path.parent / file))
    real = os.path.realpath(path)
    return Pin(real, os.stat(real).st_dev, digest.hexdigest())  # noqa: PTH116


def policy_files(document: Mapping[str, Any]) -> list[str]:
    """The files that `[policy]` names, as it spells them."""
    policy = document.get("policy")
    return sorted(set(_named(policy))) if isinstance(policy, Mapping) else []


def _named(policy: Mapping[str, Any]) -> Iterator[str]:
    if "rules" not in policy and "policies" not in policy:
        yield DEFAULT_RULES
    tenants = policy.get("tenants")
    tables = [policy, *(tenants.values() if isinstance(tenants, Mapping) else ())]
    for table in tables:
        for key in _FILE_OPTIONS if isinstance(table, Mapping) else ():
            value = table.get(key)
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, str) and "\0" not in name:
                    yield name


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _add(digest: Any, name: str, content: bytes | None) -> None:
    """One part, with its lengths: no two sets of files make the same bytes."""
    label = name.encode("utf-8", "surrogatepass")
    size = -1 if content is None else len(content)
    digest.update(f"{len(label)} {size}\n".encode() + label + (content or b""))
