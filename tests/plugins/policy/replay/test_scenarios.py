"""Scenario files: what they may say, and that they are played by the real engine."""

from datetime import UTC, datetime

import pytest

from codespar_cli.errors import ConfigError
from codespar_cli.plugins.policy.replay.scenario_reader import read_scenarios
from codespar_cli.workbench import run_scenarios

POLICY = """\
version: 1
timezone: America/Sao_Paulo
hold_ttl: 10m
rules:
  - {id: no-force, effect: deny, tools: [git/push], when: {args.force: true}, reason: force pushes rewrite history}
  - {id: big, effect: deny, tools: [num], when: {args.n: {gt: 1.5}}}
  - {id: ask, effect: approve, tools: ["deploy/**"], quorum: 2, approvers: [ann, bob, bot], expires: 10m}
  - {id: day, effect: budget, tools: ["paid/**"], limit: "50.00", per: agent, window: calendar day}
  - {id: pace, effect: rate, tools: ["mail/**"], limit: 2 per 1h}
  - {id: hours, effect: window, tools: [late], open: ["Mon-Fri 08:00-18:00"]}
  - {id: prod, effect: deny, tools: [env], when: {environment: prod}}
  - {id: all, effect: allow}
"""
AT = "2026-11-23T09:00"


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY)

    def write(*calls, name="one", text=None):
        listed = "".join(f"      - {call}\n" for call in calls)
        path = tmp_path / "s_test.yaml"
        path.write_text(
            text if text is not None else f"policy: policy.yaml\nscenarios:\n  - name: {name}\n    calls:\n{listed}"
        )
        return path

    return write


@pytest.fixture
def play(suite):
    def run(*calls):
        (result,) = run_scenarios([suite(*calls)])
        return result

    return run


def refused(suite, *calls, text=None):
    with pytest.raises(ConfigError) as caught:
        read_scenarios(suite(*calls, text=text))
    return caught.value


def test_a_budget_over_two_days_of_the_policys_timezone(play):
    result = play(
        f"{{at: {AT}, agent: a, tool: paid/x, cost: '30', settle: 45.5, expect: allow, rule_id: all}}",
        "{at: +1h, agent: a, tool: paid/x, cost: 30, expect: deny, code: budget_exceeded, rule_id: day, retry_after: 14h}",
        "{agent: b, tool: paid/x, cost: 30, expect: allow}",
        "{at: 2026-11-24T00:00, agent: a, tool: paid/x, cost: 30, expect: allow}",
        "{at: 2026-11-24T03:00:01Z, agent: a, tool: paid/x, cost: 30, expect: deny}",
    )
    assert (result.failure, result.calls) == (None, 5)


def test_released_money_is_back_and_a_hold_expires(play):
    spend = "agent: a, tool: paid/x, cost: 50"
    assert play(
        f"{{at: {AT}, {spend}, release: true, expect: allow}}",
        f"{{{spend}, expect: allow}}",
        f"{{at: +9m, {spend}, expect: deny, retry_after: 60}}",
        f"{{at: +1m, {spend}, expect: allow}}",
    ).passed


def test_the_clock_may_be_set_back_and_refills_nothing(play):
    assert play(
        f"{{at: {AT}, agent: a, tool: mail/x, expect: allow}}",
        "{agent: a, tool: mail/x, expect: allow}",
        "{at: -3h, agent: a, tool: mail/x, expect: deny, code: rate_limited}",
        "{agent: a, tool: late, expect: deny, code: outside_window}",
        f"{{at: {AT}, agent: a, tool: late, expect: allow}}",
    ).passed


def test_votes_and_who_may_not_vote(play):
    deploy = "agent: bot, tool: deploy/run, args: {v: 1}"
    assert play(
        f"{{at: {AT}, {deploy}, expect: approve, code: approval_required, rule_id: ask}}",
        f"{{at: +1m, {deploy}, approve_as: [ann, bot, mallory], expect: approve}}",
        f"{{at: +1m, {deploy}, approve_as: [bob], expect: allow}}",
        f"{{at: +1m, {deploy}, deny_as: [ann], expect: deny, code: approval_invalid}}",
    ).passed
    failure = play(f"{{at: {AT}, {deploy}, approve_as: [ann, bot], expect: allow}}").failure
    assert (failure.expected, failure.found) == ("allow", "approve approval_required by rule ask")
    assert failure.explained[0].startswith("the vote of bot was refused: `bot` asked for ap-")
    assert failure.explained[-1] == "approval approve ask needs 2 of ann, bob, bot, 1 so far"


