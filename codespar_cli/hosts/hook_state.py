"""Where hooks keep what they remember: `hooks` in the state directory, private as everything there."""

from __future__ import annotations

import os


def hook_directory(state_dir: str, name: str) -> str:
    return os.path.join(state_dir, "hooks", name)  # noqa: PTH118  pathlib is not needed otherwise


def make_hook_directory(state_dir: str, name: str) -> None:
    """Create it, and what is missing above. Raises OSError, also where the state directory is not ours alone."""
    from pathlib import Path

    from codespar_cli.errors import StoreError
    from codespar_cli.storage.private_files import ensure_private_directory

    place = Path(state_dir)
    try:
        for directory in (place, place / "hooks", place / "hooks" / name):
            ensure_private_directory(directory)
    except StoreError as error:
        raise OSError(str(error)) from error


def replace_file(state_dir: str, path: str, data: bytes, directory: str) -> None:
    """Put `data` at `path`, whole or not at all. Raises OSError."""
    beside = f"{path}.{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(beside, flags, 0o600)
    except FileNotFoundError:
        make_hook_directory(state_dir, directory)
        descriptor = os.open(beside, flags, 0o600)
    try:
        whole = os.write(descriptor, data) == len(data)
    finally:
        os.close(descriptor)
    if not whole:
        os.unlink(beside)  # noqa: PTH108
        raise OSError("the disk is full")
    os.replace(beside, path)  # noqa: PTH105
