from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.language.policy_reader import compile_policy, load_policy

GOOD = """\
version: 1
timezone: America/Sao_Paulo
currency: USD
default: deny
hold_ttl: 5m
costs:
  "openai/**": "0.02"
rules:
  - id: no-force-push
    effect: deny
    tools: ["git/push"]
    when: {args.force: true, args.branch: [main, release], cost: {gte: 0, lt: "10.5"}, environment: {not: test}}
    reason: force pushes rewrite shared history
  - id: production-needs-two
    effect: approve
    tools: ["deploy/**"]
    when: {args.environment: production, context.autonomy: {lt: 4}, context.team: {glob: "pay/*"}}
    quorum: 2
    approvers: [release-lead, sre-oncall, cto]
    expires: 10m
    allow_self: false
  - id: procurement-day
    effect: budget
    agents: ["procurement-*"]
    limit: 5000.10
    per: [project, agent]
    window: calendar day
  - id: deploy-rate
    effect: rate
    tools: deploy/**
    limit: 10 per 1h
    per: project
  - {id: burst, effect: rate, limit: 1/s burst 10}
  - id: office-hours
    effect: window
    tools: ["deploy/**"]
    open: ["Mon-Fri 08:00-18:00", "Fri 22:00-06:00", 12:00-13:00]
    closed: [2026-12-25, 2026-12-24..2027-01-01, "Sat,Sun"]
  - id: reads-and-deploys
    effect: allow
    tools: ["fs/read", "github/get_*", "deploy/**"]
"""


def test_a_whole_file_is_compiled():
    policy = compile_policy(GOOD.encode(), "policy.yaml")
    assert [rule.id for rule in policy.rules] == sorted(rule.id for rule in policy.rules)
    rules = {rule.id: rule for rule in policy.rules}
    assert rules["procurement-day"].limit == 5_000_100_000
    assert rules["procurement-day"].per == ("agent", "project")
    assert rules["burst"].limit.burst == 10
    assert rules["production-needs-two"].quorum == 2
    assert (policy.zone.name, policy.currency, policy.allow_by_default) == ("America/Sao_Paulo", "USD", False)
    assert policy.hold_ttl == 300_000_000


def test_the_hash_is_what_sha256sum_prints(tmp_path):
    import hashlib

    (tmp_path / "p.yaml").write_text(GOOD)
    assert load_policy(tmp_path / "p.yaml").hash == hashlib.sha256(GOOD.encode()).hexdigest()


RULE = "rules:\n  - id: x\n    effect: {effect}\n    {line}\n"


