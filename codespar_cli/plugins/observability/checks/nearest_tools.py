"""Which tool was meant by a name that there is none of.

Letters alone do not tell: `shell` is a `terminal`, `central_list_sites` is `central_get_sites`. So names are compared
as words too, and words that ask for the same count as the same; a host's prefix (`mcp__server__tool`) is seen through.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import cache

MOST = 3
_LEAST = 0.6
_LONGEST = 128
_COMPARED = 300
"""Names that are compared letter by letter; of more, those that share most words and beginnings."""
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_]+")
_SEPARATOR = re.compile(r"__|[/.:]")
_SAME = (
    "shell terminal bash sh zsh exec execute run command cmd console powershell process",
    "get list read fetch show retrieve load view query describe all",
    "search find lookup grep locate",
    "create add new insert make open register",
    "update edit modify patch set change replace",
    "delete remove rm drop destroy erase unlink",
    "send post publish notify submit",
    "write save store put",
    "dir directory folder path",
    "email mail message",
    "issue ticket task",
    "repo repository project",
    "browse navigate goto visit",
    "web internet online www",
    "weather forecast temperature",
    "calculate calculator compute math eval",
    "stop cancel abort kill terminate close",
    "start begin launch",
)
_CANON = {word: group.split()[0] for group in _SAME for word in group.split()}


class NameIndex:
    """The names of a catalogue, ready to be asked for the nearest ones. Made when it is first asked."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = names
        self._by_word: dict[str, list[str]] | None = None

    def nearest(self, name: str) -> tuple[str, ...]:
        """At most three, best first; the same name without a prefix, or with one, before all."""
        wanted = name[:_LONGEST]
        scored = [(_likeness(wanted, each), each) for each in self._candidates(wanted)]
        best = sorted(
            (pair for pair in scored if pair[0] >= _LEAST), key=lambda pair: (-pair[0], len(pair[1]), pair[1])
        )
        return tuple(each for _, each in best[:MOST])

    def first(self, count: int) -> tuple[list[str], int]:
        """Some names, and how many there are in all."""
        names = list(self._names)
        return names[:count], len(names)

    def _candidates(self, name: str) -> list[str]:
        names = list(self._names)
        if len(names) <= _COMPARED:
            return [each for each in names if len(each) <= _LONGEST]
        if self._by_word is None:
            index = defaultdict(list)
            for each in names:
                if len(each) <= _LONGEST:
                    for key in _keys(each):
                        index[key].append(each)
            self._by_word = dict(index)
        shared: defaultdict[str, float] = defaultdict(float)
        for key in _keys(name):
            found = self._by_word.get(key, [])
            for each in found[:5000]:
                shared[each] += 1 / (1 + len(found))  # a rare word says more than one that half of all names have
        return sorted(shared, key=lambda each: (-shared[each], each))[:_COMPARED]


def _keys(name: str) -> set[str]:
    words = _words(name)
    return words | {_canon(word) for word in words} | {word[:3] for word in words} | {f"<{name[:4].lower()}"}


@cache
def _canon(word: str) -> str:
    return _CANON.get(word, word)


def _words(name: str) -> set[str]:
    found = (word.lower() for word in _WORD.findall(name))
    return {word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in found}


def _bare(name: str) -> str:
    """`create_issue` of `mcp__github__create_issue` and `github/create_issue`."""
    return _SEPARATOR.split(name.removeprefix("functions."))[-1]


def _likeness(name: str, other: str) -> float:
    """From 0 to 1."""
    if _bare(name) == _bare(other):
        return 1.0
    letters = max(_ratio(name, other), _ratio(_bare(name), _bare(other)))
    mine, theirs = _words(_bare(name)), _words(_bare(other))
    if mine == theirs and mine:
        return 0.99
    return max(letters, _overlap(mine, theirs) * 0.95)


def _ratio(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one.lower(), other.lower(), autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= _LEAST else 0.0


def _overlap(mine: set[str], theirs: set[str]) -> float:
    """Dice over meanings; a meaning that is told in another word counts a little less."""
    left, right = {_canon(word) for word in mine}, {_canon(word) for word in theirs}
    shared = left & right
    said_alike = len({_canon(word) for word in mine & theirs})
    total = len(left) + len(right)
    return 2 * (said_alike + 0.8 * (len(shared) - said_alike)) / total if total else 0.0
