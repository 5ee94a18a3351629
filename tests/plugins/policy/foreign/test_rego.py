import json
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from foreign_world import Foreign
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codespar_cli.core.hooks import CallContext
from codespar_cli.errors import CodesparError, ConfigError, MissingExtra
from codespar_cli.plugins.policy.foreign.foreign_policy import from_source
from codespar_cli.plugins.policy.foreign.rego_engines import _OWN, MOST
from codespar_cli.testing import PolicyContract

HEAD = "package codespar\n"
POLICY = """\
package codespar

deny contains {"id": "no-force", "reason": "force pushes rewrite shared history"} if {
	some tool in input.tools
	startswith(tool, "git/")
	input.args.force
}

approve contains {"id": "people", "quorum": 2, "approvers": ["ann", "bob", "cat"], "expires": "30m"} if {
	some tool in input.tools
	startswith(tool, "deploy/")
}

allow if input.agent != "mallory"
"""


def rego(tmp_path, foreign=POLICY, *more, **options):
    return Foreign(tmp_path, "rego", foreign, *more, **options)


def refused(tmp_path, foreign=POLICY, *more, **options):
    with pytest.raises(ConfigError) as caught:
        rego(tmp_path, foreign, *more, **options)
    return caught.value


class TestContract(PolicyContract):
    def make(self, tmp_path):
        return rego(tmp_path).engine


# ── the three stages ──


def test_deny_approve_and_allow(tmp_path):
    world = rego(tmp_path)
    decision = world.pure("git/push", args={"force": True})
    assert (decision.code, decision.rule_id) == ("denied_by_rule", "no-force")
    assert decision.reason == "force pushes rewrite shared history"
    assert world.pure("git/push", args={"force": False}).rule_id == "allow"
    assert world.pure(agent="mallory").code == "no_rule_allows"
    assert world.pure("deploy/x").requires_approval


def test_an_approval_goes_through_our_machinery_and_is_used_once(tmp_path):
    world = rego(tmp_path)
    call = {"tool": "deploy/run", "args": {"to": "production"}}
    asked = world.ask(**call)
    assert (asked.code, asked.rule_id) == ("approval_required", "people")
    with pytest.raises(CodesparError):
        world.engine.vote(asked.approval_id, "mallory", approves=True)
    world.engine.vote(asked.approval_id, "ann", approves=True)
    assert not world.ask(**call).allowed
    world.engine.vote(asked.approval_id, "bob", approves=True)
    assert not world.ask("deploy/run", args={"to": "elsewhere"}).allowed
    assert world.ask(**call).allowed
    assert not world.ask(**call).allowed


def test_our_budgets_and_windows_stay(tmp_path):
    rules = """
rules:
- {id: money, effect: budget, limit: "10", window: total}
- {id: hours, effect: window, tools: [late/*], open: ["01:00-02:00"]}
"""
    world = rego(tmp_path, POLICY, rules)
    assert world.ask(cost=6).allowed
    assert world.ask(cost=6).code == "budget_exceeded"
    assert world.ask("late/x", cost=1).code == "outside_window"
    assert world.engine.health().message == "3 rules of Rego from policy.rego; 2 rules from policy.yaml"


@pytest.mark.parametrize(
    ("rules", "answer"),
    [
        ("allow := true", (True, None, "allow")),
        ("allow := false", (False, "no_rule_allows", None)),
        ('allow := {"b-rule", "a-rule"}', (True, None, "a-rule")),
        ("allow := set()", (False, "no_rule_allows", None)),
        ("default allow := false\nallow if input.nosuch", (False, "no_rule_allows", None)),
        ("allow if input.nosuch", (False, "no_rule_allows", None)),
        ("deny := set()", (False, "no_rule_allows", None)),
        ("allow := true\ndeny := set()", (True, None, "allow")),
        ("allow := true\ndeny := false", (True, None, "allow")),
        ("allow := true\ndeny := true", (False, "denied_by_rule", "deny")),
        ('allow := true\ndeny := {"b", "a"}', (False, "denied_by_rule", "a")),
        ('allow := true\ndeny contains "never on a Monday"', (False, "denied_by_rule", "deny")),
        ('allow := true\napprove := {"ask"}', (False, "approval_required", "ask")),
        ('approve := {"ask"}', (False, "approval_required", "ask")),
    ],
)
def test_what_a_package_may_answer(tmp_path, rules, answer):
    decision = rego(tmp_path, HEAD + rules).pure()
    assert (decision.allowed, decision.code, decision.rule_id) == answer


