"""What a rules file says that cannot be meant. Only what is certain: a finding fails the command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from codespar_cli.core.administration.policy import Finding
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.approvals.approval import is_same_person
from codespar_cli.plugins.policy.language.money import grouped, to_micros
from codespar_cli.plugins.policy.language.openings import next_open
from codespar_cli.plugins.policy.language.policy import Policy
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Deny, Rule, Window
from codespar_cli.plugins.policy.review.comparing import covers_all
from codespar_cli.plugins.policy.review.comparing_tools import are_apart, covers_tools, is_about
from codespar_cli.plugins.policy.review.lint_costs import limits_below_cost
from codespar_cli.plugins.policy.review.lint_counters import idle_counters
from codespar_cli.plugins.policy.review.lint_globs import globs_that_stop


def findings_in(policy: Policy, moment: datetime, tools: Sequence[str] | None = None) -> list[Finding]:
    """Findings in the order of their lines. `tools` are all the tools there are, under any of their names."""
    found = [
        *_unreachable_rules(policy),
        *_pointless_allows(policy),
        *_nothing_allowed(policy),
        *_never_allowed(policy),
        *_shut_windows(policy, moment),
        *_small_limits(policy),
        *_stopping_globs(policy),
        *_idle_counters(policy),
        *_unreachable_quorums(policy),
        *_strangers(policy, tools),
    ]
    return sorted(found, key=lambda finding: (finding.line or 0, finding.code))


def _finding(policy: Policy, rule: Rule, code: str, message: str) -> Finding:
    return Finding(rule.id, code, message, rule.line, policy.file)


def _unreachable_rules(policy: Policy) -> Iterator[Finding]:
    denies = [rule for rule in policy.rules if isinstance(rule, Deny) and rule.when is None]
    for rule in policy.rules:
        if isinstance(rule, Deny) or not (by := _denied_by(rule, denies)):
            continue
        names = ", ".join(f"`{deny.id}` (line {deny.line})" for deny in by)
        who = f"rule {names} denies" if len(by) == 1 else f"rules {names} deny"
        if isinstance(rule, Allow):
            yield _finding(policy, rule, "unreachable_allow", f"nothing is ever allowed by it: {who} all of it")
        else:
            yield _finding(policy, rule, "unreachable_rule", f"it can never matter: {who} every call it is about")


def _denied_by(rule: Rule, denies: Iterable[Deny]) -> list[Deny]:
    """The unconditional denies that together are about every call this rule is about, or none."""
    about = [deny for deny in denies if covers_all(deny.agents, rule.agents)]
    for deny in about:
        if covers_tools(deny.tools, rule.tools):
            return [deny]
    if rule.tools and all(any(covers_tools(deny.tools, [each]) for deny in about) for each in rule.tools):
        return [deny for deny in about if any(covers_tools(deny.tools, [each]) for each in rule.tools)]
    return []


def _pointless_allows(policy: Policy) -> Iterator[Finding]:
    if policy.allow_by_default:
        for rule in policy.rules:
            if isinstance(rule, Allow):
                yield _finding(policy, rule, "pointless_allow", "it changes nothing: the default is to allow")


def _nothing_allowed(policy: Policy) -> Iterator[Finding]:
    if policy.allow_by_default or policy.judge is not None or any(isinstance(rule, Allow) for rule in policy.rules):
        return
    yield Finding(None, "nothing_allowed", "no rule allows anything and the default is to deny", 1, policy.file)


def _never_allowed(policy: Policy) -> Iterator[Finding]:
    """Rules that restrict what nothing allows. A deny beside a default of deny is a second lock, and is fine."""
    allows = [rule for rule in policy.rules if isinstance(rule, Allow)]
    if policy.allow_by_default or policy.judge is not None or not allows:
        return
    for rule in policy.rules:
        restricts = not isinstance(rule, Allow | Deny)
        if restricts and all(are_apart(rule.tools, allow.tools) for allow in allows):
            message = "no rule allows any call it is about"
            if isinstance(rule, Approve):
                message += ": an approval does not stand in for an allow rule"
            yield _finding(policy, rule, "never_allowed", message)


def _shut_windows(policy: Policy, moment: datetime) -> Iterator[Finding]:
    windows = [rule for rule in policy.rules if isinstance(rule, Window)]
    for rule in windows:
        if next_open([rule.schedule], policy.zone, moment) is None:
            yield _finding(policy, rule, "window_never_opens", "it is never open again, so it denies every call")
            continue
        for other in windows:
            apart = other.id > rule.id and _same_calls(rule, other)
            if apart and next_open([rule.schedule, other.schedule], policy.zone, moment) is None:
                message = f"it is never open together with rule `{other.id}`, which is about the same calls"
                yield _finding(policy, rule, "window_never_opens", message)


def _small_limits(policy: Policy) -> Iterator[Finding]:
    for rule, (pattern, price) in limits_below_cost(policy):
        message = (
            f"its limit {grouped(rule.limit)} is under the smallest cost of its calls,"
            f" {grouped(to_micros(price))} of `{pattern.text}`"
        )
        yield _finding(policy, rule, "limit_below_cost", message)


def _stopping_globs(policy: Policy) -> Iterator[Finding]:
    for rule, path, glob, missing in globs_that_stop(policy):
        message = f"{visible(path)}: in `{visible(glob)}` the `*` stops at a `/`; write `{visible(missing)}` beside it"
        yield _finding(policy, rule, "glob_stops_at_slash", message)


def _idle_counters(policy: Policy) -> Iterator[Finding]:
    for rule, stricter in idle_counters(policy.rules):
        message = (
            f"its limit is never reached: rule `{stricter.id}` (line {stricter.line}) always denies before it does"
        )
        yield _finding(policy, rule, "limit_never_reached", message)


def _unreachable_quorums(policy: Policy) -> Iterator[Finding]:
    """Exact names of agents are refused when the file is read (rule_reader.py); here are the globs."""
    for rule in policy.rules:
        if not isinstance(rule, Approve) or rule.allow_self:
            continue
        for name in rule.approvers:
            others = [other for other in rule.approvers if not is_same_person(other, [name])]
            # A glob without a beginning of its own says nothing of who asks.
            asks = any(pattern.prefix and not pattern.exact and pattern.matches(name) for pattern in rule.agents)
            if asks and len(others) < rule.quorum:
                message = (
                    f"when `{visible(name)}` asks, {_left(others)} of its approvers may vote,"
                    f" and it needs {rule.quorum}: nobody approves their own call"
                )
                yield _finding(policy, rule, "quorum_unreachable", message)
                break


def _left(others: Sequence[str]) -> str:
    return f"only {', '.join(visible(other) for other in others)}" if others else "none"


def _strangers(policy: Policy, tools: Sequence[str] | None) -> Iterator[Finding]:
    if tools is None:
        return
    for rule in policy.rules:
        if not any(is_about(rule, tool) for tool in tools):
            known = f"none of the {len(tools)} known tools" if len(tools) != 1 else "not the one known tool"
            patterns = ", ".join(f"`{pattern.text}`" for pattern in rule.tools)
            yield _finding(policy, rule, "matches_no_tool", f"{patterns} matches {known}")


def _same_calls(one: Rule, other: Rule) -> bool:
    tools = covers_tools(one.tools, other.tools) and covers_tools(other.tools, one.tools)
    return tools and covers_all(one.agents, other.agents) and covers_all(other.agents, one.agents)
