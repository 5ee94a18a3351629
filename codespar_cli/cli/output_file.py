"""A file that a command writes for the user: there whole when the command succeeds, and untouched when it does not."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from codespar_cli.errors import StoreError


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """What is written becomes the file at `path`, with the rights a new file has. A device or pipe is written directly.

    Raises StoreError (`output_failed`) when it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                yield stream
            return
        with _draft(path.resolve()) as stream:
            yield stream
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        words = (getattr(error, "strerror", None) or str(error)).lower()
        raise StoreError(
            f"cannot be written: {words}", code="output_failed", file=str(path), hint=f"ls -ld {path.parent}"
        ) from error


@contextmanager
def _draft(path: Path) -> Iterator[BinaryIO]:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield cast("BinaryIO", stream)
        Path(name).chmod(_rights(path))
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _rights(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0o022)
        os.umask(mask)
        return 0o666 & ~mask
