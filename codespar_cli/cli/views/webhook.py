"""What a replay came to, as rows for people and as values for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from codespar_cli.cli.io import Terminal
from codespar_cli.cli.progress import ProgressLine
from codespar_cli.core.text import clean_line

if TYPE_CHECKING:
    from codespar_cli.webhooks.outcome import Outcome, Tally

HEADERS = ("source", "provider", "event", "severity", "title")
_AT_ONCE = 1000
"""Rows of one drawn table: no more are ever held."""


class Asked(NamedTuple):
    """What was asked of the replay, and so has something to be shown of."""

    diff: bool = False
    to: bool = False
    dispatch: bool = False
    dry: bool = False


def show(terminal: Terminal, outcomes: Iterable[Outcome], asked: Asked, *, as_json: bool) -> None:
    """Each outcome as it comes; a table for every thousand."""
    if as_json:
        terminal.json_items(replay_object(outcome, asked) for outcome in outcomes)
        return
    waiting, done = iter(outcomes), 0
    while True:
        rows: list[tuple[str, ...]] = []
        taken = 0
        with ProgressLine(terminal, "replayed") as progress:
            for outcome in islice(waiting, _AT_ONCE):
                rows += replay_rows(outcome, asked)
                taken += 1
                progress(done + taken)
        done += taken
        terminal.table(HEADERS, rows)
        if taken < _AT_ONCE:
            return


def replay_object(outcome: Outcome, asked: Asked) -> dict[str, Any]:
    """What is not known is null. Keys that belong to an option are there when it was asked for."""
    event = outcome.event
    found: dict[str, Any] = {
        "source": outcome.source,
        "provider": outcome.provider,
        "event_type": event and event.event_type,
        "severity": event and event.severity,
        "title": event and event.title,
        "detail": event and event.detail,
        "url": event and event.url,
        "delivery_id": outcome.delivery_id,
        "handled": outcome.status == "handled",
        "error": outcome.error,
    }
    if asked.diff:
        changed = outcome.changed
        found["changed"] = None if changed is None else {name: each._asdict() for name, each in changed.items()}
    if asked.to:
        found["answered"] = outcome.answered
    if asked.dispatch:
        found["routes"] = None if outcome.routes is None else list(outcome.routes)
    return found


def replay_rows(outcome: Outcome, asked: Asked) -> Iterator[tuple[str, ...]]:
    """A handled payload shows its event, any other the reason why there is none; then a row for each field that would
    change."""
    event = outcome.event
    said = ("-", "-", outcome.error or _instead(outcome))
    if event is not None:
        more = _came_of_it(outcome)
        said = (event.event_type, event.severity, f"{event.title} ({more})" if more else event.title)
    yield (outcome.source, outcome.provider or "-", *said)
    for name, change in (outcome.changed or {}).items():
        yield (outcome.source, "", "would change", name, f"{_short(change.was)} -> {_short(change.would_be)}")


def _instead(outcome: Outcome) -> str:
    if outcome.status == "would_replay":
        return "would be replayed"
    more = _came_of_it(outcome)
    return "no integration takes it" + (f" ({more})" if more else "")


def _came_of_it(outcome: Outcome) -> str:
    if outcome.error is not None:
        return outcome.error
    if outcome.answered is not None:
        return f"answered {outcome.answered}"
    if outcome.routes is not None:
        return f"again for {', '.join(outcome.routes)}" if outcome.routes else "no route wants it"
    return ""


def _short(value: Any) -> str:
    return "nothing" if value is None else clean_line(str(value), 60)


def replay_summary(tally: Tally, asked: Asked) -> str:
    """`3 payloads: 2 handled, 1 ignored`."""
    from codespar_cli.webhooks.outcome import payloads

    parts = [
        f"{number} {status.replace('_', ' ')}"
        for status, number in sorted(tally.count.items(), key=lambda item: (item[0] != "handled", item[0]))
    ]
    if asked.diff:
        parts.append(f"{tally.changed} would change")
    if asked.to and not asked.dry:
        parts.append(f"{tally.taken} taken by the target")
    if asked.dispatch and not asked.dry:
        parts.append(f"{tally.dispatched} dispatched again")
    return f"{payloads(tally.total)}: {', '.join(parts)}" if parts else payloads(tally.total)
