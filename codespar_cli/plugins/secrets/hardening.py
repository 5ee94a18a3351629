"""What a process does once it holds keys: no core dump may write them to a disk."""

from __future__ import annotations

import resource


def forbid_core_dumps() -> None:
    """Set the soft limit to 0. The hard limit stays, so that a parent's policy is not changed for good."""
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    except (OSError, ValueError):  # a sandbox may forbid even lowering it; the vault works all the same
        pass
