"""What the `cedar` and `rego` backends share: reading their files, one text to rebuild the policy from, the rules file.

A foreign policy answers the deny, approve and allow stages. Budgets, rates, windows and our own approve rules come from
the rules file beside it, which then must not hold deny or allow rules: there is one place for each thing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.core.services import Services
from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.engine import DEFAULT_RULES, PolicyEngine
from codespar_cli.plugins.policy.language.document import MAX_BYTES, parse
from codespar_cli.plugins.policy.language.nodes import Listing, Scalar, Table
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.language.rule_reader import read_rule
from codespar_cli.plugins.policy.language.rules import Allow, Deny, Rule
from codespar_cli.plugins.policy.language.zones import Zone

BACKENDS = {"cedar": "codespar_cli.plugins.policy.foreign.cedar", "rego": "codespar_cli.plugins.policy.foreign.rego"}
_ROLES = ("rules", "policies", "entities", "schema", "data")
_NO_RULES = b"rules: []"


class Sources(NamedTuple):
    """Everything a foreign policy is made of. `options` say which file plays which role, `files` hold their texts by
    the names that plugins.toml gives them; `directory` is where they lay, for messages alone."""

    backend: str
    options: Mapping[str, Any]
    files: Mapping[str, str]
    directory: Path | None = None

    @property
    def text(self) -> str:
        """One canonical JSON text: `Policy.source`, whose SHA-256 is the policy's hash."""
        whole = {"backend": self.backend, "options": self.options, "files": self.files}
        return json.dumps(whole, sort_keys=True, separators=(",", ":"))

    @property
    def policies(self) -> list[str]:
        return list(self.options["policies"])

    def text_of(self, role: str) -> str | None:
        name = self.options.get(role)
        return None if name is None else self.files[name]

    def where(self, name: str) -> str:
        return name if self.directory is None else str(self.directory / name)

    def refuse(self, name: str, line: int | None, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.where(name), line=line, hint=hint)


def engine_over(backend: str, options: Mapping[str, Any], services: Services) -> PolicyEngine:
    """The engine over a foreign policy, for everyone or a tenant. Raises ConfigError; touches no store."""
    tables = {"rules": options}
    for tenant, own in options.get("tenants", {}).items():
        # What a tenant does not name is everybody's.
        tables[f"tenants.{tenant}.rules"] = {**options, **own}

    def load(path: Path, *, key: str) -> Policy:
        return build(_read(backend, tables[key], services.config_dir, key.removesuffix("rules")))

    named = {tenant: {"rules": DEFAULT_RULES, **own} for tenant, own in options.get("tenants", {}).items()}
    return PolicyEngine.over({**options, "tenants": named}, services, load, backend)


def from_source(text: str) -> Policy:
    """The policy that `Policy.source` was written by. Raises ConfigError where it is none, or an extra is missing."""
    try:
        whole = json.loads(text)
        sources = Sources(whole["backend"], whole["options"], whole["files"])
        named = [sources.options.get(role) for role in _ROLES if role != "policies"]
        names = {*sources.policies, *(name for name in named if name is not None)}
        if (
            sources.backend not in BACKENDS
            or sources.text != text
            or names != sources.files.keys()
            or not sources.policies
        ):
            raise ValueError(text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError("this is no source of a `cedar` or `rego` policy") from None
    return build(sources)


def build(sources: Sources) -> Policy:
    """Check and compile all of it. Raises ConfigError with file and line."""
    name = sources.options.get("rules")
    data = _NO_RULES if name is None else sources.files[name].encode()
    base = compile_policy(data, sources.where(name or DEFAULT_RULES))
    if name is not None:
        _refuse_foreign_stages(sources, name, base, data)
    judge = import_module(BACKENDS[sources.backend]).compile_judge(sources, frozenset(rule.id for rule in base.rules))
    return Policy(
        file=sources.where(name or sources.policies[0]),
        hash=hashlib.sha256(sources.text.encode()).hexdigest(),
        rules=base.rules,
        zone=base.zone,
        currency=base.currency,
        allow_by_default=False,
        prices=base.prices,
        hold_ttl=base.hold_ttl,
        source=sources.text,
        judge=judge,
    )


def rule_of(effect: str, id: str, line: int, fields: Mapping[str, tuple[str | list[str], int]]) -> Rule:
    """A rule that a foreign policy spells, checked exactly as one of a rules file. Raises Refused."""
    table = Table(line)
    for key, (value, at) in {"id": (id, line), "effect": (effect, line), **fields}.items():
        node: Scalar | Listing
        if isinstance(value, str):
            node = Scalar(value, key in {"quorum", "allow_self"}, at)
        else:
            node = Listing(at)
            node.items.extend(Scalar(item, plain=False, line=at) for item in value)
        table.entries[key] = (Scalar(key, plain=True, line=at), node)
    return read_rule(table, 1, _utc(), "USD")


@lru_cache(maxsize=1)
def _utc() -> Zone:
    return Zone()


def _read(backend: str, table: Mapping[str, Any], directory: Path, prefix: str) -> Sources:
    named: dict[str, Any] = {role: table[role] for role in _ROLES if role in table}
    if "rules" not in named and (directory / DEFAULT_RULES).exists():
        named["rules"] = DEFAULT_RULES
    policies = named.get("policies", [])
    named["policies"] = [policies] if isinstance(policies, str) else list(policies)
    if not named["policies"]:
        raise ConfigError(f"backend `{backend}` needs the files of its policy", key=f"{prefix}policies")
    files: dict[str, str] = {}
    for role in _ROLES:
        value = named.get(role, [])
        for name in [value] if isinstance(value, str) else value:
            if name in files:
                raise ConfigError(f"`{visible(name)}` is given twice", key=f"{prefix}{role}")
            files[name] = _text(directory / name, f"{prefix}{role}")
    if "package" in table:
        named["package"] = table["package"]
    return Sources(backend, named, files, directory)


def _text(path: Path, key: str) -> str:
    shown = visible(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"there is no file `{shown}`", key=key) from None
    except OSError as error:
        raise ConfigError(f"`{shown}` cannot be read: {(error.strerror or str(error)).lower()}", key=key) from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB", file=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8", file=str(path), line=data.count(b"\n", 0, error.start) + 1) from None


def _refuse_foreign_stages(sources: Sources, name: str, base: Policy, data: bytes) -> None:
    foreign = ", ".join(f"`{policy}`" for policy in sources.policies)
    hint = f'write it into {foreign}, or use backend = "engine"'
    for rule in sorted(base.rules, key=lambda rule: rule.line):
        if isinstance(rule, Deny | Allow):
            words = f"rule `{rule.id}`: with backend `{sources.backend}` a rules file has no {rule.effect} rules"
            raise sources.refuse(name, rule.line, words, hint)
    if base.allow_by_default:
        root = parse(data)
        line = root.entries["default"][0].line if isinstance(root, Table) else None
        raise sources.refuse(
            name, line, f"default: with backend `{sources.backend}` what no policy allows is denied", hint
        )
