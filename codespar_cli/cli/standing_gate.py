"""The gate of a process that goes on: always that of the files as they are, and never none where there was one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from codespar_cli.cli.live_gate import LiveGate
from codespar_cli.cli.session import Session
from codespar_cli.errors import ConfigError

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate
    from codespar_cli.hosts.governed_places import GovernedPlaces


def standing_gate(session: Session, live: LiveGate | None = None) -> Callable[[], Gate]:
    """What answers it. The answer raises ConfigError while there is none: a change that cannot be used, a file that is gone.

    Without a configuration every call is allowed, and who removes one, or has the search for it end before, must not get
    that: what governed at any time since the start, or any hook of this user here, has to be there and to be found. The
    start is now, or with a `live` gate when that is asked first.
    """
    governed: dict[str, None] = {}
    if live is None:
        from codespar_cli.startup import governing

        governed.update(dict.fromkeys(governing(session.config)))
        live = LiveGate(session.anew)
    is_searched = not (session.config_path or session.environ.get("CODESPAR_CONFIG"))
    checked: Gate | None = None

    def gate() -> Gate:
        nonlocal checked
        found = live.gate()
        if found is not checked:  # which it is not once a file of the configuration is another, or gone
            for path in tuple(governed):
                if not os.path.isfile(path):  # noqa: PTH113
                    raise _no_permission(
                        path, "governed calls since this process was started, and is not there any more"
                    )
            if is_searched:
                _check_found(_places(session, governed), found.governing)
            governed.update(dict.fromkeys(found.governing))
            checked = found
        return found

    return gate


def _places(session: Session, governed: Iterable[str]) -> GovernedPlaces:
    """The list that hooks keep, as it is now, with these in it."""
    from codespar_cli.core.config import default_state_dir, users_file
    from codespar_cli.hosts.governed_places import GovernedPlaces

    places = GovernedPlaces(str(default_state_dir(session.environ)), str(users_file(session.environ).parent))
    _remember(places, governed)
    return places


def _check_found(places: GovernedPlaces, governing: tuple[str, ...]) -> None:
    """Raises ConfigError."""
    from codespar_cli.core.config import working_directory

    here = working_directory()
    start = None if here is None else str(here)
    listed = f"take its line out of {places.path}"
    if (missing := places.missing(start)) is not None:
        raise _no_permission(missing, "governed the calls made here and is not there any more", listed)
    if (above := places.cut_off(start, governing)) is not None:
        words = "governed calls and is not found from here: a repository that begins in between ends the search"
        raise _no_permission(above, words, f"name it: --config {above}, or {listed}", back=False)
    _remember(places, governing)


def _remember(places: GovernedPlaces, paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(OSError):  # then only this server notices its loss
            places.remember(path)


def _no_permission(path: str, words: str, mend: str = "", *, back: bool = True) -> ConfigError:
    hint = ", or ".join(filter(None, ("put it back" if back else "", mend or "start it again")))
    return ConfigError(words, file=path, code="config_gone", hint=hint)