WRONG = [
    ("allow", '"yes"'), ("allow", "1"), ("allow", "null"), ("allow", '{"a": true}'), ("allow", "{1}"), ("allow", '{"a b"}'),
    ("deny", '"no"'), ("deny", "1"), ("deny", "null"), ("deny", '{"a": 1}'), ("deny", "{1}"), ("deny", "{true}"),
    ("deny", '{{"id": 1}}'), ("deny", '{{"id": "x", "resaon": "y"}}'), ("deny", '{{"id": "x", "reason": 1}}'),
    ("deny", '{["a"]}'), ("approve", "true"), ("approve", '"x"'), ("approve", "{1}"), ("approve", "{{}}"),
    ("approve", '{{"id": "x", "quorum": "2"}}'), ("approve", '{{"id": "x", "quorum": 0}}'),
    ("approve", '{{"id": "x", "quorum": 1.5}}'), ("approve", '{{"id": "x", "quorum": true}}'),
    ("approve", '{{"id": "x", "quorum": 2, "approvers": ["ann"]}}'), ("approve", '{{"id": "x", "approvers": "ann"}}'),
    ("approve", '{{"id": "x", "approvers": [1]}}'), ("approve", '{{"id": "x", "expires": "soon"}}'),
    ("approve", '{{"id": "x", "expires": 10}}'), ("approve", '{{"id": "x", "who": "ann"}}'),
    ("approve", '{{"id": "x"}, {"id": "x", "quorum": 2}}'),
]  # fmt: skip


@pytest.mark.parametrize(("stage", "value"), WRONG)
def test_an_answer_of_another_shape_is_refused_at_load_or_denied(tmp_path, stage, value):
    other = "" if stage == "allow" else "allow := true\n"
    error = refused(tmp_path, f"{HEAD}{other}{stage} := {value}")
    assert stage in error.message
    assert error.file == str(tmp_path / "policy.rego")
    world = rego(tmp_path, f"{HEAD}{other}{stage} := {value} if input.args.now")
    for decision in (world.pure(args={"now": True}), world.ask(args={"now": True})):
        assert (decision.allowed, decision.code) == (False, "policy_error")
    assert world.pure().code == (None if other else "no_rule_allows")


def test_an_approval_with_the_id_of_our_own_rule_is_a_deny(tmp_path):
    policy = HEAD + 'allow := true\napprove contains {"id": "ours"} if input.args.x'
    world = rego(tmp_path, policy, "rules: [{id: ours, effect: approve}]")
    assert world.pure(args={"x": 1}).code == "policy_error"
    assert world.pure().code == "approval_required"


# ── the mapping ──

TRUE_OF_CALL = [
    'input.agent == "bot"', 'input.tool == "mcp__deploy__run"', '"deploy/run" in input.tools', 'input.args.text == "x"',
    "input.args.whole == -3", "input.args.same == 10", "input.args.part == 0.25", "input.args.none == null",
    'input.args.list == ["b", "a", "b"]', "input.args.deep.er.still == 1", "input.args.money == 12.34",
    "input.args.largest == 9223372036854775807", 'input.cost == "0.00001"', "input.cost_micros == 10",
    'input.project == "shop"', 'input.session == "s"', 'input.environment == "test"', 'input.tenant == "acme"',
    'input.context.team == "web"', 'input.now == "2026-11-23T12:00:00.000000Z"', "input.now_ns == 1795435200000000000",
    "time.parse_rfc3339_ns(input.now) == input.now_ns", "data.limits.web == 3", "data.codespar.lib.known",
]  # fmt: skip
ARGS = {
    "text": "x", "whole": -3, "same": 10.0, "part": 0.25, "none": None, "list": ["b", "a", "b"], "money": Decimal("12.34"),
    "deep": {"er": {"still": 1}}, "largest": 2**63 - 1,
}  # fmt: skip


