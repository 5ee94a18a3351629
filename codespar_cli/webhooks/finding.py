"""What the doctor of signatures says: a cause, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """`cause` is stable, for programs. `message` and `fix` are a line each; neither holds a secret or a signature."""

    cause: str
    message: str
    fix: str
