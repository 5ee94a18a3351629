"""A host's settings on disk: read once, replaced whole, in one step, and only if nobody changed them meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.regular_file import read_regular
from codespar_cli.errors import ConfigError
from codespar_cli.storage.private_files import sync_directory

MOST_BYTES = 16 << 20
"""Of a settings file; hosts write a few thousand."""
_BOM = b"\xef\xbb\xbf"
_NEW_FILE = 0o600
_NEW_PROJECT_FILE = 0o644


class SettingsFile(NamedTuple):
    """`path` is what was named, `target` where it leads. `data` is None when there is no file."""

    path: Path
    target: Path
    data: bytes | None
    mode: int

    @property
    def text(self) -> str:
        """Without a byte order mark. Raises ConfigError where it is not UTF-8."""
        try:
            return (self.data or b"").removeprefix(_BOM).decode("utf-8")
        except UnicodeDecodeError as error:
            line = (self.data or b"").count(b"\n", 0, error.start) + 1
            raise ConfigError("not UTF-8", file=str(self.path), line=line, hint=f"file {self.path}") from None

    @property
    def has_mark(self) -> bool:
        return (self.data or b"").startswith(_BOM)

    def encoded(self, text: str) -> bytes:
        """As this file is encoded."""
        return (_BOM if self.has_mark else b"") + text.encode("utf-8")


def digest(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def read_settings(path: Path, within: Path | None = None) -> SettingsFile:
    """A link is followed, but not out of `within`: a repository's link must not choose what of a user's is changed.

    Raises ConfigError.
    """
    target = Path(os.path.realpath(path))
    is_link = path.is_symlink()
    if within is not None and not target.is_relative_to(os.path.realpath(within)):
        raise ConfigError(
            f"leads out of the project, to {target}", file=str(path), code="symlink", hint=f"ls -l {path}"
        )
    try:
        data, mode = read_regular(target, MOST_BYTES)
    except FileNotFoundError:
        if is_link:
            raise ConfigError(
                f"is a link to {target}, which is not there", file=str(path), code="symlink", hint=f"rm {path}"
            ) from None
        return SettingsFile(path, target, None, _NEW_FILE if within is None else _NEW_PROJECT_FILE)
    except OSError as error:
        raise _unusable(path, "cannot be read", error) from None
    return SettingsFile(path, target, data, mode)


def replace_settings(before: SettingsFile, data: bytes) -> tuple[Path, ...]:
    """Put `data` in place, with the mode that was there. Answers the directories that had to be made, outermost first.

    Raises ConfigError, also when the file is not what it was when it was read: then nothing is changed.
    """
    made = _make_directories(before)
    try:
        _replace(before, data)
    except BaseException:
        remove_directories(made)
        raise
    return made


def remove_settings(before: SettingsFile) -> None:
    """Raises ConfigError."""
    _check_unchanged(before)
    try:
        before.target.unlink()
    except OSError as error:
        raise _unusable(before.path, "cannot be removed", error) from None
    with contextlib.suppress(OSError):
        sync_directory(before.target.parent)


def remove_directories(paths: tuple[Path, ...]) -> None:
    """Those that are empty, from the innermost out."""
    for path in reversed(paths):
        with contextlib.suppress(OSError):
            path.rmdir()


def _replace(before: SettingsFile, data: bytes) -> None:
    directory = before.target.parent
    try:
        descriptor, name = tempfile.mkstemp(prefix=".codespar-", dir=directory)
    except OSError as error:
        raise _unusable(before.path, "cannot be written", error) from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            _like(before, stream.fileno())
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        _check_unchanged(before)
        Path(name).replace(before.target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise _unusable(before.path, "cannot be written", error) from None
        raise
    with contextlib.suppress(OSError):
        sync_directory(directory)


def _like(before: SettingsFile, descriptor: int) -> None:
    """The mode, and for root the owner, that the file has."""
    os.fchmod(descriptor, before.mode)
    if before.data is not None and os.geteuid() == 0:
        facts = before.target.stat()
        os.fchown(descriptor, facts.st_uid, facts.st_gid)


def _check_unchanged(before: SettingsFile) -> None:
    try:
        now: bytes | None = read_regular(before.target, MOST_BYTES).data
    except FileNotFoundError:
        now = None
    except OSError as error:
        raise _unusable(before.path, "cannot be read", error) from None
    if now != before.data or Path(os.path.realpath(before.path)) != before.target:
        raise ConfigError(
            "was changed by somebody else meanwhile, nothing was written",
            file=str(before.path),
            code="changed_meanwhile",
            hint="run the command again",
        )


def _make_directories(before: SettingsFile) -> tuple[Path, ...]:
    missing = []
    directory = before.target.parent
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    private = before.mode == _NEW_FILE
    made: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir(mode=0o700 if private else 0o755)
            made.append(path)
    except OSError as error:
        remove_directories(tuple(made))
        raise _unusable(before.path, "its directory cannot be made", error) from None
    return tuple(made)


def _unusable(path: Path, what: str, error: OSError) -> ConfigError:
    words = (error.strerror or str(error)).lower()
    return ConfigError(f"{what}: {words}", file=str(path), hint=f"ls -ld {path}")
