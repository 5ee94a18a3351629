"""How deeply values nest, without recursion: what is asked may be nested to exhaust who asks."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def depth(value: Any, limit: int) -> int:
    """How deeply containers nest; stops counting past `limit`."""
    deepest, level = 0, [value] if isinstance(value, (dict, list)) else []
    while level and deepest <= limit:
        inner: list[Any] = []
        for container in level:
            # One pass, by the exact type: most of what a parsed document holds is text, and each look at it counts.
            for item in container.values() if type(container) is dict else container:
                kind = type(item)
                if kind is dict or kind is list:
                    inner.append(item)
        deepest, level = deepest + 1, inner
    return deepest
