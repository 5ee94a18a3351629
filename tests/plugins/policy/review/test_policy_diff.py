import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import World

from codespar_cli.cli.app import run
from codespar_cli.plugins.policy.language.policy_reader import compile_policy
from codespar_cli.plugins.policy.review.diff import differences

RULES = """\
version: 1
timezone: UTC
costs: {"pay/*": "2.50"}
rules:
  - {id: ask, effect: approve, tools: ["deploy/**"], quorum: 2, approvers: [ann, bob, cleo], expires: 10m}
  - {id: day, effect: budget, tools: ["pay/**"], limit: "50.00", per: agent, window: calendar day}
  - {id: hours, effect: window, tools: ["deploy/**"], open: ["Mon-Fri 08:00-18:00"], closed: ["2026-12-25"]}
  - {id: no-force, effect: deny, tools: [git/push], when: {args.force: true}}
  - {id: pace, effect: rate, limit: 10 per 1h}
  - {id: yes-1, effect: allow, tools: ["fs/*", "deploy/**", "pay/**"]}
"""


def read(text):
    return compile_policy(text.encode(), "policy.yaml")


def changed(old, new, *, before=RULES):
    """The differences after one piece of the text has been replaced."""
    assert before.count(old) == 1, old
    return differences(read(before), read(before.replace(old, new)))


def only(old, new):
    (change,) = changed(old, new)
    return change


def test_order_comments_quotes_and_spelling_never_count():
    same = """\
# the same, written by somebody else
rules:
  - id: yes-1
    effect: "allow"
    tools:
      - pay/**
      - deploy/**   # and deploys
      - fs/*
  - {id: pace, effect: rate, limit: 10 per 60m, per: tenant}
  - {id: no-force, when: {args.force: [true]}, effect: deny, tools: git/push}
  - {id: hours, effect: window, tools: ["deploy/**"], open: ["Mon,Tue,Wed,Thu,Fri 08:00-18:00"], closed: ["2026-12-25"]}
  - {id: day, effect: budget, tools: ["pay/**"], limit: "50", per: [agent], window: calendar day}
  - {id: ask, effect: approve, tools: ["deploy/**"], quorum: 2, approvers: [cleo, bob, ann]}
costs: {"pay/*": 2.5}
hold_ttl: 600s
default: deny
currency: USD
"""
    assert differences(read(RULES), read(same)) == []


def test_rules_that_come_and_go():
    line = "  - {id: no-force, effect: deny, tools: [git/push], when: {args.force: true}}\n"
    (gone,) = changed(line, "")
    assert gone[:7] == ("no-force", "removed", None, "deny", None, "loosens", 8)
    (come,) = differences(read(RULES.replace(line, "")), read(RULES))
    assert come[:7] == ("no-force", "added", None, None, "deny", "tightens", 8)


def test_an_allow_is_the_other_way_round():
    line = '  - {id: yes-1, effect: allow, tools: ["fs/*", "deploy/**", "pay/**"]}\n'
    assert changed(line, "")[0].direction == "tightens"
    assert differences(read(RULES.replace(line, "")), read(RULES))[0].direction == "loosens"
    # Where the default is to allow, an allow rule decides nothing.
    allowing = RULES.replace("timezone: UTC", "default: allow")
    assert changed(line, "", before=allowing)[0].direction == "changes"
    assert changed('["fs/*", "deploy/**", "pay/**"]', '["fs/*"]', before=allowing)[0].direction == "changes"


