"""`$ref` within one document: `#`, JSON pointers, anchors, and the `$id`s of schemas embedded in it. Nothing is fetched."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

MAX_SCHEMAS = 200_000
_SHOWN = 80


class NotResolved(ValueError):
    """Why a reference leads nowhere."""


class References:
    """Of one root schema. The document is walked once, when the first reference that is no pointer is met."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._found: dict[str, Any] = {}
        self._named: dict[str, Any] | None = None

    def resolve(self, reference: str) -> Any:
        """Raises NotResolved."""
        if reference not in self._found:
            self._found[reference] = self._look_up(reference)
        return self._found[reference]

    def _look_up(self, reference: str) -> Any:
        address, _, fragment = reference.partition("#")
        root = self._root
        if address:
            embedded = self._names().get(address)
            if embedded is None:
                raise NotResolved(f"a remote `$ref`, which is never fetched: `{reference[:_SHOWN]}`")
            root = embedded
        fragment = unquote(fragment)
        if not fragment:
            return root
        if fragment.startswith("/"):
            return _at(root, fragment, reference)
        anchored = self._names().get(f"#{fragment}")
        if anchored is None:
            raise NotResolved(f"a `$ref` that leads nowhere: `{reference[:_SHOWN]}`")
        return anchored

    def _names(self) -> dict[str, Any]:
        if self._named is None:
            self._named = {}
            waiting, seen = [self._root], 0
            while waiting and seen < MAX_SCHEMAS:
                schema = waiting.pop()
                seen += 1
                if isinstance(schema, dict):
                    self._name(schema, self._named)
                    waiting.extend(item for item in schema.values() if isinstance(item, dict | list))
                elif isinstance(schema, list):
                    waiting.extend(item for item in schema if isinstance(item, dict | list))
        return self._named

    def _name(self, schema: dict[str, Any], named: dict[str, Any]) -> None:
        for key in ("$anchor", "$dynamicAnchor"):
            if isinstance(schema.get(key), str):
                named.setdefault(f"#{schema[key]}", schema)
        for key in ("$id", "id"):
            address = schema.get(key)
            if isinstance(address, str) and address:
                named.setdefault(address if address.startswith("#") else address.rstrip("#"), schema)
                named.setdefault(address.rstrip("#").rsplit("/", 1)[-1], schema)


def _at(root: Any, fragment: str, reference: str) -> Any:
    value = root
    for part in fragment[1:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and key.isascii() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            raise NotResolved(f"a `$ref` that leads nowhere: `{reference[:_SHOWN]}`")
    return value
