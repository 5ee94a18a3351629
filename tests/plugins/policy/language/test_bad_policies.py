"""Rules files that cannot be meant: each is refused with its line, or found by lint, and never half applied."""

import pytest
from policy_world import EVERYTHING, World

from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.language.policy_reader import compile_policy


def refused(text):
    with pytest.raises(ConfigError) as caught:
        compile_policy(text.encode(), "p.yaml")
    assert caught.value.file == "p.yaml"
    return caught.value.line, caught.value.message


def rule(*lines):
    return "rules:\n  - id: r\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (rule("effect: approve", "quorum: 4", "approvers: [a, b, c]"), 4, "cannot be met by 3"),
        (rule("effect: approve", "approvers: [a]", "quorum: 2"), 5, "cannot be met by 1"),
        ("timezone: America/Sao_Paolo\nrules: []\n", 1, "did you mean `America/Sao_Paulo`"),
        ("timezone: BRT\nrules: []\n", 1, "IANA time zone"),
        ("timezone: ../UTC\nrules: []\n", 1, "IANA time zone"),
        ("timezone: america/sao_paulo\nrules: []\n", 1, "IANA time zone"),
        (rule("effect: window", "open: [Mon 09:00-09:00]"), 4, "starts when it ends"),
        (rule("effect: window", 'open: ["00:00-00:00"]'), 4, "starts when it ends"),
        (rule("effect: window", "open: [Mon-Fri 08:00-18:00]", "closed: [2026-12-25 10:00-10:00]"), 5, "starts when"),
        (rule("effect: budget", "limit: 5", "window: 1d"), 5, "`rolling 1d` or `calendar day`"),
        (rule("effect: budget", "limit: 5", "window: 24h"), 5, "`rolling 24h` or `calendar day`"),
        (rule("effect: budget", "limit: 5", "window: 1w"), 5, "expected `calendar day|week|month`"),
        (rule("effect: budget", "limit: 5", "window: rolling 0s"), 5, "duration"),
        (rule("effect: budget", "limit: 5", "window: rolling day"), 5, "duration"),
        (rule("effect: budget", "limit: 5", "window: daily"), 5, "expected `calendar day|week|month`"),
        (rule("effect: rate", "limit: 5 per 1"), 4, "duration"),
        (rule("effect: rate", "limit: 5 per 1M"), 4, "duration"),
        (rule("effect: approve", "expires: 10"), 4, "write `10s` or `10m`"),
        ("hold_ttl: 600\nrules: []\n", 1, "write `600s` or `10m`"),
        ("rules:\n  - {id: a, effect: deny}\n  - {id: b, effect: deny}\n  - {id: a, effect: allow}\n", 4, "first in line 2"),
        ("rules:\n  - {id: a, id: b, effect: deny}\n", 2, "given twice"),
        ("rules: []\nrules: []\n", 2, "given twice"),
        ('costs: {"a/*": 1, "a/*": 2}\nrules: []\n', 1, "given twice"),
        (rule("effect: deny", "when: {args.x: 1, args.x: 2}"), 4, "given twice"),
        ("rules:\n  - {id: a, effect: deny, tools: [a**]}\n", 2, "stand alone"),
        ("rules:\n  - {id: a, effect: deny, agents: ['team**']}\n", 2, "stand alone"),
        (rule("effect: rate", "limit: 10 per hour"), 4, "write `10 per 1h`"),
        (rule("effect: window", 'open: ["Mon-Fri 9-17"]'), 4, "write `09:00-17:00`"),
        (rule("effect: window", "open: [Monday 09:00-17:00]"), 4, "write `Mon`"),
        ('version: "1"\nrules: []\n', 1, 'expected 1, found "1"'),
        (rule("effect: deny", "tools: [*]"), 4, "`*` begins with `*`"),
        (rule("effect: deny", "tools: **"), 4, "`**` begins with `*`"),
        (rule("effect: deny", "tools: *foo"), 4, "`*foo` begins with `*`"),
        (rule("effect: deny", "tools:", "  - *foo"), 5, "`*foo` begins with `*`"),
        ("rules:\n\t- id: a\n", 2, "a tab"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_line(text, line, words):
    assert refused(text)[0] == line
    assert words in refused(text)[1]


@pytest.mark.parametrize(
    ("rules", "top", "code"),
    [
        ([{"id": "a", "effect": "allow", "tools": ["x/y"]}, {"id": "d", "effect": "deny", "tools": ["x/**"]}], {}, "unreachable_allow"),
        ([{"id": "a", "effect": "allow", "tools": ["x/*"]}, {"id": "d", "effect": "deny"}], {}, "unreachable_allow"),
        ([{"id": "a", "effect": "allow"}], {"default": "allow"}, "pointless_allow"),
        ([{"id": "w", "effect": "window", "open": ["Mon 08:00-09:00"], "closed": ["Mon"]}, EVERYTHING], {}, "window_never_opens"),
        ([{"id": "b", "effect": "budget", "limit": "1", "window": "total"}, EVERYTHING], {"costs": {"x": "2"}}, "limit_below_cost"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_found(rules, top, code):
    assert code in [finding.code for finding in World(*rules, **top).engine.lint()]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (rule("effect: deny", "tools: [*]"), 'quote it: "*"'),
        (rule("effect: deny", "tools: [a, */b]"), 'quote it: "*/b"'),
        (rule("effect: deny", "tools: *foo"), 'quote it: "*foo"'),
        ('version: "1"\nrules: []\n', "write `version: 1`, without quotes"),
        ("version: 2\nrules: []\n", "this file may need a newer codespar"),
        ("a: &b 1\n", "write the value out"),
    ],
)
def test_the_hint_says_what_to_write(text, hint):
    with pytest.raises(ConfigError) as caught:
        compile_policy(text.encode(), "p.yaml")
    assert caught.value.hint == hint


def test_one_span_needs_no_list():
    policy = compile_policy(rule("effect: window", "open: Mon-Fri 09:00-17:00").encode(), "p.yaml")
    (span,) = policy.rules[0].schedule.opens
    assert (sorted(span.weekdays), span.start, span.end) == ([0, 1, 2, 3, 4], 540, 1020)