LOOSENS, TIGHTENS, CHANGES = "loosens", "tightens", "changes"
FIELDS = [
    ("quorum: 2", "quorum: 1", "quorum", LOOSENS),
    ("quorum: 2", "quorum: 3", "quorum", TIGHTENS),
    ("[ann, bob, cleo]", "[ann, bob, cleo, dan]", "approvers", LOOSENS),
    ("[ann, bob, cleo]", "[ann, bob]", "approvers", TIGHTENS),
    ("[ann, bob, cleo]", "[ann, bob, dan]", "approvers", CHANGES),
    (", approvers: [ann, bob, cleo]", "", "approvers", LOOSENS),
    ("expires: 10m", "expires: 1h", "expires", LOOSENS),
    ("expires: 10m", "expires: 5m", "expires", TIGHTENS),
    ("expires: 10m", "allow_self: true", "allow_self", LOOSENS),
    ('"50.00"', '"60.00"', "limit", LOOSENS),
    ('"50.00"', '"49.99"', "limit", TIGHTENS),
    ("10 per 1h", "11 per 1h", "limit", LOOSENS),
    ("10 per 1h", "9 per 1h", "limit", TIGHTENS),
    ("10 per 1h", "20 per 24h", "limit", CHANGES),
    ("10 per 1h", "1/s burst 10", "limit", CHANGES),
    ("calendar day}", "calendar day, agents: [x]}", "agents", LOOSENS),
    ('tools: ["deploy/**"], quorum', "tools: [deploy/run], quorum", "tools", LOOSENS),
    ('tools: ["deploy/**"], quorum', 'tools: ["deploy/**", ship/it], quorum', "tools", TIGHTENS),
    ('tools: ["deploy/**"], quorum', 'tools: ["ship/**"], quorum', "tools", CHANGES),
    ('"fs/*", ', '"fs/*", "web/*", ', "tools", LOOSENS),
    ('"fs/*", ', "", "tools", TIGHTENS),
    ("when: {args.force: true}", "reason: because, when: {args.force: true}", "reason", CHANGES),
    (", when: {args.force: true}", "", "when", TIGHTENS),
    ("{args.force: true}", "{args.force: [true, 1]}", "when", TIGHTENS),
    ("{args.force: true}", "{args.force: true, args.branch: main}", "when", LOOSENS),
    ("{args.force: true}", "{args.force: 1}", "when", CHANGES),
    ("{args.force: true}", "{args.forced: true}", "when", CHANGES),
    ("08:00-18:00", "08:00-20:00", "open", LOOSENS),
    ("08:00-18:00", "09:00-18:00", "open", TIGHTENS),
    ("08:00-18:00", "09:00-20:00", "open", CHANGES),
    ("08:00-18:00", "22:00-06:00", "open", CHANGES),
    ("Mon-Fri 08", "Mon-Sat 08", "open", LOOSENS),
    ('["2026-12-25"]', '["2026-12-24..2026-12-26"]', "closed", TIGHTENS),
    ('["Mon-Fri 08:00-18:00"]', '["Mon-Fri 08:00-18:00", "Sat"]', "open", LOOSENS),
    ('open: ["Mon-Fri 08:00-18:00"], ', "", "open", LOOSENS),
    ('["2026-12-25"]', '["2026-12-25", "2027-01-01"]', "closed", TIGHTENS),
    (', closed: ["2026-12-25"]', "", "closed", LOOSENS),
]


@pytest.mark.parametrize(
    ("old", "new", "field", "direction"), FIELDS, ids=[f"{old} -> {new}" for old, new, *_ in FIELDS]
)
def test_a_field_is_classed_where_that_is_certain(old, new, field, direction):
    change = only(old, new)
    assert (change.change, change.field, change.direction) == ("changed", field, direction)


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("{gt: 5}", "{gt: 7}", LOOSENS),
        ("{gt: 5}", "{gt: 3}", TIGHTENS),
        ("{lte: 5}", "{lte: 7}", TIGHTENS),
        ("{lte: 5}", '{lte: "7"}', CHANGES),
        ("{gt: 5}", "{gte: 5}", CHANGES),
        ("{gt: 5}", "{gt: 5, lt: 9}", LOOSENS),
        ("{not: [a, b]}", "{not: [a]}", TIGHTENS),
        ("{not: [a]}", "{not: [a, b]}", LOOSENS),
        ('{glob: ["a*", "b*"]}', '{glob: ["a*"]}', LOOSENS),
        ("a", "{not: b}", CHANGES),
        ("[a, b]", "[a, c]", CHANGES),
    ],
)
def test_operators(old, new, direction):
    before = RULES.replace("{args.force: true}", f"{{args.x: {old}}}")
    after = RULES.replace("{args.force: true}", f"{{args.x: {new}}}")
    (change,) = differences(read(before), read(after))
    assert (change.field, change.direction) == ("when", direction)


