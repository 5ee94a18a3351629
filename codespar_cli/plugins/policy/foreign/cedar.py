"""The `cedar` backend: Cedar policies answer the deny, approve and allow stages.

A forbid denies, a permit allows, a permit with `@effect("approve")` asks for approval and never allows. Cedar skips a
policy whose evaluation errs, a forbid too: here any error of evaluation is a deny, whatever Cedar decided.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.core.text import nearest, visible
from codespar_cli.errors import ConfigError, MissingExtra
from codespar_cli.plugins.policy.decision.judge import JudgeError, Judgement
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.plugins.policy.foreign.cedar_conditions import check_conditions
from codespar_cli.plugins.policy.foreign.cedar_entities import Entities
from codespar_cli.plugins.policy.foreign.cedar_text import Statement, check_nesting, line_of_error, statements
from codespar_cli.plugins.policy.foreign.cedar_values import context_of, record_of
from codespar_cli.plugins.policy.foreign.foreign_policy import Sources, engine_over, rule_of
from codespar_cli.plugins.policy.language.nodes import Refused
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Deny, Rule
from codespar_cli.plugins.policy.language.tool_names import every_name

_OF_APPROVALS = ("quorum", "approvers", "expires", "allow_self")
_ANNOTATIONS = ("id", "reason", "effect", *_OF_APPROVALS)
_POLICY = re.compile(r"`policy(\d+)`")


def from_options(options: Mapping[str, Any], services: Services) -> PolicyEngine:
    """Read, check and compile every file. Raises ConfigError with its line; touches no store."""
    return engine_over("cedar", options, services)


def compile_judge(sources: Sources, taken: frozenset[str]) -> CedarJudge:
    """`taken` are the ids of the rules file. Raises ConfigError with file and line."""
    cedarpy = _cedarpy()
    rules: dict[str, tuple[str, Rule]] = {}
    for name in sources.policies:
        try:
            for statement in _parsed(sources.files[name], cedarpy):
                rule = _rule(statement, len(rules), cedarpy)
                if rule.id in rules or rule.id in taken:
                    raise Refused(rule.line, f"rule `{rule.id}` is given twice")
                rules[rule.id] = (name, rule)
        except Refused as error:
            raise sources.refuse(name, error.line, error.message, error.hint) from None
    if not rules:
        raise sources.refuse(sources.policies[0], None, "there is no policy in it, so nothing would ever be allowed")
    policies = cedarpy.PolicySet.from_str("\n".join(sources.files[name] for name in sources.policies))
    schema = _schema(sources, cedarpy)
    if schema is not None:
        _validate(sources, schema, list(rules.values()), cedarpy)
    count = len(rules)
    summary = f"{count} polic{'y' if count == 1 else 'ies'} from {', '.join(sources.policies)}"
    return CedarJudge(policies, [*rules.values()], _entities(sources, schema, cedarpy), summary)


class CedarJudge:
    """Safe to share between threads: Cedar's handles never change. Keeps nothing of a call."""

    def __init__(self, policies: Any, rules: list[tuple[str, Rule]], entities: Entities, summary: str) -> None:
        self.summary = summary
        self._policies = policies
        self._rules = rules
        self._entities = entities
        self._cedarpy = _cedarpy()

    def judge(self, agent: str, names: tuple[str, ...], cost: str | None, context: CallContext, now: int) -> Judgement:
        """See Judge."""
        try:
            return self._judge(agent, names, cost, context, now)
        except (JudgeError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # Cedar is Rust: a panic there is no Exception here
            raise JudgeError(f"Cedar failed: {type(error).__name__}") from error

    def _judge(self, agent: str, names: tuple[str, ...], cost: str | None, context: CallContext, now: int) -> Judgement:
        attributes = record_of(context.attributes, "the attributes")
        args = record_of(context.args, "the arguments")
        spellings = every_name(names[0])
        entities = self._entities.of_call(agent, attributes, spellings, names[-1])
        text = context_of(names[0], cost, context, attributes, args, now)
        spoke = self._ask([_request(agent, tool, text) for tool in spellings], entities)
        # Whoever can choose a spelling gains nothing by it: all of them limit, the plain ones alone allow.
        limits = [self._rules[number][1] for number in sorted(set().union(*spoke))]
        plain = set().union(*(found for tool, found in zip(spellings, spoke, strict=True) if tool in names))
        denies = sorted((rule for rule in limits if isinstance(rule, Deny)), key=_by_id)
        approvals = sorted((rule for rule in limits if isinstance(rule, Approve)), key=_by_id)
        permits = [rule for number in plain if isinstance(rule := self._rules[number][1], Allow)]
        return Judgement(tuple(denies), tuple(approvals), min(permits, key=_by_id, default=None))

    def _ask(self, requests: list[dict[str, Any]], entities: Any) -> list[set[int]]:
        """The policies that hold for each of these requests. Raises JudgeError for any error whatever."""
        found: list[set[int]] = []
        for result in self._cedarpy.is_authorized_batch(requests, self._policies, entities):
            if result.diagnostics.errors:
                raise JudgeError(self._words(result.diagnostics.errors))
            if result.decision is self._cedarpy.Decision.NoDecision:
                raise JudgeError("Cedar came to no decision")
            found.append({int(reason.removeprefix("policy")) for reason in result.diagnostics.reasons})
        return found

    def _words(self, errors: Iterable[str]) -> str:
        """Cedar's own words may repeat an argument, and an argument may be a secret."""
        error = min(errors)
        match = _POLICY.search(error)
        if match is None:
            return "the call cannot be told to Cedar"
        name, rule = self._rules[int(match[1])]
        why = "its evaluation fails"
        if "does not have the attribute" in error:
            why = "it reads an attribute that is not there"
        elif "type error" in error:
            why = "it reads a value of another type"
        return f"rule {rule.id} ({name}:{rule.line}): {why}"


def _by_id(rule: Rule) -> str:
    return rule.id


def _request(agent: str, tool: str, context: str) -> dict[str, Any]:
    return {
        "principal": {"type": "Agent", "id": agent},
        "action": {"type": "Action", "id": "call"},
        "resource": {"type": "Tool", "id": tool},
        "context": context,
    }


def _cedarpy() -> Any:
    try:
        import cedarpy
    except ImportError:
        raise MissingExtra("the policy backend `cedar`", "cedar") from None
    return cedarpy


def _parsed(text: str, cedarpy: Any) -> list[Statement]:
    """Raises Refused."""
    found = statements(text)

    def error_of(part: str) -> str | None:
        try:
            cedarpy.PolicySet.from_str(part)
        except ValueError as error:
            return str(error)
        return None

    if error_of(text) is not None:
        for statement in found:
            error = error_of(statement.text)
            if error is not None:
                raise Refused(line_of_error(statement, error_of), f"not Cedar: {visible(error[:200])}")
        raise Refused(None, "not Cedar")
    return found


def _rule(statement: Statement, number: int, cedarpy: Any) -> Rule:
    """Raises Refused."""
    head = f"{statement.head} permit(principal, action, resource);"
    given = json.loads(cedarpy.policies_to_json_str(head))["staticPolicies"]["policy0"].get("annotations", {})
    lines = statement.annotated
    for key in given:
        if key not in _ANNOTATIONS:
            close = nearest(key, _ANNOTATIONS)
            known = ", ".join(f"`@{each}`" for each in _ANNOTATIONS)
            hint = f"did you mean `@{close}`?" if close else f"known: {known}"
            raise Refused(lines.get(key, statement.line), f"unknown annotation `@{visible(key)}`", hint)
    check_conditions(statement, cedarpy.policies_to_json_str)
    texts = {key: ("" if value is None else value, lines.get(key, statement.line)) for key, value in given.items()}
    name, _ = texts.pop("id", (f"policy{number}", 0))
    effect = _effect(statement, texts)
    fields: dict[str, tuple[str | list[str], int]] = {**texts}
    if "approvers" in texts:
        words, at = texts["approvers"]
        fields["approvers"] = ([approver.strip() for approver in words.split(",")], at)
    return rule_of(effect, name, statement.line, fields)


def _effect(statement: Statement, texts: dict[str, tuple[str, int]]) -> str:
    word, line = texts.pop("effect", (None, statement.line))
    if word is not None:
        if word != "approve":
            raise Refused(line, f"`@effect`: expected `approve`, found `{visible(word[:60])}`")
        if statement.effect != "permit":
            raise Refused(line, '`@effect("approve")` belongs on a permit: a forbid denies')
        return "approve"
    for name in _OF_APPROVALS:
        if name in texts:
            raise Refused(texts[name][1], f'`@{name}` belongs on a permit with `@effect("approve")`')
    return "deny" if statement.effect == "forbid" else "allow"


def _schema(sources: Sources, cedarpy: Any) -> Any:
    text = sources.text_of("schema")
    if text is None:
        return None
    name = sources.options["schema"]
    try:
        check_nesting(text)
        read = cedarpy.Schema.from_json_str if name.endswith(".json") else cedarpy.Schema.from_str
        return read(text)
    except Refused as error:
        raise sources.refuse(name, error.line, error.message) from None
    except ValueError as error:
        raise sources.refuse(name, None, f"no Cedar schema: {visible(str(error)[:200])}") from None


def _validate(sources: Sources, schema: Any, rules: list[tuple[str, Rule]], cedarpy: Any) -> None:
    text = "\n".join(sources.files[name] for name in sources.policies)
    for error in cedarpy.validate_policies(text, schema).errors:
        number = error.policy_id.removeprefix("policy")
        if not number.isdecimal():
            raise sources.refuse(sources.policies[0], None, visible(error.error[:300]))
        name, rule = rules[int(number)]
        words = error.error.removeprefix(f"for policy `policy{number}`, ")
        raise sources.refuse(name, rule.line, f"rule `{rule.id}`: {visible(words[:300])}")


def _entities(sources: Sources, schema: Any, cedarpy: Any) -> Entities:
    text = sources.text_of("entities")
    try:
        return Entities(cedarpy.Entities.from_json_str("[]" if text is None else text, schema), cedarpy)
    except (ValueError, RecursionError) as error:
        name = sources.options.get("entities") or sources.options["schema"]
        raise _no_entities(sources, name, text or "", error) from None


def _no_entities(sources: Sources, name: str, text: str, error: Exception) -> ConfigError:
    try:
        json.loads(text)
    except json.JSONDecodeError as wrong:
        return sources.refuse(name, wrong.lineno, f"not JSON: {wrong.msg.lower()}")
    except RecursionError:
        pass
    return sources.refuse(name, None, f"no entities of Cedar: {visible(str(error)[:200])}")