def one(effect: str, *lines: str) -> str:
    return f"rules:\n  - id: x\n    effect: {effect}\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 2\nrules: []\n", 1, "expected 1"),
        ("version: 1\n", 1, "missing key `rules`"),
        ("rulez: []\nrules: []\n", 1, "unknown key `rulez`"),
        ("rules: {}\n", 1, "expected a list, found a table"),
        ("- 1\n", 1, "expected a table, found a list"),
        ("default: maybe\nrules: []\n", 1, "expected one of `deny`, `allow`"),
        ("default: on\nrules: []\n", 1, "quote it"),
        ("timezone: Mars/Olympus\nrules: []\n", 1, "IANA"),
        ("timezone: ../../etc/passwd\nrules: []\n", 1, "IANA"),
        ("currency: usd\nrules: []\n", 1, "currency code"),
        ("hold_ttl: 10\nrules: []\n", 1, "write `10s` or `10m`"),
        ("hold_ttl: 0s\nrules: []\n", 1, "duration"),
        ("costs: [1]\nrules: []\n", 1, "expected a table"),
        ("costs:\n  a: -1\nrules: []\n", 2, "a number from 0"),
        ("costs:\n  a: .nan\nrules: []\n", 2, "a number from 0"),
        ("costs:\n  'a b': 1\nrules: []\n", 2, "no tool can be named"),
        ("rules:\n  - effect: deny\n", 2, "missing key `id`"),
        ("rules:\n  - id: x\n", 2, "missing key `effect`"),
        ("rules:\n  - id: 'a b'\n    effect: deny\n", 2, "letters, digits"),
        ("rules:\n  - id: on\n    effect: deny\n", 2, "quote it"),
        ("rules:\n  - id: 12\n    effect: deny\n", 2, "quote it"),
        ("rules:\n  - {id: x, effect: deny}\n  - {id: x, effect: allow}\n", 3, "given twice, first in line 2"),
        (one("forbid"), 3, "expected one of `deny`"),
        (one("deny", "tool: [a]"), 4, "unknown key `tool`"),
        (one("deny", "quorum: 2"), 4, "unknown key `quorum`"),
        (one("deny", "tools: []"), 4, "empty"),
        (one("deny", "tools: [a, a]"), 4, "given twice"),
        (one("deny", "tools: [a, no]"), 4, "quote it"),
        (one("deny", "tools: [{a: 1}]"), 4, "expected a value, found a table"),
        (one("deny", "tools: ['a?']"), 4, "no tool can be named"),
        (one("deny", "tools: ['a**b']"), 4, "stand alone"),
        (one("deny", "when: {}"), 4, "empty"),
        (one("deny", "when: [a]"), 4, "expected a table"),
        (one("deny", "when: {arg.x: 1}"), 4, "unknown value `arg.x`"),
        (one("deny", "when: {args: 1}"), 4, "unknown value `args`"),
        (one("deny", "when: {args.: 1}"), 4, "unknown value"),
        (one("deny", "when: {cost: {more: 1}}"), 4, "unknown operator `more`"),
        (one("deny", "when: {cost: {gt: lots}}"), 4, "a number from 0"),
        (one("deny", "when: {args.x: {gt: true}}"), 4, "a number or text"),
        (one("deny", "when: {args.x: []}"), 4, "empty"),
        (one("deny", "when: {args.x: {}}"), 4, "empty"),
        (one("deny", "when: {args.x: }"), 4, "found nothing"),
        (one("deny", "when: {args.x: 0x10}"), 4, "several numbers"),
        (one("deny", "when: {args.x: 010}"), 4, "several numbers"),
        (one("deny", "when: {args.x: 1_000}"), 4, "several numbers"),
        (one("deny", "when: {args.x: Yes}"), 4, "quote it"),
        (one("deny", "when: {args.x: True}"), 4, "write `true`"),
        (one("approve", "quorum: 3", "approvers: [a, b]"), 4, "cannot be met by 2"),
        (one("approve", "quorum: 0"), 4, "above 0"),
        (one("approve", "quorum: 1.5"), 4, "above 0"),
        (one("approve", "approvers: [a, a]"), 4, "given twice"),
        (one("approve", "expires: soon"), 4, "duration"),
        (one("approve", "allow_self: yes"), 4, "quote it"),
        (one("budget", "limit: 1"), 2, "missing key `window`"),
        (one("budget", "window: total"), 2, "missing key `limit`"),
        (one("budget", "limit: 1", "window: 1d"), 5, "ambiguous"),
        (one("budget", "limit: 1", "window: calendar year"), 5, "calendar day|week|month"),
        (one("budget", "limit: 1", "window: rolling"), 5, "duration"),
        (one("budget", "limit: -1", "window: total"), 4, "amount"),
        (one("budget", "limit: 1e3", "window: total"), 4, "amount"),
        (one("budget", "limit: 0.0000001", "window: total"), 4, "6 digits"),
        (one("budget", "limit: 9999999999999", "window: total"), 4, "at most"),
        (one("budget", "limit: 1", "window: total", "per: user"), 6, "expected `agent`"),
        (one("budget", "limit: 1", "window: total", "per: []"), 6, "empty"),
        (one("rate", "limit: 10"), 4, "quote it"),
        (one("rate", "limit: 10/s"), 4, "burst N"),
        (one("rate", "limit: 0 per 1h"), 4, "whole numbers"),
        (one("rate", "limit: 10 per hour"), 4, "write `10 per 1h`"),
        (one("rate", "limit: 1/y burst 2"), 4, "expected `N per"),
        (one("window"), 2, "missing key `open`"),
        (one("window", "open: []"), 4, "list of spans"),
        (one("window", "open: {Mon: 08:00-09:00}"), 4, "expected a list"),
        (one("window", "open: [08:00-08:00]"), 4, "starts when it ends"),
        (one("window", "open: [24:00-08:00]"), 4, "only be an end"),
        (one("window", "open: [8:00-09:00]"), 4, "time of day"),
        (one("window", "open: [Moon 08:00-09:00]"), 4, "expected a day"),
        (one("window", "closed: [2026-02-30]"), 4, "expected a date"),
        (one("window", "closed: [2026-02-03..2026-02-01]"), 4, "ends before"),
        (one("window", "open: [Mon Tue 08:00-09:00]"), 4, "expected days and times"),
    ],
)
def test_every_mistake_is_an_error_with_its_line(text, line, words):
    with pytest.raises(ConfigError) as caught:
        compile_policy(text.encode(), "p.yaml")
    error = caught.value
    assert (error.file, error.line) == ("p.yaml", line)
    assert words in error.message
    assert "\n" not in error.message


