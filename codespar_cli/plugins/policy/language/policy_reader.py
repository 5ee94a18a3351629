"""policy.yaml, read, checked and compiled whole: a file that is not valid is never half applied."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from codespar_cli.core.clock import MICROSECOND
from codespar_cli.core.hashing import sha256
from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.language.document import parse
from codespar_cli.plugins.policy.language.fields import Fields, amount_of, entries_of, text_of, value_of
from codespar_cli.plugins.policy.language.money import as_amount
from codespar_cli.plugins.policy.language.nodes import Node, Refused
from codespar_cli.plugins.policy.language.patterns import Pattern, tool_pattern
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rule_reader import read_rule
from codespar_cli.plugins.policy.language.rules import Rule
from codespar_cli.plugins.policy.language.zones import Zone

_KEYS = ("version", "timezone", "currency", "default", "costs", "hold_ttl", "rules")
_FOREIGN = {".cedar": "cedar", ".rego": "rego"}
_HOLD_TTL = timedelta(minutes=10)


def load_policy(path: Path, *, key: str = "rules") -> Policy:
    """Read a rules file. Raises ConfigError with its line, or with the `key` that named a file that is not there."""
    return compile_policy(read_rules(path, key=key), str(path))


def read_rules(path: Path, *, key: str = "rules") -> bytes:
    """The bytes of a rules file. Raises ConfigError, with the `key` that named it."""
    language = _FOREIGN.get(path.suffix)
    if language is not None:
        hint = f'plugins.toml reads it: [policy] backend = "{language}", policies = ["{visible(path.name)}"]'
        raise ConfigError(
            f"`{visible(str(path))}` is no rules file: it is written in {language.capitalize()}", key=key, hint=hint
        )
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(
            f"there is no rules file `{visible(str(path))}`",
            key=key,
            hint="codespar init writes one that works" if key == "rules" else None,
        ) from None
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise ConfigError(f"the rules file `{visible(str(path))}` cannot be read: {words}", key=key) from None


def compile_policy(data: bytes, file: str) -> Policy:
    """The policy in these bytes. Raises ConfigError with `file` and the line."""
    return compile_with_nodes(data, file)[0]


def compile_with_nodes(data: bytes, file: str) -> tuple[Policy, Node]:
    """And what it was made of. Raises ConfigError with `file` and the line."""
    try:
        root = parse(data)
        return _policy(root, file, data), root
    except Refused as error:
        raise ConfigError(error.message, file=file, line=error.line, hint=error.hint) from None
    except ConfigError as error:  # an extra that a pattern needs
        error.file = error.file or file
        raise


def _policy(root: Node, file: str, data: bytes) -> Policy:
    fields = Fields(root, "the policy", _KEYS)
    if "version" in fields and (version := fields.parsed("version", value_of)) != 1:
        newer = isinstance(version, int) and version > 1
        hint = "this file may need a newer codespar" if newer else "write `version: 1`, without quotes"
        found = f'"{visible(version[:60])}"' if isinstance(version, str) else f"`{str(version).lower()}`"
        raise fields.refuse("version", f"expected 1, found {found}", hint)
    zone = fields.parsed("timezone", lambda node: Zone(text_of(node))) if "timezone" in fields else Zone()
    currency = fields.parsed("currency", _currency) if "currency" in fields else "USD"
    return Policy(
        file=file,
        hash=sha256(data).hex(),
        rules=_rules(fields, zone, currency),
        zone=zone,
        currency=currency,
        allow_by_default=fields.choice("default", ("deny", "allow"), "deny") == "allow",
        prices=_prices(fields),
        hold_ttl=fields.duration("hold_ttl", _HOLD_TTL) // MICROSECOND,
        source=data.decode("utf-8"),
    )


def _rules(fields: Fields, zone: Zone, currency: str) -> tuple[Rule, ...]:
    found: dict[str, Rule] = {}
    for number, node in enumerate(fields.items("rules"), 1):
        rule = read_rule(node, number, zone, currency)
        if rule.id in found:
            raise Refused(rule.line, f"rule `{rule.id}` is given twice, first in line {found[rule.id].line}")
        found[rule.id] = rule
    return tuple(found.values())


def _prices(fields: Fields) -> tuple[tuple[Pattern, Decimal], ...]:
    if "costs" not in fields:
        return ()
    prices = []
    for text, (key, node) in entries_of(fields.node("costs"), "costs").items():
        pattern = fields.apply("costs", key, lambda _, text=text: tool_pattern(text))  # type: ignore[misc]
        prices.append((pattern, fields.apply("costs", node, lambda each: as_amount(amount_of(each)))))
    return tuple(prices)


def _currency(node: Node) -> str:
    text = text_of(node)
    if len(text) != 3 or not (text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError(f"expected a currency code such as `USD`, found `{visible(text[:60])}`")
    return text
