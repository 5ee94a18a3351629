"""What a process does before it holds a secret: no core dump may write it to a disk."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

_before: list[int] = []


def forbid_core_dumps() -> None:
    """Set the soft limit to 0. The hard limit stays, so that a parent's policy is not changed for good."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    except (OSError, ValueError):  # a sandbox may forbid even lowering it; everything works all the same
        return
    if not _before:
        _before.append(soft)


@contextmanager
def limit_given_back() -> Iterator[None]:
    """The soft limit as it was found, for another program to inherit; forbidden again afterwards."""
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        if _before:
            resource.setrlimit(resource.RLIMIT_CORE, (_before[0], hard))
    except (OSError, ValueError):
        pass
    try:
        yield
    finally:
        if _before:
            forbid_core_dumps()
