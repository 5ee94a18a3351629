"""What the `metrics drift` and `mcp pins` commands ask of the pins, and what they get.

A pin is the definition of one tool of one MCP server as it was first seen, or as a person approved it later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, get_args

from codespar_cli.core.clock import iso

Grade: TypeAlias = Literal["notation", "docs", "compatible", "breaking", "security"]
GRADES: tuple[Grade, ...] = get_args(Grade)
"""From the least to the most serious."""

LONGEST_SIDE = 16_384
"""Characters of JSON that one side of a change is shown with."""

_SHOWN = 400

PinStatus: TypeAlias = Literal["pinned", "approved", "changed", "added", "removed"]


class DriftChange(NamedTuple):
    """One difference between a pinned definition and the one that was seen.

    `field` is a path into the definition (`inputSchema.properties.path.type`), or `tool` for a tool that came, went or
    has another name. `before` and `after` are the two sides, as JSON values; None where a side has nothing.
    """

    server: str
    tool: str
    grade: Grade
    field: str
    before: Any
    after: Any

    def document(self) -> dict[str, Any]:
        """The JSON object. Of a very long side only the beginning: `{"abridged", "characters"}`."""
        return {**self._asdict(), "before": _bounded(self.before), "after": _bounded(self.after)}


def _bounded(side: Any) -> Any:
    text = json.dumps(side)
    return {"abridged": text[:_SHOWN], "characters": len(text)} if len(text) > LONGEST_SIDE else side


def at_least(grade: Grade, limit: Grade) -> bool:
    """Whether a grade is as serious as `limit`."""
    return GRADES.index(grade) >= GRADES.index(limit)


class ToolPin(NamedTuple):
    """What is kept of one tool. `seen` is None when the server no longer lists it; times are aware UTC.

    `fingerprint`, `meaning` and `fields` are SHA-256, in hex: of the whole pinned definition, of what it means, and of
    each of its fields. `revision` counts the definitions that were pinned under this name.
    """

    server: str
    tool: str
    status: PinStatus
    revision: int
    first_seen: datetime
    pinned_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    version: str | None
    fingerprint: str
    meaning: str
    fields: Mapping[str, str]
    pinned: Mapping[str, Any]
    seen: Mapping[str, Any] | None

    def summary(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "tool": self.tool,
            "status": self.status,
            "revision": self.revision,
            "first_seen": iso(self.first_seen),
            "pinned_at": iso(self.pinned_at),
            "approved_by": self.approved_by,
            "approved_at": iso(self.approved_at) if self.approved_at else None,
            "version": self.version,
            "sha256": self.fingerprint,
        }

    def document(self) -> dict[str, Any]:
        more = {"semantic_sha256": self.meaning, "fields": dict(self.fields), "pinned": self.pinned, "seen": self.seen}
        return {**self.summary(), **more}


class Review(NamedTuple):
    """What a person looks at before approving: the changes, and which list of tools they were found in."""

    server: str
    tool: str | None
    changes: Sequence[DriftChange]
    seen: str


class ToolPins(Protocol):
    """The pins of every server. A store that does not exist yet is an empty one.

    Every method raises StoreError when the store cannot be used and StoreCorrupt when it is damaged: then nothing is
    known to be as it was, and nothing is pinned or approved.
    """

    def see(
        self, server: str, tools: Any, now: datetime, *, version: str | None = None, source: str | None = None
    ) -> list[DriftChange]:
        """Compare what a server lists with its pins; pin what is seen for the first time.

        `tools` is a `tools/list` result or its list of tools, whole: all pages. `version` is the server's own, `source`
        the file that an error is about.

        Raises:
            UsageError: that is no list of tools, or one that cannot be told apart or fingerprinted.
        """
        ...

    def drift(self, server: str | None = None) -> list[DriftChange]:
        """Compare what was last seen with what is pinned. Raises NotFoundError for a server never seen."""
        ...

    def pins(self, server: str | None = None, tool: str | None = None) -> list[ToolPin]:
        """Raises NotFoundError for a server or tool never seen."""
        ...

    def review(self, server: str, tool: str | None = None) -> Review:
        """Raises NotFoundError."""
        ...

    def approve(self, review: Review, by: str, now: datetime) -> list[str]:
        """Pin what was reviewed, and answer which tools. Raises WriteConflict when the server lists others by now."""
        ...

    def reset(self, server: str) -> int:
        """Forget a server, and answer how many tools. Raises NotFoundError."""
        ...
