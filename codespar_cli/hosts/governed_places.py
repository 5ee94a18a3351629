"""Which plugins.toml governed hooks before: one that was there and is gone is no permission.

Without a configuration every call is allowed, and an agent that may write can remove one. So a hook notes the file it went
by, and where that file should be found again and is not, the call is denied. The list is `hooks/governed/places` of
the state directory, one path a line.
"""

from __future__ import annotations

import os

from codespar_cli.hosts.hook_state import hook_directory, replace_file

_DIRECTORY = "governed"
_LIST = "places"
_MOST = 256
_MOST_BYTES = 1 << 20


class GovernedPlaces:
    """Those of one state directory."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self.path = os.path.join(hook_directory(state_dir, _DIRECTORY), _LIST)  # noqa: PTH118
        self._known: list[str] | None = None

    def remember(self, config: str) -> None:
        """Note that this file governs. Raises OSError."""
        known = self._read()
        if config in known or "\n" in config:
            return
        if len(known) >= _MOST:
            known = [path for path in known if os.path.lexists(path)][1 - _MOST :]
        listed = "".join(f"{path}\n" for path in (*known, config))
        replace_file(self._state_dir, self.path, listed.encode("utf-8", "surrogateescape"), _DIRECTORY)
        self._known = None

    def missing(self, start: str | None, users_own: str) -> str | None:
        """A file that governed calls from the directory `start` and is not there any more.

        Only where it would be found again: above `start`, or the user's own in the directory `users_own`.
        """
        for path in self._read():
            directory = os.path.dirname(path)  # noqa: PTH120
            above = start is not None and (start == directory or start.startswith(directory.rstrip("/") + "/"))
            if (above or directory == users_own) and not os.path.lexists(path):
                return path
        return None

    def _read(self) -> list[str]:
        if self._known is None:
            try:
                with open(self.path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
                    self._known = file.read(_MOST_BYTES).splitlines()
            except OSError:
                self._known = []
        return self._known
