"""Which plugins.toml governed hooks before: one that was there and does not speak any more is no permission.

Without a configuration every call is allowed, and an agent that may write can remove one, put something else in its place,
or begin a repository below it, where the search upwards ends. So a hook notes the files it went by, and where one of them
should speak again and does not, the call is denied. The list is `hooks/governed/places` of the state directory: one path a
line, and `own ` before the user's.
"""

from __future__ import annotations

import os

from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.hosts.hook_state import hook_directory, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIRECTORY = "governed"
_LIST = "places"
_MOST = 256
_MOST_BYTES = 1 << 20
_OWN = "own "


class GovernedPlaces:
    """Those of one state directory. `users_own` is the directory of the user's own plugins.toml, as it is said now."""

    def __init__(self, state_dir: str, users_own: str) -> None:
        self._state_dir = state_dir
        self._users_own = os.path.abspath(users_own)  # noqa: PTH100  pathlib is not needed otherwise
        self.path = os.path.join(hook_directory(state_dir, _DIRECTORY), _LIST)  # noqa: PTH118
        self._known: list[str] | None = None

    def remember(self, config: str) -> None:
        """Note that this file governs. Raises OSError; known here it is all the same."""
        line = f"{_OWN}{config}" if self._is_users(config) else config
        known = self._read()
        if line in known or "\n" in config:
            return
        if len(known) >= _MOST:
            known = [one for one in known if os.path.lexists(one.removeprefix(_OWN))][1 - _MOST :]
        self._known = [*known, line]
        listed = "".join(f"{one}\n" for one in self._known)
        replace_file(self._state_dir, self.path, listed.encode("utf-8", "surrogateescape"), _DIRECTORY)

    def missing(self, start: str | None) -> str | None:
        """A file that governed calls from the directory `start` and is no file any more, or not where the user's is.

        The user's own is missed everywhere, also where the environment now names another place for it; a project's from
        its own directory on downwards.
        """
        for line in self._read():
            path = line.removeprefix(_OWN)
            if path != line:
                if not (self._is_users(path) and os.path.isfile(path)):  # noqa: PTH113
                    return path
            elif start is not None and _is_below(start, _directory(path)) and not os.path.isfile(path):  # noqa: PTH113
                return path
        return None

    def cut_off(self, start: str | None, governing: Iterable[str]) -> str | None:
        """A project's file above `start` that governed, where no project's speaks now: nearer ones may, none may not.

        `governing` are the files that were found from `start`.
        """
        if start is None:
            return None
        speaking = [directory for directory in map(_directory, governing) if _is_below(start, directory)]
        for path in self._read():
            directory = _directory(path)
            if path.startswith(_OWN) or not _is_below(start, directory):
                continue
            if not any(_is_below(nearer, directory) for nearer in speaking):
                return path
        return None

    def _is_users(self, config: str) -> bool:
        return os.path.normpath(_directory(config)) == self._users_own

    def _read(self) -> list[str]:
        if self._known is None:
            try:
                with open(self.path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
                    self._known = file.read(_MOST_BYTES).splitlines()
            except OSError:
                self._known = []
        return self._known


def _directory(path: str) -> str:
    return os.path.dirname(path)  # noqa: PTH120


def _is_below(place: str, directory: str) -> bool:
    return place == directory or place.startswith(directory.rstrip("/") + "/")