@pytest.mark.parametrize("expression", TRUE_OF_CALL)
def test_what_a_policy_sees_of_a_call(tmp_path, expression):
    files = {"d.json": '{"limits": {"web": 3}}', "lib.rego": "package codespar.lib\nknown := true"}
    options = {"data": "d.json", "policies": ["policy.rego", "lib.rego"]}
    world = rego(tmp_path, f"{HEAD}allow if {{ {expression} }}", None, files, **options)
    context = {
        "project": "shop",
        "session": "s",
        "tenant": "acme",
        "environment": "test",
        "attributes": {"team": "web"},
    }
    decision = world.pure("mcp__deploy__run", "bot", "0.00001", args=ARGS, **context)
    assert decision.allowed, decision.reason


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"), Decimal("sNaN"), Decimal("0.1234567890123456789"),
        Decimal("1e400"), Decimal("1e-400"), b"x", {1, 2}, object(), {1: 2}, "\ud800", "x" * (1 << 20),
    ],
)  # fmt: skip
def test_what_rego_cannot_hold_is_a_deny(tmp_path, value):
    world = rego(tmp_path, HEAD + "allow := true")
    for context in ({"args": {"x": value}}, {"args": {"x": [{"y": value}]}}, {"attributes": {"x": value}}):
        decision = world.pure(**context)
        assert (decision.allowed, decision.code) == (False, "policy_error")
        assert world.ask(**context).code == "policy_error"
    assert world.pure().allowed


def test_hostile_nesting_of_arguments_is_a_deny(tmp_path):
    world, deep, loop = rego(tmp_path, HEAD + "allow := true"), {}, {}
    loop["x"] = loop
    at = deep
    for _ in range(100_000):
        at["x"] = {}
        at = at["x"]
    for args in (deep, loop, [1], 7, "x"):
        assert world.pure(args=args).code == "policy_error"


def test_all_names_limit_and_the_plain_ones_allow(tmp_path):
    policy = HEAD + 'allow if "a_b/c" in input.tools\nallow if "shell" in input.tools\n'
    world = rego(tmp_path, policy)
    assert world.pure("Bash").allowed
    assert not world.pure("BASH").allowed
    assert world.pure("a_b/c").allowed
    assert not world.pure("mcp_a_b_c").allowed
    world = rego(tmp_path, HEAD + 'allow := true\ndeny contains "no" if "shell" in input.tools')
    for tool in ("shell", "Bash", "BASH"):
        assert world.pure(tool).rule_id == "no"


# ── errors ──


@pytest.mark.parametrize(
    "condition",
    [
        "to_number(input.args.text) > 5", "input.args.text + 1 > 5", 'startswith(input.args.number, "a")',
        'regex.match(input.args.text, "x")', "1 / (input.args.number - 7) > 1",
    ],
)  # fmt: skip
def test_a_deny_whose_evaluation_errs_denies(tmp_path, condition):
    world = rego(tmp_path, f'{HEAD}allow := true\ndeny contains "no" if {{ {condition} }}')
    args = {"text": "s3cret(", "number": 7}
    for decision in (world.pure(args=args), world.ask(args=args)):
        assert (decision.allowed, decision.code, decision.stage) == (False, "policy_error", "engine")
        assert "policy.rego:3" in decision.reason
        assert "s3cret" not in decision.reason


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=3), st.decimals()
)
VALUES = st.recursive(
    SCALARS, lambda of: st.one_of(st.lists(of, max_size=3), st.dictionaries(st.text(max_size=5), of, max_size=3))
)
ARGUMENTS = st.dictionaries(st.sampled_from(["force", "a", "", "é"]), VALUES, max_size=4)


@pytest.fixture(scope="module")
def forced(tmp_path_factory):
    policy = (
        HEAD + 'default safe := false\nsafe if input.args.force == false\nallow := true\ndeny contains "no" if not safe'
    )
    return rego(tmp_path_factory.mktemp("forced"), policy)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(args=st.one_of(st.none(), ARGUMENTS), attributes=ARGUMENTS)
def test_only_what_the_deny_can_read_as_false_is_allowed(forced, args, attributes):
    decision = forced.engine.decide("a", "t", context=CallContext(args=args, attributes=attributes))
    if decision.allowed:
        assert args["force"] is False
    else:
        assert decision.code in {"denied_by_rule", "policy_error"}


