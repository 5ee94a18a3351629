"""Values that were worked out once, kept in private files, and believed only if this user's own key sealed them.

An entry is `marshal` of plain values: numbers, text, tuples, lists, dicts and sets. It is no pickle, which runs what it is
told to run; but a broken one may upset the interpreter. So nothing is read before its seal is right: a keyed BLAKE2b over
the entry, its name, this version of codespar and of Python. Whatever is not right (cut short, edited, of another version,
another user's, open to others) is as good as not there.

A cache never fails anybody: a directory that cannot be read or written is an empty one.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import stat
import sys
import time
from _operator import _compare_digest  # what `hmac.compare_digest` is where OpenSSL is not loaded

from codespar_cli.core.hashing import keyed_digest
from codespar_cli.errors import StoreError
from codespar_cli.storage.private_files import PRIVATE_FILE, ensure_private_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAGIC = b"codespar cache 1\n"
_SEAL = 32
_KEY_FILE, _LOCK_FILE, _SUFFIX = "key", "lock", ".cache"
_KEY_BYTES = 32
_LARGEST = 64 << 20
_MOST_ENTRIES = 256
# Who waits longer works the value out himself: nobody who was stopped while he held the lock may stop an agent.
_WAIT_S = 0.8
_POLL_S = 0.002


class SealedCache:
    """The cache in one directory, which is made (0700) when something is first kept. `version` is codespar's."""

    def __init__(self, directory: str, version: str) -> None:
        self._directory = directory
        self._context = f"{version}\n{sys.implementation.cache_tag}\n{sys.hexversion:x}\n".encode()
        self._key: bytes | None = None

    def get(self, name: str) -> Any:
        """The value kept under this name, or None."""
        key = self._key = self._key or _private_bytes(self._path(_KEY_FILE), _KEY_BYTES)
        if key is None or len(key) != _KEY_BYTES:
            return None
        data = _private_bytes(self._path(name + _SUFFIX), _LARGEST)
        start = len(_MAGIC) + _SEAL
        if data is None or len(data) < start or not data.startswith(_MAGIC):
            return None
        content = data[start:]
        if not _compare_digest(data[len(_MAGIC) : start], self._seal(key, name, content)):
            return None
        try:
            return marshal.loads(content)  # noqa: S302  sealed by ourselves
        except (ValueError, EOFError, TypeError):
            return None

    def put(self, name: str, value: Any) -> bool:
        """Keep a value, in place of the one under this name; whoever reads meanwhile gets the one or the other.

        False where it cannot be kept: it is not plain, or the disk is full or read-only.
        """
        try:
            content = marshal.dumps(value)
            ensure_private_directory(self._directory)
            key = self._made_key()
            if key is None or len(content) > _LARGEST:
                return False
            self._write(name + _SUFFIX, b"".join((_MAGIC, self._seal(key, name, content), content)), os.replace)
            self._forget_oldest()
        except (ValueError, OSError, StoreError):
            return False
        return True

    def once(self, look: Callable[[], Any], make: Callable[[], Any]) -> Any:
        """What `look` finds, else what `make` makes: by one process at a time, the others find what the first has kept."""
        descriptor = self._lock()
        try:
            found = None if descriptor is None else look()
            return make() if found is None else found
        finally:
            if descriptor is not None:
                os.close(descriptor)

    # ── inside ──

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}"

    def _seal(self, key: bytes, name: str, content: bytes) -> bytes:
        head = name.encode()
        return keyed_digest(b"".join((self._context, len(head).to_bytes(4, "big"), head, content)), key, _SEAL)

    def _made_key(self) -> bytes | None:
        """The key, made by the first who needs one; a new one where the old is damaged, and all it sealed is void."""
        path = self._path(_KEY_FILE)
        key = _private_bytes(path, _KEY_BYTES)
        if key is None or len(key) != _KEY_BYTES:
            try:
                self._write(_KEY_FILE, os.urandom(_KEY_BYTES), os.link)
            except FileExistsError:
                key = _private_bytes(path, _KEY_BYTES)
                if key is None or len(key) != _KEY_BYTES:  # damaged, or open to others: never a key again
                    self._write(_KEY_FILE, os.urandom(_KEY_BYTES), os.replace)
            key = _private_bytes(path, _KEY_BYTES)
        self._key = key
        return key

    def _write(self, name: str, data: bytes, publish: Callable[[str, str], None]) -> None:
        """All of it or nothing under its name. Not synced: what a power cut leaves of it is not sealed right."""
        temporary = self._path(f".{name}.{os.getpid()}.{os.urandom(4).hex()}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, PRIVATE_FILE)
        try:
            try:
                os.fchmod(descriptor, PRIVATE_FILE)  # whatever the umask took
                left = memoryview(data)
                while left:
                    left = left[os.write(descriptor, left) :]
            finally:
                os.close(descriptor)
            publish(temporary, self._path(name))
        except BaseException:
            _remove(temporary)
            raise
        if publish is os.link:
            _remove(temporary)

    def _forget_oldest(self) -> None:
        """Keep the directory small, and free of what somebody who was killed while writing has left."""
        names = os.listdir(self._directory)
        if len(names) <= _MOST_ENTRIES:
            return
        entries = [self._path(name) for name in names if name not in {_KEY_FILE, _LOCK_FILE}]
        for path in sorted(entries, key=_last_change)[: len(names) - _MOST_ENTRIES // 2]:
            _remove(path)

    def _lock(self) -> int | None:
        """A descriptor that holds the lock until it is closed, or None: nobody waits for ever, nor where none can be had."""
        try:
            ensure_private_directory(self._directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path(_LOCK_FILE), flags, PRIVATE_FILE)
        except (OSError, StoreError):
            return None
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(_POLL_S)
                    continue
            except OSError:
                pass
            else:
                return descriptor
            os.close(descriptor)
            return None


def _private_bytes(path: str, most: int) -> bytes | None:
    """What is in a regular file of ours that nobody else can touch; None for any other, and for a longer one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        facts = os.fstat(descriptor)
        private = stat.S_ISREG(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o077
        if not private or facts.st_size > most:
            return None
        data = b""
        while len(data) < facts.st_size:
            more = os.read(descriptor, facts.st_size - len(data))
            if not more:
                break
            data += more
        return data
    except (OSError, ValueError):
        return None
    finally:
        os.close(descriptor)


def _last_change(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except (OSError, ValueError):
        return 0


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except (OSError, ValueError):
        pass