def test_a_vote_nobody_asked_for_does_not_make_the_call_twice(play):
    assert play(
        f"{{at: {AT}, agent: a, tool: mail/x, approve_as: [ann], expect: allow}}",
        "{agent: a, tool: mail/x, expect: allow}",
        "{agent: a, tool: mail/x, expect: deny}",
    ).passed


def test_each_scenario_begins_with_nothing_counted(suite):
    spend = f"      - {{at: {AT}, agent: a, tool: paid/x, cost: 50, expect: allow}}\n"
    names = ["policy: policy.yaml\nscenarios:\n", *(f"  - name: {name}\n    calls:\n{spend}" for name in "abc")]
    assert [result.passed for result in run_scenarios([suite(text="".join(names))])] == [True] * 3


def test_arguments_are_what_json_would_make_of_them(suite):
    text = "{a: 1, b: 1.5, c: [true, null, {d: x}], e: '1', f: \"\", g: -2, h: no-guess}"
    (call,) = read_scenarios(suite(f"{{at: {AT}, agent: a, tool: t, args: {text}, expect: allow}}")).scenarios[0].calls
    assert call.args == {"a": 1, "b": 1.5, "c": [True, None, {"d": "x"}], "e": "1", "f": "", "g": -2, "h": "no-guess"}
    assert [type(call.args[key]) for key in "abe"] == [int, float, str]


def test_conditions_see_arguments_context_and_environment(play):
    assert play(
        f"{{at: {AT}, agent: a, tool: num, args: {{n: 1.5}}, expect: allow}}",
        "{agent: a, tool: num, args: {n: 1.6}, expect: deny, rule_id: big}",
        "{agent: a, tool: num, args: {n: '1.6'}, expect: allow}",
        "{agent: a, tool: env, environment: prod, expect: deny}",
        "{agent: a, tool: env, environment: dev, session: s, tenant: acme, context: {team: x}, expect: allow}",
        "{agent: a, tool: 'bad name', expect: deny, code: invalid_request}",
        "{agent: a, tool: paid/x, cost: -1, expect: deny, code: invalid_request}",
        "{agent: a, tool: paid/x, expect: deny, code: cost_unknown}",
        "{agent: a, tool: paid/x, cost: 51, expect: deny, retry_after: never}",
    ).passed


@pytest.mark.parametrize("word", ["null", "none"])
def test_an_answer_may_be_expected_to_give_no_time(play, word):
    assert play(
        f"{{at: {AT}, agent: a, tool: git/push, args: {{force: true}}, expect: deny, retry_after: {word}}}"
    ).passed
    failure = play(f"{{at: {AT}, agent: a, tool: paid/x, cost: 51, expect: deny, retry_after: {word}}}").failure
    assert (failure.expected, failure.found) == ("deny, retry after none", "deny, retry after never")


def test_a_vote_on_a_call_that_was_denied_at_once_is_told(play):
    call = f"{{at: {AT}, agent: a, tool: git/push, args: {{force: true}}, approve_as: [ann], expect: allow}}"
    assert play(call).failure.explained[0] == "nobody was asked to vote: the call was denied at once"


def test_the_first_call_needs_a_moment_and_the_hint_is_whole(suite):
    assert refused(suite, "{agent: a, tool: x, expect: allow}").hint == (
        "the first call is made at a time such as 2026-11-23T09:00"
    )


@pytest.mark.parametrize(
    ("call", "expected", "found"),
    [
        ("tool: git/push, args: {force: true}, expect: allow", "allow", "deny denied_by_rule by rule no-force"),
        ("tool: git/push, expect: deny", "deny", "allow by rule all"),
        ("tool: x, expect: allow, rule_id: other", "allow by rule other", "allow by rule all"),
        ("tool: x, expect: allow, code: x", "allow x", "allow"),
        ("tool: paid/x, cost: 51, expect: deny, code: x", "deny x", "deny budget_exceeded"),
        ("tool: late, expect: allow, retry_after: 5", "allow, retry after 5s", "allow, retry after none"),
    ],
)
def test_what_is_told_of_a_failure(play, call, expected, found):
    failure = play(f"{{at: {AT}, agent: a, {call}}}").failure
    assert (failure.call, failure.line, failure.expected, failure.found) == (1, 5, expected, found)


