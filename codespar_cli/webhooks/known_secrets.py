"""The secrets that this process has in hand, so that none of them is kept with what somebody's program said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from codespar_cli.core.masking.masker import Masker
from codespar_cli.core.masking.spellings import Spellings, spellings
from codespar_cli.core.references import advice


class KnownSecrets:
    """May be asked from any thread. `others` answers those that somebody else keeps up to date."""

    def __init__(self, others: Callable[[], Collection[str]] = tuple) -> None:
        self._others = others
        self._noted: set[str] = set()
        self._lock = threading.Lock()
        self._spelled: tuple[frozenset[str], Spellings] = (frozenset(), spellings(()))

    def noted(self, value: str) -> str:
        """The value, and from now on it is known."""
        with self._lock:
            self._noted.update(each for each in (value, _password(value)) if each)
        return value

    def noting(self, resolve: Callable[[str], str | None]) -> Callable[[str], str | None]:
        """A resolver whose every answer is known from then on."""
        return _Noting(resolve, self.noted)

    def masker(self) -> Masker:
        """For one stream of output."""
        return Masker(*self._spellings())

    def masked(self, text: str) -> str:
        masker = self.masker()
        data = text.encode("utf-8", "surrogatepass")
        return (masker.feed(data) + masker.finish()).decode("utf-8", "surrogatepass")

    def _spellings(self) -> Spellings:
        with self._lock:
            values = frozenset((*self._noted, *self._others()))
            if self._spelled[0] != values:  # as seldom as a secret is rotated
                self._spelled = (values, spellings(values))
            return self._spelled[1]

    def __repr__(self) -> str:
        return "<KnownSecrets>"


class _Noting:
    def __init__(self, resolve: Callable[[str], str | None], note: Callable[[str], str]) -> None:
        self._resolve = resolve
        self._note = note

    def __call__(self, reference: str) -> str | None:
        value = self._resolve(reference)
        return value if value is None else self._note(value)

    def advice(self, reference: str) -> str:
        return advice(self._resolve, reference)


def _password(value: str) -> str | None:
    """Of a URL such as a database's: a program would tell it without the rest."""
    try:
        return urlsplit(value).password if "://" in value else None
    except ValueError:
        return None
