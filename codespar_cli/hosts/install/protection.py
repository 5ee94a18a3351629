"""How much of the governance the governed agent could undo: it runs as the same user.

L0  same user     what codespar reads and the hooks themselves can be written by this user: an edit is detected, not prevented
L1  root's rules  an administrator's plugins.toml that this user cannot write bounds every call; the hooks can be taken out
L2  sandbox       neither rules, state nor hooks can be written from here
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.layers import ADMINISTRATORS_FILE


class Protection(NamedTuple):
    level: str
    message: str


def protection(
    config: Path | None, state_dir: Path, settings: Iterable[Path], admin: Path = ADMINISTRATORS_FILE
) -> Protection:
    """As this process sees it, which is how an agent beside it sees it."""
    ours = [path for path in (config, state_dir, *settings) if path is not None]
    if ours and not any(map(can_change, ours)):
        return Protection("L2", "sandbox: neither rules, state nor hooks can be changed from here")
    if admin.is_file() and not can_change(admin):
        return Protection(
            "L1", f"{admin} is the administrator's and bounds every call; the hooks can still be taken out"
        )
    return Protection("L0", "same user: an agent can change rules, state and hooks; that is detected, not prevented")


def can_change(path: Path) -> bool:
    """Whether this process could replace what is at `path`, through any directory above."""
    target = Path(os.path.realpath(path))
    return any(os.access(one, os.W_OK) for one in (target, *target.parents))
