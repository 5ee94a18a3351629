"""What KV version 2 says of a secret's versions, as callers see them, and how a note and a due date are kept there.

The engine keeps free words for a secret (`custom_metadata`), none for a version. So ours name the version that they
are about, and say nothing of any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from codespar_cli.core.administration.secrets import SecretFacts, SecretState
from codespar_cli.errors import UsageError

MAX_NOTE_BYTES = 512  # the engine's own bound for a word
_VERSION, _NOTE, _EXPIRES = "codespar_version", "codespar_note", "codespar_expires_at"


class Versions(NamedTuple):
    """`numbers` are those the engine still knows, oldest first; it forgets the oldest of more than it may keep."""

    tenant: str
    key: str
    now: datetime
    metadata: Mapping[str, Any]

    @property
    def latest(self) -> int:
        number = self.metadata.get("current_version")
        return number if isinstance(number, int) else 0

    @property
    def numbers(self) -> list[int]:
        return sorted(int(number) for number in self._rows if number.isascii() and number.isdecimal())

    def in_state(self, *states: SecretState) -> list[int]:
        return [number for number in self.numbers if self.state(number) in states]

    def state(self, number: int) -> SecretState:
        row = self._row(number)
        deleted_at = moment(row.get("deletion_time"))
        if row.get("destroyed") is True:
            return "destroyed"
        if deleted_at is not None and deleted_at <= self.now:
            return "deleted"
        if number != self.latest:
            return "previous"
        expires_at = moment(self._words(number).get(_EXPIRES))
        return "expired" if expires_at is not None and expires_at <= self.now else "current"

    def facts(self, number: int, advice: str | None = None) -> SecretFacts:
        row, words, state = self._row(number), self._words(number), self.state(number)
        ends_at = moment(row.get("deletion_time")) if state not in {"deleted", "destroyed"} else None
        return SecretFacts(
            key=self.key,
            tenant=self.tenant,
            version=number,
            state=state,
            fingerprint=None,
            created_at=moment(row.get("created_time")),
            expires_at=moment(words.get(_EXPIRES)),
            retires_at=ends_at,
            note=words.get(_NOTE),
            advice=advice,
        )

    @property
    def _rows(self) -> Mapping[str, Any]:
        rows = self.metadata.get("versions")
        return rows if isinstance(rows, Mapping) else {}

    def _row(self, number: int) -> Mapping[str, Any]:
        row = self._rows.get(str(number))
        return row if isinstance(row, Mapping) else {}

    def _words(self, number: int) -> Mapping[str, str]:
        words = self.metadata.get("custom_metadata")
        if not isinstance(words, Mapping) or words.get(_VERSION) != str(number):
            return {}
        return {name: text for name, text in words.items() if isinstance(text, str)}


def words_for(number: int, note: str | None, expires_at: datetime | None) -> dict[str, str | None]:
    """The change to a secret's free words that says this of one version; None takes a word away."""
    due = None if expires_at is None else expires_at.astimezone(UTC).isoformat()
    return {_VERSION: str(number), _NOTE: note, _EXPIRES: due}


def require_short(note: str | None) -> None:
    """Raises UsageError for a note that the engine would not take."""
    size = 0 if note is None else len(note.encode(errors="replace"))
    if size > MAX_NOTE_BYTES:
        raise UsageError(f"the note is {size} bytes long, at most {MAX_NOTE_BYTES} are possible in this backend")


def moment(text: object) -> datetime | None:
    """A time as the server writes it; None when there is none, or it is no time."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
