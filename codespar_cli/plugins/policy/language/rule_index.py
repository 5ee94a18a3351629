"""Rules by the tools and agents they are about.

A pattern is found by its rarest literal piece: what its matches begin with, end with, or merely hold. So a thousand
patterns cost one search for each piece, and only those whose piece is there are matched; patterns written alike are
matched once. What a name costs is bounded by the number of rules, not by the name.
"""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple
from codespar_cli.plugins.policy.language.patterns import RE2, Pattern, name_pattern
from codespar_cli.plugins.policy.language.rules import Allow, Rule
from codespar_cli.plugins.policy.language.tool_names import every_name, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from codespar_cli.core.globs import Matcher


class _Piece(NamedTuple):
    """`place` is `starts`, `ends` or `holds`."""

    place: str
    text: str


class _Group:
    """Everybody who wrote this pattern, by number. What was kept as plain values is compiled when it is first asked."""

    __slots__ = ("_matches", "owners", "text")

    def __init__(self, text: str, owners: set[int], matches: Matcher | None = None) -> None:
        self.text = text
        self.owners = owners
        self._matches = matches

    def matches(self, name: str) -> bool:
        if self._matches is None:
            self._matches = name_pattern(self.text).matches
        return self._matches(name)


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
                    group = groups.get(pattern.text) or _Group(pattern.text, set(), pattern.matches)
                    groups.setdefault(pattern.text, group).owners.add(number)
        self._file(list(groups.values()))

    @classmethod
    def of_plain(cls, plain: Any) -> PatternIndex:
        """The one of which `plain` was made."""
        index = cls(())
        index._always, index._exact, index._starts, index._ends, index._holds = plain
        return index

    @property
    def plain(self) -> Any:
        """All of it as numbers, text and their containers, to be kept."""
        return (
            self._always,
            self._exact,
            {length: _ungrouped(begun) for length, begun in self._starts.items()},
            {length: _ungrouped(ended) for length, ended in self._ends.items()},
            _ungrouped(self._holds),
        )

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
        pieces = [_pieces_of(group.text) for group in groups]
        common: dict[_Piece, int] = {}
        for each in pieces:
            for piece in set(each):
                common[piece] = common.get(piece, 0) + 1
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
        self._rules: Sequence[Rule] = tuple(rules)
        numbered = list(enumerate(self._rules))
        self._agents = PatternIndex((number, rule.agents) for number, rule in numbered)
        self._tools = PatternIndex((number, rule.tools) for number, rule in numbered)
        limits = [(number, rule) for number, rule in numbered if not isinstance(rule, Allow)]
        spelled = [(number, [each for each in rule.tools if names_a_spelling(each)]) for number, rule in limits]
        self._spelled = PatternIndex((number, patterns) for number, patterns in spelled if patterns)

    @classmethod
    def of_plain(cls, rules: Sequence[Rule], plain: Any) -> RuleIndex:
        """The index of which `plain` was made, over the same rules."""
        index = cls(())
        index._rules = rules
        index._agents, index._tools, index._spelled = map(PatternIndex.of_plain, plain)
        return index

    @property
    def plain(self) -> Any:
        return self._agents.plain, self._tools.plain, self._spelled.plain

    def about(self, agent: str, tool: str) -> list[Rule]:
        """The rules about this agent calling this tool, in their order."""
        found = self._tools.matching(names_of(tool)) | self._spelled.matching(every_name(tool))
        if found:
            found &= self._agents.matching((agent,))
        return [self._rules[number] for number in sorted(found)]


def _ungrouped(found: Mapping[str, Iterable[Any]]) -> dict[str, list[tuple[str, set[int]]]]:
    return {
        piece: [group if type(group) is tuple else (group.text, group.owners) for group in groups]
        for piece, groups in found.items()
    }


def _match(groups: Any, names: Sequence[str], found: set[int]) -> None:
    for number, kept in enumerate(groups):
        group = kept
        if type(kept) is tuple:  # plain, until a name first holds its piece
            group = groups[number] = _Group(*kept)
        if not group.owners <= found and any(map(group.matches, names)):
            found |= group.owners


def names_a_spelling(pattern: Pattern) -> bool:
    """Whether a pattern was written for one spelling, and so means the others: `*` alone is not about `mcp__a__b`."""
    return not pattern.text.startswith("*") or "__" in pattern.text


def _pieces_of(text: str) -> list[_Piece]:
    """The literal texts that every match holds. None of an expression: what those match is not looked into."""
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
