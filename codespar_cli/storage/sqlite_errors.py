"""What goes wrong with a SQLite file, in our words."""

from __future__ import annotations

import apsw

from codespar_cli.errors import CodesparError, StoreBusy, StoreCorrupt, StoreError
from codespar_cli.storage.private_files import reason

# What SQLite says of our own statements when the file is not what we made, besides that it is malformed.
DAMAGE = (
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.SQLError,
    apsw.ConstraintError,
    apsw.MismatchError,
    UnicodeDecodeError,
)
_UNUSABLE = (apsw.FullError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError)


def in_our_words(error: BaseException, path: str) -> CodesparError | None:
    """The error to raise for one of SQLite or of the system; None for any other, ours included."""
    if isinstance(error, CodesparError):
        return None
    if isinstance(error, DAMAGE):
        return corrupt(path, str(error).lower())
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreBusy("the store stayed locked", file=path, hint=f"fuser -v {path}")
    if isinstance(error, _UNUSABLE):
        return StoreError(f"{str(error).lower()}", file=path, hint="codespar doctor")
    if isinstance(error, OSError):
        return StoreError(f"cannot be used: {reason(error)}", file=path, hint="codespar doctor")
    return None


def corrupt(path: str, finding: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"the store is damaged: {finding}",
        file=path,
        hint="keep the file, restore a backup; codespar never replaces a damaged store",
    )


def gone(path: str, lock: str) -> StoreError:
    return StoreError(
        "the store is gone, and with it what it counted",
        code="store_missing",
        file=path,
        hint=f"restore it from a backup, or start anew with: rm -f {path} {lock}",
    )


def held_by_another(path: str, waited_s: float) -> StoreBusy:
    return StoreBusy(f"another process held the store for {waited_s:.1f} s", file=path, hint=f"fuser -v {path}")


def within_a_fork(path: str) -> StoreError:
    return StoreError("this process was forked within a transaction on the store, and cannot use it", file=path)
