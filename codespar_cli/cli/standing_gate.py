"""The gate of a process that goes on: always that of the files as they are, and never none where there was one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from codespar_cli.cli.live_gate import LiveGate
from codespar_cli.cli.lost_configuration import governed_places, is_searched, loss_of, no_permission
from codespar_cli.cli.session import Session
from codespar_cli.errors import CodesparError

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
    searched = is_searched(session)
    checked: Gate | None = None

    def gate() -> Gate:
        nonlocal checked
        try:
            found = live.gate()
        except CodesparError:
            _check_there(governed)
            raise
        if found is not checked:  # which it is not once a file of the configuration is another, or gone
            _check_there(governed)
            if searched:
                _check_found(_places(session, governed), found.governing)
            governed.update(dict.fromkeys(found.governing))
            checked = found
        return found

    return gate


def _check_there(governed: Iterable[str]) -> None:
    """Raises ConfigError."""
    for path in tuple(governed):
        if not os.path.isfile(path):  # noqa: PTH113
            words = "governed calls since this process was started, and is not there any more"
            raise no_permission(path, words, "start it again")


def _places(session: Session, governed: Iterable[str]) -> GovernedPlaces:
    """The list that hooks keep, as it is now, with these in it."""
    places = governed_places(session)
    _remember(places, governed)
    return places


def _check_found(places: GovernedPlaces, governing: tuple[str, ...]) -> None:
    """Raises ConfigError."""
    if (lost := loss_of(places, governing)) is not None:
        raise lost
    _remember(places, governing)


def _remember(places: GovernedPlaces, paths: Iterable[str]) -> None:
    for path in paths:
        with suppress(OSError):  # then only this server notices its loss
            places.remember(path)