def test_the_nearest_known_name_is_suggested():
    with pytest.raises(ConfigError) as caught:
        compile_policy(one("deny", "tolls: [a]").encode(), "p.yaml")
    assert caught.value.hint == "did you mean `tools`?"


def test_a_missing_file_names_the_key(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_policy(tmp_path / "policy.yaml")
    assert caught.value.key == "rules"


def test_an_unreadable_file_is_an_error_in_words(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_policy(tmp_path)
    assert "cannot be read: is a directory" in caught.value.message


def test_re2_patterns_name_the_extra_that_they_need():
    try:
        import re2  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError) as caught:
            compile_policy(one("deny", "tools: ['re2:a+']").encode(), "p.yaml")
        assert caught.value.code == "missing_extra"
        assert caught.value.file == "p.yaml"
    else:
        policy = compile_policy(one("deny", "tools: ['re2:a+']").encode(), "p.yaml")
        assert policy.plan("x", "aaa").denies
        assert not policy.plan("x", "ab").denies


@given(st.data())
def test_any_mutation_of_a_good_file_is_accepted_or_refused_never_a_traceback(data):
    text = GOOD
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 12))
        insert = data.draw(
            st.one_of(
                st.text(max_size=5),
                st.sampled_from([": ", "- ", "[", "}", "\n", "'", "&a ", "*a", "!!x ", "%", "yes", "\t"]),
            )
        )
        text = text[:start] + insert + text[start + length :]
    try:
        compile_policy(text.encode("utf-8", "surrogatepass"), "p.yaml")
    except ConfigError as error:
        assert error.file == "p.yaml"
        assert error.message


def test_an_example_of_the_contract_is_valid():
    page = Path(__file__).parents[4] / "docs" / "policy.md"
    blocks = page.read_text(encoding="utf-8").split("```yaml\n")[1:]
    assert blocks
    for block in blocks:
        text = block.partition("```")[0]
        if text.startswith("version"):
            compile_policy(text.encode(), "docs/policy.md")


def test_a_thousand_approvers_and_as_many_agents_are_read_at_once_and_more_are_refused():
    import json
    import time

    from codespar_cli.errors import ConfigError
    from codespar_cli.plugins.policy.language.policy_reader import compile_policy

    def compiled(people):
        rule = {"id": "ask", "effect": "approve", "approvers": [f"p{n}" for n in range(people)]}
        rule["agents"] = [f"p{n}" for n in range(4000)]
        compile_policy(json.dumps({"rules": [rule]}).encode(), "policy.yaml")

    started = time.thread_time()
    compiled(1000)
    assert time.thread_time() - started < 2  # 4,000 agents against 1,000 approvers each took minutes
    with pytest.raises(ConfigError, match="approvers: expected at most 1000, found 1001") as caught:
        compiled(1001)
    assert caught.value.line == 1


def test_a_list_of_tools_is_read_in_time_in_proportion_to_its_length():
    import time

    from codespar_cli.plugins.policy.language.document import parse
    from codespar_cli.plugins.policy.language.fields import Fields

    fields = Fields(parse(("tools: [" + ", ".join(f"t{n}" for n in range(40_000)) + "]").encode()), "rule", ["tools"])
    started = time.thread_time()
    assert len(fields.texts("tools")) == 40_000
    assert time.thread_time() - started < 1  # a search of what was read before for each took seven seconds
