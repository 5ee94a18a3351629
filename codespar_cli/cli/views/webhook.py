"""What a replay came to, as rows for people and as values for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codespar_cli.webhooks.replay import Outcome

HEADERS = ("source", "provider", "event", "severity", "title")


def replay_json(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One object per payload; what is not known is null."""
    return [
        {
            "source": outcome.source,
            "provider": outcome.provider,
            "event_type": outcome.event and outcome.event.event_type,
            "severity": outcome.event and outcome.event.severity,
            "title": outcome.event and outcome.event.title,
            "detail": outcome.event and outcome.event.detail,
            "url": outcome.event and outcome.event.url,
            "delivery_id": outcome.delivery_id,
            "handled": outcome.status == "handled",
            "error": outcome.error,
        }
        for outcome in outcomes
    ]


def replay_rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A handled payload shows its event, any other the reason why there is none."""
    rows: list[tuple[str, ...]] = []
    for outcome in outcomes:
        event = outcome.event
        said = ("-", "-", outcome.error or "no integration takes it")
        if event is not None:
            said = (event.event_type, event.severity, event.title)
        rows.append((outcome.source, outcome.provider or "-", *said))
    return rows


def replay_summary(outcomes: Sequence[Outcome]) -> str:
    """`3 payloads: 2 handled, 1 ignored`."""
    count = Counter(outcome.status for outcome in outcomes)
    parts = ", ".join(
        f"{number} {status.replace('_', ' ')}" for status, number in sorted(count.items(), key=_handled_first)
    )
    noun = "payload" if len(outcomes) == 1 else "payloads"
    return f"{len(outcomes)} {noun}: {parts}" if parts else f"{len(outcomes)} {noun}"


def _handled_first(item: tuple[str, int]) -> tuple[bool, str]:
    return item[0] != "handled", item[0]