BAD = [
    ("allow if {\n  input.x ==== 1\n}", 3, "expecting expression"),
    ("allow {\n input.x }", 2, "`if` keyword"),
    ("allow if { nosuch(1) }", 2, "could not find function nosuch"),
    ("allow if { y == 1 }", 2, "unsafe"),
    ("allow := true\nallow := false", 3, "conflicts"),
    ("allow if x\nx if y\ny if x", 3, "recursion"),
    ('allow if {\n r := http.send({"url": "http://localhost"})\n r.status_code == 200 }', 3, "`http.send` is not available"),
    ('allow if http["send"]({})', 2, "`http.send` is not available"),
    ("allow if input.x with http.send as input.y", 2, "`http.send` is not available"),
    ("allow if opa.runtime().env.HOME", 2, "`opa.runtime` is not available"),
    ("allow if time.now_ns() > 1", 2, "the time of a call is `input.now_ns`"),
    ('allow if rand.intn("a", 2) == 1', 2, "answers alike"),
    ('allow if uuid.rfc4122("a") == "x"', 2, "answers alike"),
    ('deny contains "x" if units.parse(input.args.text) > 1', 2, "would not deny"),
    ('deny contains "x" if regex.replace(input.args.text, "(", "") == ""', 2, "would not deny"),
    ('allow if net.lookup_ip_addr("x")', 2, "no network"),
    ("deny(x) := x\nallow := true", 2, "`deny` is a function"),
    ("x := " + "[" * 5000 + "]" * 5000, 2, "nested deeper"),
    ("x := " + '{"a":' * 5000 + "1" + "}" * 5000, 2, "nested deeper"),
    ("x := " + "(" * 5000 + "1" + ")" * 5000, 2, "nested deeper"),
    ("x := " + "-" * 5000 + "1", 2, "nested deeper"),
    ("\n".join(f"r{n} := r{n + 1}" for n in range(3000)), None, "more than 1000 rules"),
    ("x := " + "+".join(["1"] * 3000), 2, "maximum column width"),
    ("x := " + "+\n".join(["1"] * 600), None, "too long"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), BAD, ids=range(len(BAD)))
def test_a_bad_policy_is_refused_with_its_line(tmp_path, text, line, words, capfd):
    error = refused(tmp_path, HEAD + text)
    assert words in error.message
    assert (error.line, error.file) == (line, str(tmp_path / "policy.rego"))
    assert "backtrace" not in error.message
    assert capfd.readouterr().err == ""


def test_a_thousand_rules_that_call_each_other_do_not_end_the_process(tmp_path):
    rules = "\n".join(f"r{n} := r{n + 1}" for n in range(990))
    world = rego(tmp_path, f"{HEAD}{rules}\nr990 := true\nallow if r0")
    decisions = []
    thread = threading.Thread(target=lambda: decisions.append(world.pure()))
    thread.start()
    thread.join()
    assert decisions[0].allowed


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('{"codespar": {"deny": []}}', "must not replace"), ("[1]", "must be object"), ("{", "cannot be read"),
        ('{"x": 1e999}', "cannot be read"), ("[" * 5000, "cannot be read"),
    ],
)  # fmt: skip
def test_bad_data_is_refused(tmp_path, data, words):
    error = refused(tmp_path, POLICY, None, {"d.json": data}, data="d.json")
    assert words in error.message
    assert error.file == str(tmp_path / "d.json")


def test_the_package_must_be_there(tmp_path):
    error = refused(tmp_path, "package other\nallow := true")
    assert "expected package `codespar`, found `other`" in error.message
    assert rego(tmp_path, "package other.one\nallow := true", package="other.one").pure().allowed
    assert refused(tmp_path, package="a b; data").key == "package"


def test_allow_and_deny_rules_belong_into_the_policy(tmp_path):
    error = refused(tmp_path, POLICY, "rules:\n- {id: x, effect: deny}")
    assert (error.line, "has no deny rules" in error.message) == (2, True)


def test_an_interpreter_that_panicked_is_not_used_again(tmp_path):
    world = rego(tmp_path, HEAD + 'allow := true\ndeny contains "x" if strings.count(input.args.x, "") == 0')
    before = world.engine._policy.judge._engine()
    assert world.pure(args={"x": "abc"}).code == "policy_error"
    assert world.engine._policy.judge._engine() is not before
    assert world.pure().allowed


