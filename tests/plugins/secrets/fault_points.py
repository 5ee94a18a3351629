"""Makes the n-th system call of this process fail, come to half its work, or be the last one before kill -9.

How: SQLite's own way. Its unix VFS asks a table for every system call but the sync, and `xSetSystemCall`, which apsw hands
through, replaces what is in it: SQLite's C code then gets the -1 and the errno that the system would have given it. The
replacements are ctypes callbacks. The sync has no place in that table; a VFS on top of the unix one fails it with the code
that the unix one answers. What codespar calls itself is replaced in `os` and `fcntl`.

Why not otherwise: ptrace and seccomp may be forbidden in a container, LD_PRELOAD needs a compiler, a fault below the file
system needs root. This needs Python and apsw, which codespar needs anyway, on any architecture and any libc. Where SQLite
had no such table, `install` raises, and the tests fail rather than pass untried.

A process of its own is needed: the table is SQLite's, not a connection's, and nothing is put back. Syncs that do not fail are
counted and left out: neither an error nor a kill makes a difference to what the kernel already has.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

WRITING = frozenset({"write"})
GROWING = WRITING | {"create"}
CHANGING = GROWING | {"open", "truncate", "sync", "unlink", "rename", "chmod", "touch", "lock", "map"}
READING = frozenset({"read", "stat"})


class Kind(NamedTuple):
    """Which calls count, what the n-th answers, whether half of a write is done first, and whether it stays like that."""

    calls: frozenset[str]
    answer: int
    half: bool = False
    lasting: bool = False


KILLED = 0
"""In place of an errno: the process ends."""
KINDS = {
    "eio": Kind(CHANGING, errno.EIO),
    "eio-for-good": Kind(CHANGING, errno.EIO, lasting=True),
    "enospc-once": Kind(GROWING, errno.ENOSPC),
    "enospc": Kind(GROWING, errno.ENOSPC, lasting=True),
    "short": Kind(WRITING, errno.ENOSPC, half=True, lasting=True),
    "short-once": Kind(WRITING, errno.ENOSPC, half=True),
    "read-eio": Kind(READING, errno.EIO),
    "kill": Kind(CHANGING, KILLED),
    "torn": Kind(WRITING, KILLED, half=True),
}


class Faults:
    """Counts the calls of a kind, and strikes at the n-th; 0 only counts."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind = KINDS[kind]
        self.at = at
        self.count = 0
        self.struck: str | None = None
        self._rest_fails = False

    def rest(self) -> None:
        """From here on nothing is counted, and nothing fails."""
        self.at = self.count = -(2**40)
        self._rest_fails = False

    def strike(self, call: str, name: str, half: Callable[[], int] | None = None) -> tuple[int | None, int]:
        """The errno to answer, or None to go on; or how many bytes of a write to say were written."""
        if call not in self.kind.calls:
            return None, 0
        if self._rest_fails:
            self._rest_fails = self.kind.lasting
            return self.kind.answer, 0
        self.count += 1
        if self.count != self.at and not (self.kind.lasting and 0 < self.at < self.count):
            return None, 0
        if self.struck is None:
            self.struck = name
        done = 0
        if self.kind.half and half is not None:
            done = half()
            self._rest_fails = self.kind.answer != KILLED
        if self.kind.answer == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        return (None, done) if done else (self.kind.answer, 0)


# ── what SQLite calls ──

_INT, _LONG, _SIZE, _TEXT, _AT = ctypes.c_int, ctypes.c_int64, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
_WRITE, _READ = (_LONG, (_INT, _AT, _SIZE)), (_LONG, (_INT, _AT, _SIZE))
_PWRITE, _PREAD = (_LONG, (_INT, _AT, _SIZE, _LONG)), (_LONG, (_INT, _AT, _SIZE, _LONG))
_IN_SQLITE: dict[str, tuple[str, tuple[Any, tuple[Any, ...]]]] = {
    "write": ("write", _WRITE),
    "pwrite": ("write", _PWRITE),
    "pwrite64": ("write", _PWRITE),
    "read": ("read", _READ),
    "pread": ("read", _PREAD),
    "pread64": ("read", _PREAD),
    "ftruncate": ("truncate", (_INT, (_INT, _LONG))),
    "open": ("open", (_INT, (_TEXT, _INT, _INT))),
    "openDirectory": ("open", (_INT, (_TEXT, _AT))),
    "unlink": ("unlink", (_INT, (_TEXT,))),
    "fchmod": ("chmod", (_INT, (_INT, _INT))),
    "mmap": ("map", (_AT, (_AT, _SIZE, _INT, _INT, _INT, _LONG))),
    "stat": ("stat", (_INT, (_TEXT, _AT))),
    "fstat": ("stat", (_INT, (_INT, _AT))),
}
_MUST_HAVE = ({"pwrite", "pwrite64"}, {"pread", "pread64"}, {"ftruncate"}, {"open"}, {"unlink"}, {"mmap"})
_FAILED_MAP = ctypes.c_void_p(-1).value
_CANT_OPEN = apsw.SQLITE_CANTOPEN
_kept: list[object] = []


