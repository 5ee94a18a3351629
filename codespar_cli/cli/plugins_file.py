"""Changing one value in plugins.toml: everything else stays as its author wrote it, and nothing invalid is written."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codespar_cli.core.config import shown
from codespar_cli.core.toml_source import line_of, set_names, set_value
from codespar_cli.errors import ConfigError


def render(value: Any) -> str:
    """A value as TOML spells it."""
    import tomli_w

    if isinstance(value, list):
        return "[" + ", ".join(render(item) for item in value) + "]"
    return tomli_w.dumps({"x": value}).partition("=")[2].strip()


def edit(path: Path, key: tuple[str, ...], value: Any, check: Callable[[str], object]) -> None:
    """Set one key. `check` sees the new text first; what it raises leaves the file as it is.

    Raises:
        ConfigError: the file cannot be changed, or holds the value in a form that cannot be changed in place.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        mark = "\ufeff" if text.startswith("\ufeff") else ""
        body = text.removeprefix(mark)
        changed = set_names(body, key, value) if isinstance(value, list) else set_value(body, key, render(value))
        if not _only_differs(body, changed, key, value):
            raise ConfigError(
                f"{'.'.join(key)} is written in a form that cannot be changed in place",
                file=shown(path),
                line=line_of(body, key),
                hint=f"change it by hand to {render(value)}",
            )
        check(changed)
        if changed != body:
            replace_file(path, mark + changed)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be changed: {words}", file=shown(path), hint=f"ls -l {path}") from error


def _only_differs(before: str, after: str, key: tuple[str, ...], value: Any) -> bool:
    expected = table = tomllib.loads(before)
    for part in key[:-1]:
        table = table.setdefault(part, {})
    table[key[-1]] = value
    try:
        return tomllib.loads(after) == expected
    except tomllib.TOMLDecodeError:
        return False


def replace_file(path: Path, text: str) -> None:
    """The new content or the old one, whatever happens in between; the mode stays."""
    target = path.resolve()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            os.fchmod(file.fileno(), target.stat().st_mode & 0o777)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
