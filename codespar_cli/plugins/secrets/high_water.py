"""The highest epoch a vault was seen at, beside the file: a vault put back from an old copy alone is noticed.

Whoever puts back this file as well, or removes it, is not: docs/secrets.md says what is caught and what is not. The mark
follows a committed change and is never ahead of one, so a crash between the two only makes it lag.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from codespar_cli.errors import StoreError
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.vault_rows import Header
from codespar_cli.storage.private_files import ensure_private_file

_BYTES = 32


class Mark(NamedTuple):
    vault_id: bytes
    epoch: int


class HighWater:
    """32 bytes: the vault's id, the epoch, and eight bytes of their SHA-256."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Mark | None:
        """None when there is no readable mark: it is an aid, and losing it must not lock anyone out."""
        try:
            # Without blocking: what stands there may be a pipe, which would keep everyone waiting.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            data = os.read(descriptor, _BYTES + 1)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        body, checksum = data[:24], data[24:]
        if len(data) != _BYTES or hashlib.sha256(body).digest()[:8] != checksum:
            return None
        return Mark(body[:16], int.from_bytes(body[16:], "big"))

    def problem(self) -> str | None:
        """What keeps the mark from being of use, in words; None when nothing does."""
        try:
            facts = self.path.lstat()
        except FileNotFoundError:
            return "missing"
        except OSError:
            return "unreadable"
        if not stat.S_ISREG(facts.st_mode):
            return "no regular file"
        if facts.st_mode & 0o077:
            return f"open to others (mode {stat.S_IMODE(facts.st_mode):04o})"
        return "damaged or unreadable" if self.read() is None else None

    def write(self, header: Header) -> None:
        """Remember this epoch. The change is committed by now: not being able to remember it is no reason to fail.

        What stands in its place and is no mark, or is open to others, is removed first.
        """
        body = header.vault_id + header.epoch.to_bytes(8, "big")
        try:
            try:
                ensure_private_file(self.path)
            except StoreError:
                self._remove()
                ensure_private_file(self.path)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, StoreError):
            return
        try:
            os.pwrite(descriptor, body + hashlib.sha256(body).digest()[:8], 0)
        except OSError:
            pass
        finally:
            os.close(descriptor)

    def _remove(self) -> None:
        """Raises OSError."""
        if self.path.is_dir() and not self.path.is_symlink():
            self.path.rmdir()
        else:
            self.path.unlink(missing_ok=True)

    def check(self, header: Header | None, mark: Mark | None) -> None:
        """Raises IntegrityError when the vault is older than the mark that was read, another one, or gone."""
        if mark is None:
            return
        advice = f"if you restored it on purpose: rm {self.path}"
        if header is None:
            finding = "it was emptied"
        elif header.vault_id != mark.vault_id:
            finding = "another vault took its place"
        elif header.epoch < mark.epoch:
            finding = f"it went back in time, from epoch {mark.epoch} to {header.epoch}"
        else:
            return
        error = tampered(finding)
        error.hint = advice
        raise error
