"""Reading a file that somebody else may have chosen: a pipe must not make us wait, a device not fill our memory."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO, NamedTuple


class RegularFile(NamedTuple):
    """What was in it, and its permission bits."""

    data: bytes
    mode: int


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """For reading; a link is followed. Raises OSError, EINVAL for a pipe, a device, a socket or a directory."""
    return open(path, "rb", opener=_opened)


def read_regular(path: str | os.PathLike[str], most: int) -> RegularFile:
    """All of it. `most` is in bytes. Raises OSError as `open_regular`, and EFBIG where there is more."""
    with open_regular(path) as file:
        data = file.read(most + 1)
        mode = os.fstat(file.fileno()).st_mode
    if len(data) > most:
        raise OSError(errno.EFBIG, f"expected at most {most} bytes", os.fspath(path))
    return RegularFile(data, stat.S_IMODE(mode))


def _opened(path: str, flags: int) -> int:
    # Without O_NONBLOCK opening a pipe waits for a writer; without O_NOCTTY that of a terminal may take it over.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "expected a file, found something else", path)
    return descriptor