def test_a_cost_is_money_however_it_is_written():
    def above(text):
        return read(RULES.replace("{args.force: true}", f"{{cost: {{gte: {text}}}}}"))

    assert differences(above('"200.00"'), above("200")) == []
    assert differences(above('"200.00"'), above('"100.00"'))[0].direction == "tightens"


def test_five_is_five_however_it_is_written():
    def with_cost(text):
        return read(RULES.replace("{args.force: true}", f"{{args.x: {text}}}"))

    assert differences(with_cost("5"), with_cost("5.0")) == []
    assert differences(with_cost("1"), with_cost("true")) != []
    assert differences(with_cost("5"), with_cost('"5"')) != []


@pytest.mark.parametrize(
    ("old", "new", "field", "direction"),
    [
        ("calendar day", "calendar month", "window", CHANGES),  # tighter, but at first nothing counts as spent
        ("calendar month", "calendar day", "window", LOOSENS),
        ("calendar week", "calendar month", "window", CHANGES),
        ("total", "rolling 24h", "window", LOOSENS),
        ("rolling 24h", "rolling 12h", "window", LOOSENS),
        ("per: agent", "per: project", "per", CHANGES),
        ("per: agent", "per: [agent, tool]", "per", LOOSENS),
        ("per: agent", "per: tenant", "per", CHANGES),
        ("10 per 1h", "10 per 30m", "limit", LOOSENS),
        ("10 per 1h", "10 per 2h", "limit", CHANGES),
    ],
)
def test_new_counters_are_told_of(old, new, field, direction):
    before = RULES.replace("calendar day", old) if field == "window" else RULES
    change = changed(old, new, before=before)[0]
    assert (change.field, change.direction, change.restarts) == (field, direction, True)


def test_a_tighter_limit_beside_new_counters_is_not_called_tighter():
    limit, window = changed(
        'limit: "50.00", per: agent, window: calendar day', 'limit: "40.00", per: agent, window: total'
    )
    assert (limit.field, limit.direction, limit.restarts) == ("limit", "changes", False)
    assert (window.field, window.direction, window.restarts) == ("window", "changes", True)


def test_counters_that_go_on_are_not_told_of():
    assert not only('"50.00"', '"60.00"').restarts
    assert not only("10 per 1h", "11 per 1h").restarts


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("effect: deny", "effect: allow", LOOSENS),
        ("effect: deny", "effect: approve", LOOSENS),
        ("effect: deny, tools: [git/push]", "effect: allow, tools: [git/*]", CHANGES),
    ],
)
def test_another_effect(old, new, direction):
    change = changed(old, new)[0]
    assert (change.field, change.before, change.direction) == ("effect", "deny", direction)


def test_the_top_of_the_file():
    new = RULES.replace("timezone: UTC", "timezone: Asia/Tokyo\ncurrency: EUR\ndefault: allow\nhold_ttl: 5m")
    new = new.replace('{"pay/*": "2.50"}', '{"pay/*": "3", "x": "1"}')
    found = {change.field: change for change in differences(read(RULES), read(new))}
    told = {field: (change.before, change.after, change.direction) for field, change in found.items()}
    assert told == {
        "timezone": ("UTC", "Asia/Tokyo", "changes"),
        "currency": ("USD", "EUR", "changes"),
        "default": ("deny", "allow", "loosens"),
        "costs.pay/*": ("2.50", "3.00", "tightens"),
        "costs.x": (None, "1.00", "changes"),
        "hold_ttl": ("10m", "5m", "loosens"),
    }
    assert [field for field, change in found.items() if change.restarts] == ["currency"]


