"""What `policy diff` shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codespar_cli.core.administration.policy_diff import PolicyChange

CHANGES = ("rule", "change", "field", "from", "to", "means", "counters")
_WORDS = {
    "loosens": ("loosens", "loosen"),
    "tightens": ("tightens", "tighten"),
    "changes": ("may go either way", "may go either way"),
}


def change_json(change: PolicyChange) -> dict[str, Any]:
    return {
        "rule_id": change.rule_id,
        "change": change.change,
        "field": change.field,
        "from": change.before,
        "to": change.after,
        "direction": change.direction,
        "counters_restart": change.restarts,
        "line": change.line,
    }


def change_rows(changes: Iterable[PolicyChange]) -> list[tuple[str, ...]]:
    return [
        (
            change.rule_id or "(file)",
            change.change,
            change.field or "",
            _cell(change.before, change.after),
            _cell(change.after, change.before),
            change.direction,
            "start anew" if change.restarts else "",
        )
        for change in changes
    ]


def _cell(text: str | None, other: str | None) -> str:
    """A value; of two lists only what the other has not."""
    if text is None:
        return "-"
    if other is None or not (_is_list(text) and _is_list(other)):
        return text
    known = set(other[1:-1].split(", "))
    own = [item for item in text[1:-1].split(", ") if item not in known]
    return f"[{', '.join(['…', *own])}]" if len(own) < len(text.split(", ")) else text


def _is_list(text: str) -> bool:
    return text.startswith("[") and text.endswith("]")


def summary_lines(changes: Sequence[PolicyChange]) -> Iterator[tuple[str, str]]:
    """Lines and their styles."""
    counted = {word: sum(change.direction == word for change in changes) for word in _WORDS}
    parts = [f"{count} {_WORDS[word][count > 1]}" for word, count in counted.items() if count]
    total = f"{len(changes)} difference{'' if len(changes) == 1 else 's'}"
    yield f"{total}: {', '.join(parts)}", ""
    restarted = [change.rule_id or "every budget" for change in changes if change.restarts]
    if restarted:
        named = ", ".join(dict.fromkeys(restarted))
        yield f"counters start anew, what was spent or called so far no longer counts: {named}", "yellow"
