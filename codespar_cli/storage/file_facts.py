"""Whether a file is still the one that was read: by its device, inode, size and both of its times."""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Facts: TypeAlias = "tuple[int, ...] | None"
"""None for a file that is not there. Plain, so that it can be kept."""

# Two writes within one tick of a file system's clock leave the same times: 10 ms at most where it counts nanoseconds,
# 2 s on those that count seconds.
_TICK_NS = 50_000_000
_COARSE_TICK_NS = 2_100_000_000


class Unknown(Exception):
    """Nobody can say what is there: the directory above is closed to us, or the disk is broken."""


def facts_of(path: str) -> Facts:
    """What tells a file from every later one at its path. Raises Unknown."""
    try:
        facts = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise Unknown(path) from error
    return facts.st_dev, facts.st_ino, facts.st_mode, facts.st_uid, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def place_of(path: str) -> Facts:
    """Of a directory: which it is, whose, and who may write it; not what is in it. Raises Unknown."""
    found = facts_of(path)
    return None if found is None else found[:4]


def is_settled(facts: Facts, now_ns: int | None = None) -> bool:
    """Whether a change that comes later must show: not while the file is so young that its clock has not ticked since."""
    if facts is None:
        return True
    changed = facts[-1]  # the kernel's own: nobody can set it
    tick = _TICK_NS if changed % 1_000_000_000 else _COARSE_TICK_NS
    return changed + tick < (time.time_ns() if now_ns is None else now_ns)