def test_a_price_that_a_condition_reads_may_go_either_way():
    conditional = RULES.replace("{args.force: true}", "{cost: {gt: 3}}")
    (change,) = changed('"2.50"', '"3.50"', before=conditional)
    assert change.direction == "changes"


# ── the command ──


@pytest.fixture
def diff(newcomer, capsys):
    Path("a.yaml").write_text(RULES)

    def call(text, *words):
        Path("b.yaml").write_text(text)
        code = run(["policy", "diff", "a.yaml", "b.yaml", *words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_exit_codes_are_those_of_diff(diff):
    assert diff("# same\n" + RULES) == (0, "", "both mean the same\n")
    assert diff(RULES.replace("quorum: 2", "quorum: 1"))[0] == 1
    code, out, err = diff(RULES.replace("quorum: 2", "quorum: two"))
    assert (code, out) == (2, "")
    assert err.startswith("error: b.yaml:5: ")
    assert run(["policy", "diff", "a.yaml", "nowhere.yaml"]) == 2


def test_the_table_says_what_changes_and_what_is_forgotten(diff):
    _, out, _ = diff(RULES.replace('limit: "50.00", per: agent', 'limit: "75.00"').replace("quorum: 2", "quorum: 3"))
    assert out == (
        "RULE  CHANGE   FIELD   FROM   TO      MEANS     COUNTERS\n"
        "ask   changed  quorum  2      3       tightens\n"
        "day   changed  limit   50.00  75.00   loosens\n"
        "day   changed  per     agent  tenant  changes   start anew\n"
        "3 differences: 1 loosens, 1 tightens, 1 may go either way\n"
        "counters start anew, what was spent or called so far no longer counts: day\n"
    )


def test_json_has_stable_keys(diff):
    code, out, _ = diff(RULES.replace("calendar day", "rolling 24h"), "-o", "json")
    assert code == 1
    assert json.loads(out) == {
        "same": False,
        "changes": [
            {
                "rule_id": "day",
                "change": "changed",
                "field": "window",
                "from": "calendar day",
                "to": "rolling 24h",
                "direction": "changes",
                "counters_restart": True,
                "line": 6,
            }
        ],
    }
    assert json.loads(diff(RULES, "-o", "json")[1]) == {"same": True, "changes": []}


def test_what_a_file_holds_cannot_harm_a_terminal(diff):
    _, out, _ = diff(RULES.replace("when: {args.force: true}", 'reason: "a\\x1b[31m", when: {args.force: true}'))
    assert "\x1b" not in out


# ── what is said, held against the engine ──

NAMES = ("a/x", "a/*", "**", "shell", "Bash", "*/x", "a_b/x", "a/b_x", "a_b/*", "mcp_a_*", "mcp_a_b_x", "mcp__a__x")
PATTERNS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True)
WHEN = st.sampled_from(
    [
        {"args.n": 1},
        {"args.n": [1, 2]},
        {"args.n": {"gt": 0}},
        {"args.n": {"gt": 1}},
        {"args.n": {"not": 1}},
        {"args.n": {"not": [1, 2]}},
        {"args.n": {"lte": 2}},
        {"args.n": {"lte": 2}, "args.s": "x"},
        {"args.s": {"glob": ["x", "y*"]}},
        {"args.s": {"glob": "x"}},
    ]
)
ABOUT = {"tools": PATTERNS, "agents": st.sampled_from((["one"], ["one", "two"], ["*"])), "when": WHEN}
PERIODS = st.sampled_from(("calendar day", "calendar week", "calendar month", "total", "rolling 24h", "rolling 1h"))
OWN = {
    "deny": {},
    "allow": {},
    "approve": {},
    "budget": {
        "limit": st.sampled_from(("1", "3", "5")),
        "window": PERIODS,
        "per": st.sampled_from(("tenant", "agent", ["agent", "tool"])),
    },
    "rate": {
        "limit": st.sampled_from(("1 per 1h", "2 per 1h", "2 per 24h", "1/h burst 1", "1/h burst 2", "1/m burst 2")),
        "per": st.sampled_from(("tenant", "agent")),
    },
    "window": {
        "open": st.sampled_from((["Mon"], ["Mon", "Tue"], ["Tue"], ["Mon 11:00-13:00"], ["Mon 12:30-13:00"])),
        "closed": st.sampled_from((["2026-11-23"], ["2026-12-25"], ["2026-11-20..2026-11-24"])),
    },
}


@st.composite
def rule(draw, name, effect):
    """The fields that such a rule must have, and some of those that any may have."""
    optional = {field: value for field, value in ABOUT.items() if draw(st.booleans())}
    fields = {**OWN[effect], **optional}
    return {"id": name, "effect": effect, **{field: draw(value) for field, value in fields.items()}}


def world(rules):
    return World(*rules, costs={"**": "1"})


CALLS = [
    (agent, tool, cost, args)
    for agent in ("one", "two", "three")
    for tool in ("a/x", "b/x", "Bash", "shell", "mcp_a_b_x", "mcp__a__x", "MCP:a:b_x")
    for cost in ("1", "4")
    for args in (None, {"n": 1, "s": "x"}, {"n": 2, "s": "y1"}, {"n": 3})
]


@settings(max_examples=300)
@given(st.data(), st.sampled_from(sorted(OWN)))
def test_what_loosens_denies_nothing_that_was_allowed(data, effect):
    first = data.draw(rule("r", effect))
    second = {**first, **data.draw(rule("r", effect)), "id": "r"}
    field = data.draw(st.sampled_from(sorted({*second} - {"id", "effect"}) or ["id"]))
    second = {**first, field: second[field]}
    for absent in data.draw(st.sampled_from(([], ["when"], ["agents"], ["tools"]))):
        second.pop(absent, None)
    rest = [] if effect == "allow" else [{"id": "zz", "effect": "allow"}]
    before, after = world([first, *rest]), world([second, *rest])
    directions = {change.direction for change in differences(before.engine._policy, after.engine._policy)}
    for agent, tool, cost, args in CALLS:
        was = before.look(tool, agent, cost, args=args).allowed
        then = after.look(tool, agent, cost, args=args).allowed
        assert was <= then or directions != {"loosens"}, (agent, tool, cost, args)
        assert was >= then or directions != {"tightens"}, (agent, tool, cost, args)
        assert was == then or directions, (agent, tool, cost, args)


IDLE = {"unreachable_allow", "unreachable_rule", "limit_never_reached", "never_allowed"}
KINDS = st.sampled_from(
    [("budget", "budget"), ("rate", "rate"), ("deny", "approve"), ("deny", "allow"), ("deny", "budget")]
)


@settings(max_examples=300)
@given(
    st.data(),
    KINDS,
    st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from((0, 7, 61, 1500))), min_size=8, max_size=24),
)
def test_a_rule_that_lint_calls_idle_can_be_left_out(data, kinds, calls):
    allow = {"id": "zz", "effect": "allow", "tools": data.draw(PATTERNS)}
    rules = [data.draw(rule(name, kind)) for name, kind in zip("pq", kinds, strict=True)] + [allow]
    idle = [finding.rule_id for finding in world(rules).engine.lint() if finding.code in IDLE]
    for name in idle:
        whole, without = world(rules), world([each for each in rules if each["id"] != name])
        for (agent, tool, cost, args), minutes in calls:
            for each in (whole, without):
                each.wait(minutes=minutes)
            answers = [each.ask(tool, agent, cost, args=args).allowed for each in (whole, without)]
            assert answers[0] == answers[1], name
