"""A plugins.toml that governed here before and does not any more: what a hook denies for, as every command tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from codespar_cli.errors import ConfigError

if TYPE_CHECKING:
    from codespar_cli.cli.session import Session
    from codespar_cli.hosts.governed_places import GovernedPlaces


def lost_configuration(session: Session) -> ConfigError | None:
    """The error that hooks deny with in this directory, with its hint. Notes nothing. Raises ConfigError."""
    if not is_searched(session):
        return None
    from codespar_cli.startup import governing

    return loss_of(governed_places(session), governing(session.config))


def lost_warning(session: Session) -> str | None:
    """The same in one line, for commands that would say that every call is allowed. Raises ConfigError."""
    lost = lost_configuration(session)
    return None if lost is None else f"warning: hooks deny every call made here: {lost}; {lost.hint}"


def is_searched(session: Session) -> bool:
    """Whether the file is looked for: one that is named is missed by who reads it."""
    return not (session.config_path or session.environ.get("CODESPAR_CONFIG"))


def governed_places(session: Session) -> GovernedPlaces:
    """The list that hooks keep, as it is now."""
    from codespar_cli.core.config import default_state_dir, users_file
    from codespar_cli.hosts.governed_places import GovernedPlaces

    return GovernedPlaces(str(default_state_dir(session.environ)), str(users_file(session.environ).parent))


def loss_of(places: GovernedPlaces, governing: Iterable[str]) -> ConfigError | None:
    """What should speak in the working directory and does not; `governing` are the files that do."""
    from codespar_cli.core.config import working_directory

    here = working_directory()
    start = None if here is None else str(here)
    listed = f"take its line out of {places.path}"
    if (missing := places.missing(start)) is not None:
        return no_permission(missing, "governed the calls made here and is not there any more", listed)
    if (above := places.cut_off(start, governing)) is not None:
        words = "governed calls and is not found from here: a repository that begins in between ends the search"
        return no_permission(above, words, f"name it: --config {above}, or {listed}", back=False)
    return None


def no_permission(path: str, words: str, mend: str, *, back: bool = True) -> ConfigError:
    """`back`: the file is gone, and would do again where it was."""
    return ConfigError(words, file=path, code="config_gone", hint=f"put it back, or {mend}" if back else mend)
