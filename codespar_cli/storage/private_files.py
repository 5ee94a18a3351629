"""Directories and files that belong to one user: created private under any umask, and refused when they are not.

The agent that codespar governs runs on the same machine; a state file that others may write is a budget that others
may refill. What ssh does with keys is done here with stores: look before opening, and say the exact `chmod`.
"""

from __future__ import annotations

import os
import stat

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import StoreError

if TYPE_CHECKING:
    from typing import TypeAlias

FilePath: TypeAlias = "str | os.PathLike[str]"
"""Stores do without `pathlib`, which takes longer to import than a store to open."""

PRIVATE_DIR = 0o700
PRIVATE_FILE = 0o600
_OTHERS = 0o077
_OTHERS_WRITE = 0o022
_OWNER_SEARCH = 0o500


def ensure_private_directory(path: FilePath) -> None:
    """Create `path` as 0700, or check that it is ours. One that others can only read is tightened, unless it has other uses.

    Raises:
        StoreError: it cannot be made, is a symbolic link or no directory, is another user's, others may write it, or it
            holds what others are meant to read: `/etc` must not become 0700.
    """
    try:
        try:
            facts = os.lstat(path)
        except FileNotFoundError:
            _make_directories(path)
            facts = os.lstat(path)
        if not stat.S_ISDIR(facts.st_mode):
            found = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "not a directory"
            raise StoreError(
                f"state directory is {found}", file=str(path), hint="set state_dir in plugins.toml to a real directory"
            )
        _check_owner(path, facts)
        if facts.st_mode & _OTHERS_WRITE:
            raise StoreError(
                f"state directory can be written by others (mode {stat.S_IMODE(facts.st_mode):04o})",
                file=str(path),
                hint=f"chmod 700 {path}",
            )
        if ~facts.st_mode & _OWNER_SEARCH:
            raise StoreError(
                f"state directory is closed to its owner (mode {stat.S_IMODE(facts.st_mode):04o})",
                file=str(path),
                hint=f"chmod 700 {path}",
            )
        if facts.st_mode & _OTHERS:
            _tighten(path)
    except OSError as error:
        raise StoreError(f"state directory cannot be used: {reason(error)}", file=str(path)) from error


def _tighten(path: FilePath) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if not stat.S_ISLNK(mode) and mode & _OTHERS:  # nothing that we make is
                raise StoreError(
                    f"state directory has other uses: others may read `{entry.name}` in it",
                    file=str(path),
                    hint="set state_dir in plugins.toml, or CODESPAR_STATE_DIR, to a directory of its own",
                )
    os.chmod(path, PRIVATE_DIR)


def ensure_private_file(path: FilePath) -> bool:
    """Create `path` empty as 0600, or check that it is ours and nobody else's. Answers whether it was created."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE_FILE)
    except FileExistsError:
        check_private_file(path)
        return False
    except OSError as error:
        raise StoreError(f"cannot be created: {reason(error)}", file=str(path)) from error
    os.fchmod(descriptor, PRIVATE_FILE)
    os.close(descriptor)
    sync_directory(os.path.dirname(path) or os.curdir)
    return True


def check_private_file(path: FilePath) -> None:
    """Raises StoreError unless `path` is a regular file of ours that nobody else can touch. FileNotFoundError passes."""
    facts = os.lstat(path)
    if not stat.S_ISREG(facts.st_mode):
        found = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "not a regular file"
        raise StoreError(f"is {found}", file=str(path), hint=f"ls -l {path}")
    _check_owner(path, facts)
    if facts.st_mode & _OTHERS:
        raise StoreError(
            f"others have access to it (mode {stat.S_IMODE(facts.st_mode):04o})",
            file=str(path),
            hint=f"chmod 600 {path}",
        )


def facts_of(path: FilePath) -> os.stat_result | None:
    """What is at `path`, or None. Unlike `Path.exists`, which answers no on some Pythons, OSError when that is unknown."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def file_at(path: FilePath) -> tuple[int, int] | None:
    """Which file is at `path`, by device and inode, or None. Raises OSError when that is unknown."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def store_exists(path: FilePath) -> bool:
    """Whether there is a store to read. One that was made and is gone counts: opening it says so. Raises StoreError."""
    try:
        lock = facts_of(f"{os.fspath(path)}.lock")
        return (lock is not None and lock.st_size > 0) or facts_of(path) is not None
    except OSError as error:
        raise StoreError(f"cannot be used: {reason(error)}", file=str(path), hint="codespar doctor") from error


def sync_directory(path: FilePath) -> None:
    """Make the names in a directory durable; a new file is only as durable as its entry."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: OSError) -> str:
    """The operating system's words, in our voice."""
    return (error.strerror or str(error)).lower()


def _make_directories(path: FilePath) -> None:
    """`path` and whatever is missing above it. The umask takes from the mode, and may take the owner's own rights."""
    try:
        os.mkdir(path, mode=PRIVATE_DIR)
    except FileNotFoundError:
        above = os.path.dirname(path) or os.curdir
        if above == path:  # the working directory itself is gone
            raise
        _make_directories(above)
        try:
            os.mkdir(path, mode=PRIVATE_DIR)
        except FileExistsError:
            pass
    except FileExistsError:
        return  # somebody else has just made it, and sees to its mode
    os.chmod(path, PRIVATE_DIR)


def _check_owner(path: FilePath, facts: os.stat_result) -> None:
    if facts.st_uid != os.geteuid():
        raise StoreError(f"belongs to another user (uid {facts.st_uid})", file=str(path), hint=f"ls -ld {path}")
