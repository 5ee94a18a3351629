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
        (rule("effect: approve", "expires: 10"), 4, "quote it"),
        ("hold_ttl: 5\nrules: []\n", 1, "quote it"),
        ("rules:\n  - {id: a, effect: deny}\n  - {id: b, effect: deny}\n  - {id: a, effect: allow}\n", 4, "first in line 2"),
        ("rules:\n  - {id: a, id: b, effect: deny}\n", 2, "given twice"),
        ("rules: []\nrules: []\n", 2, "given twice"),
        ('costs: {"a/*": 1, "a/*": 2}\nrules: []\n', 1, "given twice"),
        (rule("effect: deny", "when: {args.x: 1, args.x: 2}"), 4, "given twice"),
        ("rules:\n  - {id: a, effect: deny, tools: [a**]}\n", 2, "stand alone"),
        ("rules:\n  - {id: a, effect: deny, agents: ['team**']}\n", 2, "stand alone"),
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
