"""Changing one value in plugins.toml: everything else stays as its author wrote it, and nothing invalid is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codespar_cli.core.toml_source import set_value
from codespar_cli.errors import ConfigError


def render(value: Any) -> str:
    """A value as TOML spells it."""
    import tomli_w

    if isinstance(value, list):
        return "[" + ", ".join(render(item) for item in value) + "]"
    return tomli_w.dumps({"x": value}).partition("=")[2].strip()


def edit(path: Path, key: tuple[str, ...], value: Any, check: Callable[[str], object]) -> None:
    """Set one key. `check` sees the new text first; what it raises leaves the file as it is."""
    try:
        text = path.read_text("utf-8-sig")
        changed = set_value(text, key, render(value))
        check(changed)
        if changed != text:
            replace_file(path, changed)
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot be changed: {words}", file=str(path), hint=f"ls -l {path}") from error


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
