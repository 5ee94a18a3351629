"""Who calls what, as Cedar's entities: those of the entities file, and the agent and the tool of one call among them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

# How many pairs of agent and tool of the entities file keep their own copy of the rest of it.
_COPIES = 64

Uid = tuple[str, str]


class Entities:
    """Built once from the file, asked for every call. What the file says of an agent beats what a call says of it."""

    def __init__(self, handle: Any, cedarpy: Any) -> None:
        self._cedarpy = cedarpy
        self._base = handle
        self._known = {_uid(entity["uid"]): entity for entity in json.loads(str(handle))}
        self._without: dict[frozenset[Uid], Any] = {}

    def of_call(self, agent: str, attributes: Mapping[str, Any], tools: Iterable[str], canonical: str) -> Any:
        """Raises ValueError when they contradict the file."""
        entities = [self._joined(("Agent", agent), attributes, [])]
        for tool in dict.fromkeys((*tools, canonical)):
            parents = [("ToolGroup", group) for group in _groups(tool)]
            if tool != canonical:
                parents.append(("Tool", canonical))
            entities.append(self._joined(("Tool", tool), {}, parents))
        named = frozenset(_uid(entity["uid"]) for entity in entities) & self._known.keys()
        base = self._rest(frozenset(named)) if named else self._base
        return base.with_added_json_str(json.dumps(entities))

    def _joined(self, uid: Uid, attributes: Mapping[str, Any], parents: list[Uid]) -> dict[str, Any]:
        known = self._known.get(uid, {})
        return {
            **known,
            "uid": _spelled(uid),
            "attrs": {**attributes, **known.get("attrs", {})},
            "parents": [*known.get("parents", []), *(_spelled(parent) for parent in parents)],
        }

    def _rest(self, named: frozenset[Uid]) -> Any:
        rest = self._without.get(named)
        if rest is None:
            others = [entity for uid, entity in self._known.items() if uid not in named]
            rest = self._cedarpy.Entities.from_json_str(json.dumps(others))
            if len(self._without) >= _COPIES:
                self._without.clear()
            self._without[named] = rest
        return rest


def _groups(tool: str) -> list[str]:
    """`a` and `a/b` for `a/b/c`."""
    return [tool[:at] for at, character in enumerate(tool) if character == "/" and at]


def _uid(uid: Mapping[str, Any]) -> Uid:
    plain = uid.get("__entity", uid)
    return plain["type"], plain["id"]


def _spelled(uid: Uid) -> dict[str, str]:
    return {"type": uid[0], "id": uid[1]}
