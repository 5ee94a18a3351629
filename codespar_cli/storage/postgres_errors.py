"""What goes wrong with a PostgreSQL server, in our words: never with a password, nor with the values of a statement."""

from __future__ import annotations

import psycopg
from psycopg.conninfo import conninfo_to_dict

from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError, StoreBusy, StoreCorrupt, StoreError, StoreUnreachable

_LONGEST = 200
# Classes of SQLSTATE, PostgreSQL's documentation, appendix A.
_BUSY = ("55P03", "40001", "40P01", "57014")
_AWAY = ("08", "57P", "25P0", "53300", "58")
# No such row, column or table, a value of another type: the schema is not what we made.
_DAMAGED = ("21", "22", "23", "42703", "42704", "42804", "42883", "42P01", "42P10", "3F000", "XX001", "XX002")


class TooLate(Exception):
    """The server did not answer in time."""


def is_away(error: BaseException) -> bool:
    """Whether the server, or the session on it, is gone."""
    if not isinstance(error, psycopg.Error):
        return False
    state = error.sqlstate or ""
    return state.startswith(_AWAY) or (not state and isinstance(error, psycopg.OperationalError))


class Place:
    """A server as messages name it, and what they must not hold."""

    def __init__(self, url: str) -> None:
        facts = conninfo_to_dict(url)
        host, port = facts.get("host") or facts.get("hostaddr") or "", facts.get("port")
        self.name = (
            f"postgresql://{visible(str(host))}{f':{port}' if port else ''}/{visible(str(facts.get('dbname') or ''))}"
        )
        self._secret = [str(facts[name]) for name in ("password", "sslpassword") if facts.get(name)]

    def in_our_words(self, error: BaseException) -> CodesparError | None:
        """The error to raise for one of the driver; None for any other, ours included."""
        if isinstance(error, TooLate):
            return StoreUnreachable("the server does not answer", file=self.name, hint="codespar doctor")
        if isinstance(error, UnicodeError):
            return StoreError("a text cannot be stored: it is not valid unicode", file=self.name)
        if not isinstance(error, psycopg.Error):
            return None
        state = error.sqlstate or ""
        if state in _BUSY:
            return StoreBusy("another session held the store", file=self.name, hint="look at pg_stat_activity")
        if state.startswith(_DAMAGED):
            return self.damaged(self._words(error))
        if is_away(error):
            return StoreUnreachable(self._words(error), file=self.name, hint="codespar doctor")
        return StoreError(self._words(error), file=self.name, hint="codespar doctor")

    def damaged(self, finding: str) -> StoreCorrupt:
        return StoreCorrupt(
            f"the store is damaged: {finding}",
            file=self.name,
            hint="keep the database, restore a backup; codespar never replaces a damaged store",
        )

    def within_a_fork(self) -> StoreError:
        return StoreError("this process was forked within a transaction on the store", file=self.name)

    def _words(self, error: psycopg.Error) -> str:
        # The first line alone: what follows repeats statements and their values.
        primary = error.diag.message_primary
        text = (primary or str(error)).strip().partition("\n")[0]
        for secret in self._secret:
            text = text.replace(secret, "***")
        return visible(text[:_LONGEST]).rstrip(".").lower() or "the connection was lost"
