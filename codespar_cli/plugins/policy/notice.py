"""The seam for telling people that a request for approval waits: asked once for each new request, after it is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from codespar_cli.plugins.policy.approval import Approval

Notify: TypeAlias = Callable[[Approval], None]
"""Must return at once and never raise: an agent waits for its answer."""