def test_the_failure_names_the_trace_line_that_explains_it(play):
    failure = play(f"{{at: {AT}, agent: a, tool: git/push, args: {{force: true}}, expect: allow}}").failure
    assert failure.explained == (
        "at 2026-11-23T12:00:00.000000Z: force pushes rewrite history",
        "deny fail no-force force pushes rewrite history",
    )


def test_a_scenario_stops_at_its_first_failure(play):
    result = play(
        f"{{at: {AT}, agent: a, tool: x, expect: deny}}",
        "{agent: a, tool: x, expect: deny}",
    )
    assert (result.calls, result.failure.call) == (1, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("agent: a, tool: t, expect: allow", "missing key `at`"),
        (f"at: {AT}, tool: t, expect: allow", "missing key `agent`"),
        (f"at: {AT}, agent: a, tool: t", "missing key `expect`"),
        (f"at: {AT}, agent: a, tool: t, expect: yes", "quote it"),
        (f"at: {AT}, agent: a, tool: t, expect: allowed", "expected one of `allow`, `deny`, `approve`"),
        (f"at: {AT}, agent: a, tool: t, expect: allow, extra: 1", "unknown key `extra`"),
        (f"at: {AT}, agent: a, agent: b, tool: t, expect: allow", "key `agent` is given twice"),
        (f"at: {AT}, agent: a, tool: t, expect: deny, settle: 1", "only a call that is expected to be allowed"),
        (f"at: {AT}, agent: a, tool: t, expect: allow, settle: -1", "expected a number from 0"),
        (f"at: {AT}, agent: a, tool: t, expect: allow, settle: 1, release: true", "not both"),
        (f"at: {AT}, agent: a, tool: t, expect: allow, args: [1]", "expected a table, found a list"),
        (f"at: {AT}, agent: a, tool: t, expect: allow, args: {{n: 0x1F}}", "several numbers"),
        (f"at: {AT}, agent: a, tool: t, expect: deny, retry_after: soon", "expected a duration"),
        ("at: +10m, agent: a, tool: t, expect: allow", "this is the first"),
        ("at: monday, agent: a, tool: t, expect: allow", "expected a time such as"),
        ("at: 2018-11-04T00:30, agent: a, tool: t, expect: allow", "the hour is left out that day"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(suite, call, message):
    error = refused(suite, f"{{{call}}}")
    assert message in error.message
    assert (error.line, error.exit_code) == (5, 2)
    assert error.file.endswith("s_test.yaml")


def test_an_hour_that_comes_twice_is_the_first(suite):
    call = "{at: 2018-02-17T23:30, agent: a, tool: t, expect: allow}"
    (read,) = read_scenarios(suite(call)).scenarios[0].calls
    assert read.moment == datetime(2018, 2, 18, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("policy: policy.yaml\nscenarios: []\n", "the list is empty", 2),
        ("policy: none.yaml\nscenarios: []\n", "there is no file", 1),
        ("scenarios: []\n", "missing key `policy`", 1),
        ("policy: policy.yaml\nscenarios:\n  - name: a\n    calls: []\n", "the list is empty", 4),
        ("policy: policy.yaml\nscenarios:\n  - calls: []\n", "missing key `name`", 3),
        ("policy: [\n", "not YAML", 2),
        ("- policy\n", "expected a table, found a list", 1),
    ],
)
def test_a_file_that_is_none(suite, text, message, line):
    error = refused(suite, text=text)
    assert message in error.message
    assert error.line == line


def test_two_scenarios_of_one_name_are_refused(suite):
    one = f"  - name: a\n    calls: [{{at: {AT}, agent: a, tool: t, expect: allow}}]\n"
    error = refused(suite, text=f"policy: policy.yaml\nscenarios:\n{one}{one}")
    assert (error.message, error.line) == ("scenario `a`: name: given twice, first in line 3", 5)


def test_a_broken_policy_is_told_with_its_own_line(suite, tmp_path):
    path = suite(f"{{at: {AT}, agent: a, tool: t, expect: allow}}")
    (tmp_path / "policy.yaml").write_text("version: 1\nrulez: []\n")
    with pytest.raises(ConfigError) as caught:
        read_scenarios(path)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "policy.yaml"), 2)
