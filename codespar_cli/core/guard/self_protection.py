"""No agent changes what governs it: the rules that no policy can take away.

    file tools   writing to codespar's own files, the hosts' hook settings, this package, a shell's start-up files: denied,
                 however the path is spelled (`..`, links, case, `~`, `$HOME`, another name of the same file)
    shells       a command that names such a path, or that speaks with its user's voice (`codespar trust`): denied

What a shell will do cannot be told from its text. The second is a tripwire, and no wall: docs/threat-model.md.
"""

from __future__ import annotations

import os
from time import monotonic

from codespar_cli.core.calls import PolicyDecision, ToolCall
from codespar_cli.core.guard.argument_paths import (
    Named,
    TooMuch,
    is_plain,
    is_prose,
    is_text,
    landing_of,
    leaves_of,
    manner_of,
    may_join,
    paths_of,
    quoted,
    sources_of,
    starts_of,
)
from codespar_cli.core.guard.protected_places import ProtectedPlaces
from codespar_cli.core.light_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from codespar_cli.core.guard.argument_paths import Manner

CODE = "self_protection"
RULE = "codespar-self-protection"
STAGE = "protection"

_LONGEST_TEXT = 1 << 22
_KEPT_S = 1.0
_MOST_PATHS = 1 << 16
_JSON_STARTS = frozenset("{[ \t\r\n")
_PATCH_KEYS = {"patch", "diff"}


class SelfProtection:
    """Callable with a call: the refusal, or None. `files` and `directories` are those beside what is always protected."""

    def __init__(
        self,
        files: Iterable[str] = (),
        directories: Iterable[str] = (),
        *,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._files = tuple(files)
        self._directories = tuple(directories)
        self._environ = environ
        self._kept: tuple[float, ProtectedPlaces] | None = None

    def __call__(self, call: ToolCall) -> PolicyDecision | None:
        try:
            found = self._found(call)
        except TooMuch as error:
            found = f"the call is too much to be looked at: {error}"
        except Exception as error:  # a call that cannot be looked at is none that may pass
            found = f"the call cannot be looked at: {type(error).__name__}"
        if found is None:
            return None
        return PolicyDecision(allowed=False, reason=found, code=CODE, rule_id=RULE, stage=STAGE, never=True)

    def _found(self, call: ToolCall) -> str | None:
        args = call.context.args
        if not args or not isinstance(call.tool_name, str):
            return None
        began = monotonic()
        cwd = call.context.attributes.get("cwd")
        places = self._places(cwd if isinstance(cwd, str) and os.path.isabs(cwd) else os.getcwd())  # noqa: PTH109, PTH117
        found = self._named(places, call.tool_name, args)
        if self._kept is None and places.is_known:
            self._kept = began, places
        return found

    def _places(self, cwd: str) -> ProtectedPlaces:
        """Seen from there. Where links lead is known for a while: whoever turns one could have written before."""
        kept = self._kept
        if kept is not None:
            since, places = kept
            if places.cwd == cwd and monotonic() - since < _KEPT_S:
                return places.again()
            self._kept = None
        return ProtectedPlaces(self._files, self._directories, cwd=cwd, environ=self._environ)

    def _named(self, places: ProtectedPlaces, tool: str, args: Mapping[str, Any]) -> str | None:
        leaves = leaves_of(args)
        if any(text[:1] in _JSON_STARTS and key and not is_prose(key) for key, text in leaves):
            from codespar_cli.core.guard.argument_json import opened

            args = opened(args)
            leaves = leaves_of(args)
        manner = manner_of(tool, leaves)
        texts = [leaf for leaf in leaves if is_text(leaf[0])]
        starts = _elsewhere(leaves, places) if texts else []
        for key, text in texts:
            if (found := _in_text(key, text, manner, places, starts)) is not None:
                return f"{_shortened(found)} is not an agent's to change"
        filled = _fills(manner, leaves, places)
        for named in _all_of(args, leaves, manner):
            found = places.protecting(
                named.text, anywhere=named.anywhere, whole=named.goes, filled=named.fills and filled
            )
            if found is not None:
                return f"{_shortened(found)} is not an agent's to change"
        return None


def _elsewhere(leaves: list[tuple[str, str]], places: ProtectedPlaces) -> list[str]:
    """Where a command or a patch may start, beside the working directory; absolute."""
    paths = dict.fromkeys(map(os.path.normpath, filter(None, map(places.at, starts_of(leaves)))))
    return [path for path in paths if path != places.cwd]


def _in_text(key: str, text: str, manner: Manner, places: ProtectedPlaces, starts: list[str]) -> str | None:
    # Only a tool that applies patches reads one: a shell runs what looks like one.
    if manner.patches or key in _PATCH_KEYS:
        from codespar_cli.core.guard.patch_paths import holds_patch, is_patch, patched

        if holds_patch(text):
            names = patched(text)
            if len(names) * len(starts) > _MOST_PATHS:
                raise TooMuch(f"a patch of more than {_MOST_PATHS:,} files")
            found = _first(places, names + [f"{start}/{name}" for start in starts for name in names])
            if found is not None or is_patch(text) or key in _PATCH_KEYS:
                return found
    if len(text) * (1 + len(starts)) > _LONGEST_TEXT:
        raise TooMuch(f"a command of more than {_LONGEST_TEXT >> 20} MiB")
    from codespar_cli.core.guard.shell_text import found_in

    for told in (text, *(f"cd {quoted(start)}\n{text}" for start in starts)):
        if (found := found_in(told, places)) is not None:
            return found
    return None


def _fills(manner: Manner, leaves: list[tuple[str, str]], places: ProtectedPlaces) -> bool:
    """Whether what the tool puts into a directory may be more than one file, so that any name may come to lie there."""
    if manner.unpacks:
        return True
    if not manner.fills:
        return False
    sources = [places.at(text) for text in sources_of(leaves)]
    if any(map(os.path.isdir, sources)):
        return True
    return not manner.single and not (sources and all(map(os.path.isfile, sources)))


def _all_of(args: Mapping[str, Any], leaves: list[tuple[str, str]], manner: Manner) -> Iterator[Named]:
    if not (manner.fills or manner.unpacks):
        yield from paths_of(leaves, manner)
    else:
        named = list(paths_of(leaves, manner))
        yield from named
        yield from landing_of(named, leaves)
    # What makes paths together is no work for the calls that name one: most.
    if not manner.reads and may_join(leaves):
        from codespar_cli.core.guard.argument_joins import joined_of

        for text in joined_of(args):
            yield Named(text, is_plain(text, sure=False), manner.removes, manner.fills or manner.unpacks)


def _first(places: ProtectedPlaces, paths: list[str]) -> str | None:
    return next(filter(None, map(places.protecting, paths)), None)


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:80]}…{text[-80:]}"