def test_print_writes_nowhere(tmp_path, capfd):
    world = rego(tmp_path, HEAD + "allow if print(input)")
    assert world.pure(args={"password": "hunter2"}).allowed
    assert capfd.readouterr() == ("", "")


# ── the whole ──


def test_nothing_of_a_call_is_kept(tmp_path):
    world = rego(tmp_path, HEAD + "allow if input.args.first\ndeny contains input.args.who if input.args.who")
    assert world.pure(args={"first": True}).allowed
    assert world.pure(args={"who": "x"}).rule_id == "x"
    assert world.pure().code == "no_rule_allows"
    assert world.pure(args={"first": True}).allowed
    judge = world.engine._policy.judge
    answer = json.loads(judge._engine().eval_query_as_json("input"))
    assert answer["result"][0]["expressions"][0]["value"] is None


def test_the_hash_covers_every_file_and_the_source_rebuilds_the_policy(tmp_path):
    world = rego(tmp_path, POLICY, "rules: []", {"d.json": "{}"}, data="d.json")
    seen = {world.engine._policy.hash}
    again = from_source(world.engine._policy.source)
    assert again.hash in seen
    assert again.judge.judge("a", ("git/push",), None, CallContext(args={"force": True}), 0).denies[0].id == "no-force"
    for name in ("policy.rego", "policy.yaml", "d.json"):
        path = tmp_path / name
        was = path.read_text()
        path.write_text(was + "\n")
        world.load()
        seen.add(world.engine._policy.hash)
        path.write_text(was)
    assert len(seen) == 4


def test_tenants_have_their_own_policies(tmp_path):
    files = {"acme.rego": HEAD + 'deny contains "acme-no"'}
    world = rego(tmp_path, POLICY, None, files, tenants={"acme": {"policies": "acme.rego"}})
    for _ in range(2):
        assert world.ask().allowed
        assert world.ask(tenant="acme").rule_id == "acme-no"


def test_many_threads_get_each_their_own_answer(tmp_path):
    world, wrong = rego(tmp_path), []

    def ask(number):
        for step in range(60):
            force = (number + step) % 2 == 0
            decision = world.pure("git/push", f"agent-{number}", args={"force": force})
            if decision.allowed is force:
                wrong.append(decision)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_thread_keeps_a_bounded_number_of_interpreters(tmp_path):
    for _ in range(MOST + 5):
        assert rego(tmp_path, HEAD + "allow := true").pure().allowed
    assert len(_OWN.shelf.engines) == MOST


def test_a_policy_dropped_while_other_threads_used_it_leaves_no_noise(tmp_path):
    (tmp_path / "p.rego").write_text(HEAD + "allow := true")
    script = """
import gc, pathlib, sys, threading
from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.foreign.rego import from_options
here = pathlib.Path(sys.argv[1])
engine = from_options({"policies": "p.rego"}, Services(here / "state", config_dir=here))
asked, go = threading.Event(), threading.Event()
def ask():
    assert engine.decide("a", "t").allowed
    asked.set()
    go.wait()
thread = threading.Thread(target=ask)
thread.start()
asked.wait()
threading.Thread(target=lambda: (engine.decide("a", "t"), threading.Event().wait()), daemon=True).start()
del engine
gc.collect()
go.set()
thread.join()
print("done")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "regorus", None)
    with pytest.raises(MissingExtra) as caught:
        rego(tmp_path)
    assert caught.value.hint == "pip install 'codespar-cli[rego]'"


def test_a_panic_in_rego_is_a_deny(tmp_path, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException("secret")

    world = rego(tmp_path)
    monkeypatch.setattr(type(world.engine._policy.judge), "_engine", panic)
    decision = world.ask()
    assert (decision.allowed, decision.code) == (False, "policy_error")
    assert "secret" not in decision.reason


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("allow", "a boolean or a set of ids"),
        ("deny", "a boolean or a set of ids"),
        ("approve", "a set of ids or objects"),
    ],
)
def test_a_number_for_an_answer_is_told_what_was_expected(tmp_path, stage, expected):
    assert f"`{stage}` is a number, expected {expected}" in refused(tmp_path, f"{HEAD}{stage} := 5").message