def _replacement(faults: Faults, name: str, call: str, real: Any) -> Callable[..., Any]:
    def replacement(*given: Any) -> Any:
        kind = call
        if name == "open" and given[1] & os.O_CREAT:
            kind = "create"
        failure, done = faults.strike(
            kind, f"sqlite {name}", lambda: real(given[0], given[1], given[2] // 2, *given[3:])
        )
        if failure is None:
            return done or real(*given)
        ctypes.set_errno(failure)
        if name == "openDirectory":
            return _CANT_OPEN
        return _FAILED_MAP if name == "mmap" else -1

    return replacement


class _SyncedFile(apsw.VFSFile):
    def __init__(self, faults: Faults, *given: Any) -> None:
        super().__init__("unix", *given)
        self._faults = faults

    def xSync(self, flags: int) -> None:
        failure, _ = self._faults.strike("sync", "sqlite fsync")
        if failure is not None:
            error = apsw.IOError("disk I/O error")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error


class _Synced(apsw.VFS):
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        super().__init__("codespar-faults", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _SyncedFile(self._faults, name, flags)


def _install_in_sqlite(faults: Faults) -> None:
    vfs = _Synced(faults)
    replaced = set()
    for name, (call, (answer, takes)) in _IN_SQLITE.items():
        address = vfs.xGetSystemCall(name)
        if not address:
            continue
        prototype = ctypes.CFUNCTYPE(answer, *takes, use_errno=True)
        callback = prototype(_replacement(faults, name, call, prototype(address)))
        if not vfs.xSetSystemCall(name, ctypes.cast(callback, ctypes.c_void_p).value):
            raise RuntimeError(f"SQLite does not let `{name}` be replaced")
        _kept.append(callback)
        replaced.add(name)
    for names in _MUST_HAVE:
        if not names & replaced:
            raise RuntimeError(f"this SQLite has no system call table with one of {sorted(names)}")
    _kept.append(vfs)


# ── what Python calls ──

_IN_PYTHON = {
    "write": "write",
    "pwrite": "write",
    "read": "read",
    "pread": "read",
    "open": "open",
    "fsync": "sync",
    "fdatasync": "sync",
    "ftruncate": "truncate",
    "truncate": "truncate",
    "replace": "rename",
    "rename": "rename",
    "link": "create",
    "unlink": "unlink",
    "remove": "unlink",
    "mkdir": "create",
    "chmod": "chmod",
    "fchmod": "chmod",
    "utime": "touch",
    "stat": "stat",
    "lstat": "stat",
    "fstat": "stat",
}


def _wrapped(faults: Faults, name: str, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> Any:
        kind = "create" if name == "open" and given[1] & os.O_CREAT else call
        half = (lambda: real(given[0], given[1][: len(given[1]) // 2], *given[2:])) if call == "write" else None
        failure, done = faults.strike(kind, f"os.{name}", half)
        if failure is not None:
            raise OSError(failure, os.strerror(failure))
        if call == "sync":
            return None
        return done or real(*given, **named)

    return wrapped


class _Stream(io.RawIOBase):
    """A file whose writes pass `os.write`, unlike those of `io.FileIO`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        return os.write(self._descriptor, bytes(data))

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)


def _install_in_python(faults: Faults) -> None:
    for name, call in _IN_PYTHON.items():
        setattr(os, name, _wrapped(faults, name, call, getattr(os, name)))
    opened, locked = os.fdopen, fcntl.flock

    def fdopen(descriptor: int, mode: str = "r", *rest: Any, **named: Any) -> Any:
        return io.BufferedWriter(_Stream(descriptor)) if mode == "wb" else opened(descriptor, mode, *rest, **named)

    def flock(descriptor: int, how: int) -> None:
        failure, _ = faults.strike("lock", "fcntl.flock") if how != fcntl.LOCK_UN else (None, 0)
        if failure is not None:
            raise OSError(failure, os.strerror(failure))
        locked(descriptor, how)

    os.fdopen, fcntl.flock = fdopen, flock


def install(kind: str, at: int) -> Faults:
    """Once in a process. Raises RuntimeError where SQLite's calls cannot be reached."""
    faults = Faults(kind, at)
    _install_in_sqlite(faults)
    _install_in_python(faults)
    return faults
