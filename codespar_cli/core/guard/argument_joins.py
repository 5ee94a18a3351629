"""What several arguments make together: a folder and a name, a name and its ending, a path in pieces, at whatever depth.

A folder counts for everything below the object it stands in: `{base: ~, files: [{dir: .claude, name: settings.json}]}`.
"""

from __future__ import annotations

from codespar_cli.core.guard.argument_paths import LONGEST, TITLES, TooMuch, is_folder, is_prose, is_text
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ENDINGS = {"ext", "extension", "suffix", "format", "type", "filetype", "file_type", "file_ext"}
_ABSOLUTE = ("/", "~", "$", "file:")
_LONGEST_ENDING = 16
_MOST_SEGMENTS = 64
_MOST_JOINS = 1 << 16
# An object with more texts that hold a slash is a record, and those are what it tells of.
_MOST_UNSURE = 16
_MOST_SPINES = 16


class _Above(NamedTuple):
    """What the objects around one give: each folder, and those that make longer ones together."""

    folders: tuple[str, ...] = ()
    spines: tuple[str, ...] = ()


def joined_of(args: Any) -> Iterator[str]:
    """Each text that two or more arguments make, once. Raises TooMuch."""
    seen: set[str] = set()
    for text in _joins(args, "", _Above()):
        if text not in seen and len(text) <= LONGEST:
            seen.add(text)
            if len(seen) > _MOST_JOINS:
                raise TooMuch(f"its parts make more than {_MOST_JOINS:,} paths together")
            yield text


# ── inside ──


def _joins(value: Any, key: str, above: _Above) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from _of_list(value, key, above)
    elif isinstance(value, dict):
        yield from _of_table(value, above)


def _of_list(values: list[Any] | tuple[Any, ...], key: str, above: _Above) -> Iterator[str]:
    texts = [text for text in values if isinstance(text, str) and 0 < len(text) <= LONGEST]
    if texts and not is_text(key) and not is_prose(key):
        if 1 < len(texts) == len(values) <= _MOST_SEGMENTS:
            yield "/".join(texts)
        yield from _below(above, texts)
    seen: set[object] = set()
    for inner in values:
        if not isinstance(inner, str) and _is_new(inner, seen):
            yield from _joins(inner, key, above)


def _is_new(value: Any, seen: set[object]) -> bool:
    """Of many records that say the same one is enough."""
    if not isinstance(value, dict):
        return True
    said = tuple(value.items())
    try:
        is_new = said not in seen
        seen.add(said)
    except TypeError:  # it holds tables or lists
        return True
    return is_new


def _of_table(table: dict[Any, Any], above: _Above) -> Iterator[str]:
    texts = list(_texts(table))
    paths = [(key, text) for key, text in texts if key not in TITLES]
    folders = _folders(paths)
    names = [text for _, text in paths]
    titles = [text for key, text in texts if key in TITLES]
    sure = tuple(text for key, text in paths if is_folder(key, text)) if titles else ()
    names += [key for key in table if isinstance(key, str) and 0 < len(key) <= LONGEST and "." in key]
    own = tuple(dict.fromkeys(folders))
    spines = _spines(above, own)
    here = _Above(tuple(dict.fromkeys((*above.folders, *own))), spines)
    endings = _endings(table)
    for text in (*_below(here, names), *_below(_Above(sure), titles)):
        yield text
        yield from (text + ending for ending in endings)
    yield from (text + ending for _, text in paths for ending in endings)
    for key, inner in table.items():
        if isinstance(inner, (dict, list, tuple)):
            yield from _joins(inner, str(key).casefold(), _with_key(here, key, inner))


def _texts(table: dict[Any, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        key = str(name).casefold()
        text = value if isinstance(value, str) else _segments(value)
        if 0 < len(text) <= LONGEST and not is_text(key) and (key in TITLES or not is_prose(key)):
            yield key, text


def _segments(value: Any) -> str:
    """A path that is given as a list of its parts."""
    if isinstance(value, (list, tuple)) and 1 < len(value) <= _MOST_SEGMENTS:
        return "/".join(value) if all(isinstance(part, str) for part in value) else ""
    return ""


def _folders(texts: list[tuple[str, str]]) -> list[str]:
    sure = [text for key, text in texts if is_folder(key, text)]
    unsure = [text for key, text in texts if "/" in text and "://" not in text and not is_folder(key, text)]
    return sure + unsure if len(unsure) <= _MOST_UNSURE else sure


def _spines(above: _Above, own: tuple[str, ...]) -> tuple[str, ...]:
    """Folders of several parts: those around with one of its own, and two of its own."""
    made = dict.fromkeys(above.spines)
    starts = (*(above.spines or above.folders), *own)
    for start in starts:
        for folder in own:
            if len(made) >= _MOST_SPINES:
                return tuple(made)
            if start != folder and not folder.startswith(_ABSOLUTE):
                made[f"{start}/{folder}"] = None
    return tuple(made)


def _with_key(here: _Above, key: Any, inner: Any) -> _Above:
    """A table of a directory's files stands under the directory's name."""
    if not isinstance(inner, dict) or not isinstance(key, str) or not (key.startswith((".", *_ABSOLUTE)) or "/" in key):
        return here
    longer = () if key.startswith(_ABSOLUTE) else tuple(f"{start}/{key}" for start in (*here.folders, *here.spines))
    return _Above((*here.folders, key), (*here.spines, *longer)[:_MOST_SPINES])


def _below(above: _Above, names: list[str]) -> Iterator[str]:
    names = [name for name in dict.fromkeys(names) if not name.startswith(_ABSOLUTE)]
    for folder in (*above.folders, *above.spines):
        for name in names:
            if name != folder:
                yield f"{folder}/{name}"


def _endings(table: dict[Any, Any]) -> list[str]:
    """What the object gives apart as a name's ending, with the dot and without."""
    given = [value for key, value in table.items() if isinstance(key, str) and _is_ending(key.casefold())]
    texts = [one for one in given if isinstance(one, str) and 0 < len(one) <= _LONGEST_ENDING and "/" not in one]
    return [ending for text in texts for ending in (text, f".{text}")]


def _is_ending(key: str) -> bool:
    return key in _ENDINGS or "extension" in key
