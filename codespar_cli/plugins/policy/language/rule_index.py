"""Rules by the tools and agents they are about.

A pattern is found by its rarest literal piece: what its matches begin with, end with, or merely hold. So a thousand
patterns cost one search for each piece, and only those whose piece is there are matched; patterns written alike are
matched once. What a name costs is bounded by the number of rules, not by the name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codespar_cli.plugins.policy.language.patterns import RE2, Pattern
from codespar_cli.plugins.policy.language.rules import Allow, Rule
from codespar_cli.plugins.policy.language.tool_names import every_name, names_of


class _Piece(NamedTuple):
    """`place` is `starts`, `ends` or `holds`."""

    place: str
    text: str


class _Group(NamedTuple):
    """Everybody who wrote this pattern, by number."""

    pattern: Pattern
    owners: set[int]


_ANYTHING = _Piece("holds", "")


class PatternIndex:
    """Which of some numbered lists of patterns match. An empty list matches everything."""

    def __init__(self, lists: Iterable[tuple[int, Sequence[Pattern]]]) -> None:
        self._always: set[int] = set()
        self._exact: dict[str, set[int]] = {}
        # What is looked up by its length, from either end of a name.
        self._starts: dict[int, dict[str, list[_Group]]] = {}
        self._ends: dict[int, dict[str, list[_Group]]] = {}
        self._holds: dict[str, list[_Group]] = {}
        groups: dict[str, _Group] = {}
        for number, patterns in lists:
            if not patterns:
                self._always.add(number)
            for pattern in patterns:
                if pattern.exact:
                    self._exact.setdefault(pattern.prefix, set()).add(number)
                else:
                    groups.setdefault(pattern.text, _Group(pattern, set())).owners.add(number)
        self._file(list(groups.values()))

    def matching(self, names: Sequence[str]) -> set[int]:
        """The numbers of the lists of which a pattern matches one of these names. No name holds a line feed."""
        found = set(self._always)
        for name in names:
            found |= self._exact.get(name, set())
            for length, begun in self._starts.items():
                _match(begun.get(name[:length], ()), (name,), found)
            for length, ended in self._ends.items():
                _match(ended.get(name[-length:], ()), (name,), found)
        if self._holds:
            whole = "\n".join(names)
            for groups in [groups for piece, groups in self._holds.items() if piece in whole]:
                _match(groups, names, found)
        return found

    def _file(self, groups: Sequence[_Group]) -> None:
        pieces = [_pieces_of(group.pattern) for group in groups]
        common = Counter(piece for each in pieces for piece in set(each))
        for group, each in zip(groups, pieces, strict=True):
            best = min(each, key=lambda piece: (common[piece], -len(piece.text), piece), default=_ANYTHING)
            if best.place == "holds":
                self._holds.setdefault(best.text, []).append(group)
            else:
                place = self._starts if best.place == "starts" else self._ends
                place.setdefault(len(best.text), {}).setdefault(best.text, []).append(group)


class RuleIndex:
    """Rules by what they are about. Rules that limit know a tool by more names than an allow does (tool_names.py)."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        numbered = list(enumerate(self._rules))
        self._agents = PatternIndex((number, rule.agents) for number, rule in numbered)
        self._tools = PatternIndex((number, rule.tools) for number, rule in numbered)
        limits = [(number, rule) for number, rule in numbered if not isinstance(rule, Allow)]
        spelled = [(number, [each for each in rule.tools if names_a_spelling(each)]) for number, rule in limits]
        self._spelled = PatternIndex((number, patterns) for number, patterns in spelled if patterns)

    def about(self, agent: str, tool: str) -> list[Rule]:
        """The rules about this agent calling this tool, in their order."""
        found = self._tools.matching(names_of(tool)) | self._spelled.matching(every_name(tool))
        if found:
            found &= self._agents.matching((agent,))
        return [self._rules[number] for number in sorted(found)]


def _match(groups: Iterable[_Group], names: Sequence[str], found: set[int]) -> None:
    for group in groups:
        if not group.owners <= found and any(map(group.pattern.matches, names)):
            found |= group.owners


def names_a_spelling(pattern: Pattern) -> bool:
    """Whether a pattern was written for one spelling, and so means the others: `*` alone is not about `mcp__a__b`."""
    return not pattern.text.startswith("*") or "__" in pattern.text


def _pieces_of(pattern: Pattern) -> list[_Piece]:
    """The literal texts that every match holds. None of an expression: what those match is not looked into."""
    text = pattern.text
    if text.startswith(RE2):
        return []
    leading = text
    while leading.startswith("**/"):
        leading = leading[3:]  # no segment at all is one way to match it, and then there is no `/` either
    first, *rest = leading.split("*")
    found = [_Piece("holds" if leading is not text else "starts", first)]
    if rest:
        found += [_Piece("holds", piece) for piece in rest[:-1]]
        found.append(_Piece("ends", rest[-1]))
    else:
        found = [_Piece("ends", first)]
    return [piece for piece in found if piece.text]
