"""Rules by the tools they are about: by whole name, or by what a pattern's every match begins with."""

from __future__ import annotations

from collections.abc import Iterable

from codespar_cli.plugins.policy.patterns import Pattern
from codespar_cli.plugins.policy.rules import Rule

_Entry = tuple[int, Rule, Pattern | None]


class RuleIndex:
    """A lookup costs as many dictionary reads as there are different lengths of prefixes, not as there are rules."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[str, list[_Entry]] = {}
        self._prefixes: dict[int, dict[str, list[_Entry]]] = {}
        for order, rule in enumerate(rules):
            if not rule.tools:
                self._by_prefix("").append((order, rule, None))
            for pattern in rule.tools:
                entry = (order, rule, pattern)
                if pattern.exact:
                    self._exact.setdefault(pattern.prefix, []).append(entry)
                else:
                    self._by_prefix(pattern.prefix).append(entry)

    def about(self, names: Iterable[str]) -> list[Rule]:
        """The rules whose patterns match one of a tool's names, in their order."""
        found: dict[int, Rule] = {}
        for tool in names:
            found.update((order, rule) for order, rule, _ in self._exact.get(tool, ()))
            for length, bucket in self._prefixes.items():
                for order, rule, pattern in bucket.get(tool[:length], ()):
                    if order not in found and (pattern is None or pattern.matches(tool)):
                        found[order] = rule
        return [found[order] for order in sorted(found)]

    def _by_prefix(self, prefix: str) -> list[_Entry]:
        return self._prefixes.setdefault(len(prefix), {}).setdefault(prefix, [])
