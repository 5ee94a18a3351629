"""Which projects' files their user trusts: one private file each in `trust` of the state directory, never in a project.

It is named after the real path of plugins.toml and holds the pin (core/trust_pin.py). A file that others can touch, or
that is another user's, trusts nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from codespar_cli.core.trust_pin import Pin
from codespar_cli.errors import StoreError
from codespar_cli.storage.private_files import PRIVATE_FILE, ensure_private_directory, reason, sync_directory

_DIRECTORY = "trust"
_MOST_BYTES = 1 << 16


class TrustRecord:
    """That of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self._directory = state_dir / _DIRECTORY

    def path_of(self, config: Path) -> Path:
        """Where the trust in this plugins.toml is kept, if there is any."""
        name = hashlib.sha256(os.fsencode(os.path.realpath(config))).hexdigest()
        return self._directory / f"{name}.json"

    def is_trusted(self, pin: Pin) -> bool:
        """Whether exactly this is what was trusted."""
        return self.pinned(Path(pin.path)) == pin

    def pinned(self, config: Path) -> Pin | None:
        """What was trusted of this plugins.toml, whatever it says now."""
        try:
            found = json.loads(_private_bytes(self.path_of(config)))
            pin = Pin(found["path"], found["device"], found["digest"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return pin if found.get("version") == 1 else None

    def grant(self, pin: Pin) -> None:
        """Trust this from now on; durable when it returns. Raises StoreError."""
        path = self.path_of(Path(pin.path))
        ensure_private_directory(self._directory.parent)
        ensure_private_directory(self._directory)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE)
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, PRIVATE_FILE)
                file.write(json.dumps({"version": 1, **pin._asdict()}).encode() + b"\n")
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
            sync_directory(self._directory)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(f"cannot be written: {reason(error)}", file=str(path)) from error

    def revoke(self, config: Path) -> bool:
        """Trust it no more. False when nothing was trusted. Raises StoreError."""
        path = self.path_of(config)
        try:
            path.unlink()
            sync_directory(self._directory)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise StoreError(f"cannot be removed: {reason(error)}", file=str(path)) from error
        return True


def _private_bytes(path: Path) -> Any:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            raise PermissionError(path)
        return file.read(_MOST_BYTES)
