"""A rules file as plain values that can be kept, and the same policy of them again, without reading YAML.

What is kept of a rule is its text with line numbers, as document.py has it, beside an index of what all of them are about.
A rule is read when a call is first looked up that it is about, by the very function that read it from the file: there is
one way to understand a rule. All of them were read, and found right, before anything was kept.
"""

from __future__ import annotations

import marshal
from decimal import Decimal

from codespar_cli.plugins.policy.language.patterns import tool_pattern
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rule_index import RuleIndex
from codespar_cli.plugins.policy.language.zones import Zone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from codespar_cli.plugins.policy.language.nodes import Node
    from codespar_cli.plugins.policy.language.rules import Rule

_FORM = 1
_SCALAR, _LISTING, _TABLE = range(3)


def plain_of(policy: Policy, root: Node) -> Any:
    """Numbers, text and their containers. `root` is what the policy was read from."""
    nodes = {_text(node, "id"): (number, node) for number, node in enumerate(_entry(root, "rules").items, 1)}
    rules = []
    for rule in policy.rules:
        number, node = nodes[rule.id]
        # Each by itself: most calls are about a few.
        rules.append(marshal.dumps((number, _plain(node))))
    return (
        _FORM,
        policy.file,
        policy.hash,
        (policy.zone.name, policy.zone.version),
        policy.currency,
        policy.allow_by_default,
        [(pattern.text, str(amount)) for pattern, amount in policy.prices],
        policy.hold_ttl,
        policy.index.plain,
        rules,
        policy.source,
    )


def policy_of(plain: Any) -> Policy:
    """The policy of which `plain_of` made this. Raises ValueError for what another version has kept."""
    form, file, digest, zone_facts, currency, allows, prices, hold_ttl, index, rules, source = plain
    if form != _FORM:
        raise ValueError("kept by another version")
    zone = Zone.known(*zone_facts)
    kept: Any = _KeptRules(rules, zone, currency)
    return Policy(
        file=file,
        hash=digest,
        rules=kept,
        zone=zone,
        currency=currency,
        allow_by_default=allows,
        prices=tuple((tool_pattern(text), Decimal(amount)) for text, amount in prices),
        hold_ttl=hold_ttl,
        source=source,
        index=RuleIndex.of_plain(kept, index),
    )


class _KeptRules:
    """Rules in the order of their ids, each read when it is asked for. Two threads may read one twice, to the same."""

    def __init__(self, kept: list[bytes], zone: Zone, currency: str) -> None:
        self._kept = kept
        self._zone = zone
        self._currency = currency
        self._read: dict[int, Rule] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Rule]:
        return iter([self[number] for number in range(len(self._kept))])

    def __getitem__(self, number: int) -> Rule:
        rule = self._read.get(number)
        if rule is None:
            from codespar_cli.plugins.policy.language.rule_reader import read_rule

            place, node = marshal.loads(self._kept[number])  # noqa: S302  a part of what was sealed by ourselves
            rule = self._read[number] = read_rule(_node(node), place, self._zone, self._currency)
        return rule


def _plain(node: Node) -> Any:
    from codespar_cli.plugins.policy.language.nodes import Listing, Table

    if isinstance(node, Table):
        return (_TABLE, node.line, [(_plain(key), _plain(value)) for key, value in node.entries.values()])
    if isinstance(node, Listing):
        return (_LISTING, node.line, [_plain(item) for item in node.items])
    return (_SCALAR, node.line, node.text, node.plain)


def _node(plain: Any) -> Any:
    from codespar_cli.plugins.policy.language.nodes import Listing, Scalar, Table

    kind, line, held, *rest = plain
    if kind == _SCALAR:
        return Scalar(held, rest[0], line)
    if kind == _LISTING:
        listing = Listing(line)
        listing.items = [_node(item) for item in held]
        return listing
    table = Table(line)
    table.entries = {key[2]: (_node(key), _node(value)) for key, value in held}
    return table


def _entry(root: Any, key: str) -> Any:
    return root.entries[key][1]


def _text(node: Any, key: str) -> str:
    return str(_entry(node, key).text)
