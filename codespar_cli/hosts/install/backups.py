"""What a file was before we changed it: in `hosts` of the state directory, one record and one copy a file.

A copy may hold what other people's settings hold, credentials too: it is private as everything there.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.entries import Path as KeyPath
from codespar_cli.hosts.install.settings_file import digest
from codespar_cli.storage.private_files import ensure_private_directory

_DIRECTORY = "hosts"
_FORM = 1


class Backup(NamedTuple):
    """`before` is None when there was no file; `after` is the digest of what we wrote.

    `made` are the tables and lists that we put in, `directories` those on the disk.
    """

    path: str
    before: bytes | None
    after: str
    made: tuple[KeyPath, ...] = ()
    directories: tuple[str, ...] = ()


class Backups:
    """Those of one state directory."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._directory = Path(state_dir) / _DIRECTORY

    def path_of(self, target: Path) -> Path:
        name = hashlib.sha256(os.fsencode(target)).hexdigest()[:32]
        return self._directory / f"{name}.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One installation at a time. Raises StoreError, ConfigError."""
        self._ensure()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._directory / "lock", flags, 0o600)
        except OSError as error:
            raise ConfigError(
                f"cannot be locked: {(error.strerror or '').lower()}", file=str(self._directory)
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def keep(self, target: Path, backup: Backup) -> Path:
        """Durably, before anything is changed. Raises ConfigError, StoreError."""
        self._ensure()
        path = self.path_of(target)
        data = None if backup.before is None else base64.b64encode(backup.before).decode()
        said = {
            "form": _FORM,
            **backup._asdict(),
            "before": data,
            "digest": digest(backup.before),
            "written_for": os.fsdecode(target),
        }
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
                file.write(json.dumps(said).encode())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise ConfigError(f"the backup cannot be written: {words}", file=str(path)) from None
        return path

    def find(self, target: Path) -> Backup | None:
        """None where there is none, or one that is not whole: its digest is looked at."""
        try:
            said = json.loads(self.path_of(target).read_bytes())
            before = None if said["before"] is None else base64.b64decode(said["before"], validate=True)
            if said["form"] != _FORM or said["digest"] != digest(before) or said["written_for"] != os.fsdecode(target):
                return None
            made = tuple(tuple(path) for path in said["made"])
            return Backup(said["path"], before, said["after"], made, tuple(said["directories"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def forget(self, target: Path) -> None:
        with contextlib.suppress(OSError):
            self.path_of(target).unlink()

    def _ensure(self) -> None:
        for directory in (self._state_dir, self._directory):
            ensure_private_directory(directory)
