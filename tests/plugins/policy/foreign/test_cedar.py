import json
import sys
import threading
from datetime import date
from decimal import Decimal

import pytest
from foreign_world import Foreign
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codespar_cli.core.hooks import CallContext
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError, ConfigError, MissingExtra
from codespar_cli.plugins.policy.foreign.cedar_text import statements
from codespar_cli.plugins.policy.foreign.foreign_policy import from_source
from codespar_cli.testing import PolicyContract

PERMIT = "permit(principal, action, resource);\n"
POLICY = """\
@id("no-force")
@reason("force pushes rewrite shared history")
forbid(principal, action, resource in ToolGroup::"git")
when { context.args has force && context.args.force };

@id("people")
@effect("approve") @quorum("2") @approvers("ann, bob, cat")
@expires("30m")
permit(principal, action, resource in ToolGroup::"deploy");

@id("all")
permit(principal, action, resource);
"""


def cedar(tmp_path, foreign=POLICY, *more, **options):
    return Foreign(tmp_path, "cedar", foreign, *more, **options)


def refused(tmp_path, foreign=POLICY, *more, **options):
    with pytest.raises(ConfigError) as caught:
        cedar(tmp_path, foreign, *more, **options)
    return caught.value


class TestContract(PolicyContract):
    def make(self, tmp_path):
        return cedar(tmp_path).engine


# ── the three stages ──


def test_forbid_denies_and_permit_allows(tmp_path):
    world = cedar(tmp_path)
    decision = world.pure("git/push", args={"force": True})
    assert (decision.code, decision.rule_id) == ("denied_by_rule", "no-force")
    assert decision.reason == "force pushes rewrite shared history"
    decision = world.pure("git/push", args={"force": False})
    assert (decision.allowed, decision.rule_id) == (True, "all")


def test_what_no_permit_allows_is_denied(tmp_path):
    world = cedar(tmp_path, 'permit(principal == Agent::"a", action, resource);')
    assert world.pure().rule_id == "policy0"
    assert world.pure(agent="b").code == "no_rule_allows"


def test_a_permit_that_asks_for_approval_never_allows(tmp_path):
    only = '@effect("approve")\npermit(principal, action, resource);'
    world = cedar(tmp_path, only)
    decision = world.ask()
    assert (decision.allowed, decision.requires_approval) == (False, True)
    world.engine.vote(decision.approval_id, "ann", approves=True)
    assert world.ask().code == "no_rule_allows"


def test_an_approval_goes_through_our_machinery_and_is_used_once(tmp_path):
    world = cedar(tmp_path)
    call = {"tool": "deploy/run", "args": {"to": "production"}}
    asked = world.ask(**call)
    assert (asked.code, asked.rule_id) == ("approval_required", "people")
    assert "needs 2 of ann, bob, cat" in asked.reason
    with pytest.raises(CodesparError):
        world.engine.vote(asked.approval_id, "mallory", approves=True)
    world.engine.vote(asked.approval_id, "ann", approves=True)
    assert not world.ask(**call).allowed
    world.engine.vote(asked.approval_id, "bob", approves=True)
    assert not world.ask("deploy/run", args={"to": "elsewhere"}).allowed
    assert world.ask(**call).allowed
    assert not world.ask(**call).allowed


def test_an_approval_expires_as_the_annotation_says(tmp_path):
    world = cedar(tmp_path)
    token = world.ask("deploy/run").approval_id
    world.wait(minutes=29)
    assert world.engine.approval(token).status == "pending"
    world.wait(minutes=1)
    assert world.engine.approval(token).status == "expired"


def test_our_budgets_rates_windows_and_approvals_stay(tmp_path):
    rules = """
rules:
- {id: money, effect: budget, limit: "10", window: total}
- {id: hours, effect: window, tools: [late/*], open: ["01:00-02:00"]}
- {id: also, effect: approve, tools: [deploy/*], approvers: [dan]}
"""
    world = cedar(tmp_path, POLICY, rules)
    assert world.ask(cost=6).allowed
    assert world.ask(cost=6).code == "budget_exceeded"
    assert world.ask("late/x", cost=1).code == "outside_window"
    reason = world.ask("deploy/run", cost=1).reason
    assert "rule also" in reason
    assert "rule people" in reason
    assert world.engine.health().message == "3 policies from policy.cedar; 3 rules from policy.yaml"


# ── the mapping ──

TRUE_OF_CALL = [
    'principal == Agent::"team/bot 7"', 'action == Action::"call"', 'resource == Tool::"deploy/eu/run"',
    'resource in ToolGroup::"deploy"', 'resource in ToolGroup::"deploy/eu"', 'principal.team == "web"',
    'context.attributes.team == "web"', 'context.tool == "deploy/eu/run"', 'context.cost == "0.00001"',
    "context.cost_micros == 10", 'context.project == "shop"', 'context.session == "s"', 'context.tenant == "acme"',
    'context.environment == "test"', 'context.now == datetime("2026-11-23T12:00:00.000Z")',
    'context.args.text == "x"', "context.args.yes == true", "context.args.whole == -3", "context.args.same == 10",
    'context.args.part == decimal("0.25")', 'context.args.part.lessThan(decimal("1.0"))',
    'context.args.fine == "0.70000001"', 'context.args.none == Json::"null"', "context.args has none",
    'context.args.list.containsAll(["a", "b"])', "context.args.deep.er.still == 1", 'context.args["odd key"] == 1',
    'context.args.money == decimal("12.34")', 'context.args.huge == "1E+400"', "context.args.largest == 9223372036854775807",
]  # fmt: skip
ARGS = {
    "text": "x", "yes": True, "whole": -3, "same": 10.0, "part": 0.25, "fine": 0.70000001, "none": None,
    "list": ["a", "b"], "deep": {"er": {"still": 1}}, "odd key": 1, "money": Decimal("12.34"),
    "huge": Decimal("1e400"), "largest": 2**63 - 1,
}  # fmt: skip


@pytest.mark.parametrize("expression", TRUE_OF_CALL)
def test_what_a_policy_sees_of_a_call(tmp_path, expression):
    world = cedar(tmp_path, f"permit(principal, action, resource) when {{ {expression} }};")
    context = {
        "project": "shop",
        "session": "s",
        "tenant": "acme",
        "environment": "test",
        "attributes": {"team": "web"},
    }
    decision = world.pure("deploy/eu/run", "team/bot 7", "0.00001", args=ARGS, **context)
    assert decision.allowed, decision.reason


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63) - 1, 10**400, float("nan"), float("inf"), Decimal("sNaN"), b"x", {1, 2}, object(), {1: 2},
        {"__entity": {"type": "Agent", "id": "root"}}, {"__extn": {"fn": "decimal", "arg": "1.0"}}, {"__expr": "1"},
        "\ud800", date(2026, 1, 1), "x" * (1 << 20), Decimal(2**64),
    ],
)  # fmt: skip
def test_what_cedar_cannot_hold_is_a_deny(tmp_path, value):
    world = cedar(tmp_path, PERMIT)
    for context in ({"args": {"x": value}}, {"args": {"x": [{"y": value}]}}, {"attributes": {"x": value}}):
        decision = world.pure(**context)
        assert (decision.allowed, decision.code) == (False, "policy_error")
        assert world.ask(**context).code == "policy_error"


def test_hostile_nesting_of_arguments_is_a_deny(tmp_path):
    world, deep, loop = cedar(tmp_path, PERMIT), {}, {}
    loop["x"] = loop
    at = deep
    for _ in range(100_000):
        at["x"] = {}
        at = at["x"]
    for args in (deep, loop, [1], 7, "x"):
        assert world.pure(args=args).code == "policy_error"


def test_a_forbid_on_any_name_of_a_tool_bites(tmp_path):
    world = cedar(tmp_path, PERMIT + '@id("no") forbid(principal, action, resource == Tool::"shell");')
    for tool in ("shell", "Bash", "BASH", "run_shell_command"):
        assert world.pure(tool).rule_id == "no", tool
    world = cedar(tmp_path, PERMIT + 'forbid(principal, action, resource in ToolGroup::"a_b");')
    assert world.pure("mcp_a_b_c").code == "denied_by_rule"  # it may be `c` of the server `a_b`
    assert world.pure("a/b_c").allowed


def test_a_permit_is_about_the_plain_names_alone(tmp_path):
    world = cedar(tmp_path, 'permit(principal, action, resource == Tool::"a_b/c");')
    assert world.pure("a_b/c").allowed
    assert world.pure("mcp_a_b_c").code == "no_rule_allows"
    world = cedar(tmp_path, 'permit(principal, action, resource == Tool::"shell");')
    assert world.pure("Bash").allowed
    assert not world.pure("BASH").allowed


def test_except_for_one_tool_is_said_with_in(tmp_path):
    world = cedar(tmp_path, PERMIT + 'forbid(principal, action, resource) unless { resource in Tool::"shell" };')
    assert world.pure("Bash").allowed
    assert not world.pure("fs/read").allowed


def test_entities_of_the_file_join_the_call(tmp_path):
    entities = [
        {"uid": {"type": "Agent", "id": "bot"}, "attrs": {"level": 3}, "parents": [{"type": "Team", "id": "ops"}]},
        {"uid": {"type": "ToolGroup", "id": "deploy"}, "attrs": {}, "parents": [{"type": "Zone", "id": "red"}]},
        {"uid": {"type": "Tool", "id": "x/y"}, "attrs": {"risk": 9}, "parents": []},
    ]
    policy = (
        'permit(principal in Team::"ops", action, resource in Zone::"red") when { principal.level == 3 };'
        "permit(principal, action, resource) when { resource has risk && resource.risk == 9 && principal.level == 1 };"
    )
    world = cedar(tmp_path, policy, None, {"e.json": json.dumps(entities)}, entities="e.json")
    for _ in range(2):
        assert world.pure("deploy/run", "bot").allowed
        assert world.pure("deploy/run", "bot", attributes={"level": 1}).allowed, "the file beats the caller"
        assert not world.pure("deploy/run", "other", attributes={"level": 3}).allowed
        assert world.pure("x/y", "other", attributes={"level": 1}).allowed


# ── errors ──


@pytest.mark.parametrize(
    "condition",
    [
        "context.args.force", "context.args.force == true && context.args.more", "principal.team == 1",
        "context.cost_micros > 5", "context.args.text > 5", "context.args.text", "context.project == 1",
        'decimal(context.args.text).lessThan(decimal("1.0"))', "context.args.none", 'context.args.fine.lessThan(decimal("1.0"))',
    ],
)  # fmt: skip
def test_a_forbid_whose_evaluation_errs_denies(tmp_path, condition):
    world = cedar(tmp_path, PERMIT + f'@id("no")\nforbid(principal, action, resource) when {{ {condition} }};')
    args = {"text": "s3cret", "none": None, "fine": 0.123456}
    for decision in (world.pure(args=args), world.ask(args=args)):
        assert (decision.allowed, decision.code, decision.stage) == (False, "policy_error", "engine")
        assert "rule no (policy.cedar:2)" in decision.reason
        assert "s3cret" not in decision.reason


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(max_size=3), st.decimals()
)
VALUES = st.recursive(
    SCALARS, lambda of: st.one_of(st.lists(of, max_size=3), st.dictionaries(st.text(max_size=5), of, max_size=3))
)
ARGUMENTS = st.dictionaries(st.sampled_from(["force", "a", "", "__entity", "é"]), VALUES, max_size=4)


@pytest.fixture(scope="module")
def forced(tmp_path_factory):
    policy = PERMIT + "forbid(principal, action, resource) when { context.args.force };"
    return cedar(tmp_path_factory.mktemp("forced"), policy)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(args=st.one_of(st.none(), ARGUMENTS), attributes=ARGUMENTS)
def test_only_what_the_forbid_can_read_as_false_is_allowed(forced, args, attributes):
    context = CallContext(args=args, attributes=attributes)
    decision = forced.engine.decide("a", "t", context=context)
    if decision.allowed:
        assert args["force"] is False
    elif (args or {}).get("force") is True:
        assert decision.code in {"denied_by_rule", "policy_error"}
    else:
        assert decision.code == "policy_error"


BAD = [
    ("permit(principal, action, resource)\nwhen {\n  1 + ;\n};", 3, "unexpected token"),
    (PERMIT + "\npermit(principal, action", 3, "unexpected end"),
    ("// nothing\n\nfoo(principal, action, resource);", 3, "invalid policy effect"),
    ("permit(principal == User, action, resource);", 1, "entity uid"),
    (PERMIT + 'permit(principal, action, resource) when { "abc };', 2, "invalid token"),
    (PERMIT + '@id("x")\n@effect("allow")\n' + PERMIT, 3, "expected `approve`, found `allow`"),
    ('@effect("approve")\nforbid(principal, action, resource);', 1, "a forbid denies"),
    (f'@effect("approve")\n@quorum("two")\n{PERMIT}', 2, "quorum"),
    (f'@effect("approve")\n@quorum("3")\n@approvers("ann,bob")\n{PERMIT}', 2, "cannot be met by 2"),
    (f'@effect("approve")\n@approvers("ann,,bob")\n{PERMIT}', 2, "empty"),
    (f'@effect("approve")\n\n@expires("soon")\n{PERMIT}', 3, "expires"),
    (f'@quorum("2")\n{PERMIT}', 1, "belongs on a permit with"),
    (f'@efect("approve")\n{PERMIT}', 1, "unknown annotation `@efect`"),
    (f"@id\n{PERMIT}", 1, "empty"),
    (f'@id("a b")\n{PERMIT}', 1, "letters, digits"),
    (f'@id("x")\n{PERMIT}\n@id("x")\n{PERMIT}', 4, "given twice"),
    (f'{PERMIT}@id("policy0")\n{PERMIT}', 2, "given twice"),
    ("permit(principal == ?principal, action, resource);", 1, "templates"),
    ("// only words\n", None, "no policy"),
    ("permit(principal, action, resource) when {\n" + "(" * 5000 + "true" + ")" * 5000 + "};", 2, "nested deeper"),
    ("permit(principal, action, resource) when {\n" + "[" * 5000 + "]" * 5000 + "};", 2, "nested deeper"),
    ("permit(principal, action, resource) when { " + "if true then true else " * 5000 + "true };", 1, "`if`"),
    (PERMIT.encode() + b"// \xff", 2, "not UTF-8"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), BAD, ids=range(len(BAD)))
def test_a_bad_policy_is_refused_with_its_line(tmp_path, text, line, words):
    error = refused(tmp_path, text)
    assert (error.line, error.file) == (line, str(tmp_path / "policy.cedar"))
    assert words in error.message


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path):
    assert refused(tmp_path, policies="nope.cedar").key == "policies"
    assert refused(tmp_path, entities="nope.json").key == "entities"
    assert refused(tmp_path, policies=["policy.cedar", "policy.cedar"]).key == "policies"
    assert refused(tmp_path, policies=[]).key == "policies"
    world = cedar(tmp_path)
    world.options["rules"] = "nope.yaml"
    with pytest.raises(ConfigError) as caught:
        world.load()
    assert caught.value.key == "rules"
    assert "larger than 8 MiB" in refused(tmp_path, PERMIT + "//" + "x" * (8 << 20)).message


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[\n{"uid": }]', 2, "not JSON"), ('{"a": 1}', None, "no entities"), ("[" * 5000 + "]" * 5000, None, "no entities"),
        ('[{"uid": {"type": "A", "id": "x"}, "attrs": {"n": null}, "parents": []}]', None, "no entities"),
    ],
)  # fmt: skip
def test_bad_entities_are_refused(tmp_path, text, line, words):
    error = refused(tmp_path, POLICY, None, {"e.json": text}, entities="e.json")
    assert (error.file, error.line) == (str(tmp_path / "e.json"), line)
    assert words in error.message


SCHEMA = """
entity Team; entity ToolGroup; entity Tool in [Tool, ToolGroup]; entity Agent in [Team] { team?: String };
action call appliesTo { principal: Agent, resource: Tool, context: { args: { force?: Bool } } };
"""


def test_policies_are_validated_against_the_schema(tmp_path):
    files = {"s.cedarschema": SCHEMA}
    assert cedar(tmp_path, POLICY, None, files, schema="s.cedarschema").pure(args={"other": 1}).allowed
    wrong = PERMIT + '\n@id("w")\nforbid(principal, action, resource) when { context.args.forse };'
    error = refused(tmp_path, wrong, None, files, schema="s.cedarschema")
    assert (error.line, "rule `w`" in error.message, "forse" in error.message) == (3, True, True)
    entities = '[{"uid": {"type": "Agent", "id": "x"}, "attrs": {"team": 3}, "parents": []}]'
    files["e.json"] = entities
    assert "e.json" in refused(tmp_path, POLICY, None, files, schema="s.cedarschema", entities="e.json").file
    for bad in ("entity A {", "entity A " + "{ a: " * 5000):
        assert refused(tmp_path, POLICY, None, {"s.cedarschema": bad}, schema="s.cedarschema").file.endswith("schema")


@pytest.mark.parametrize(
    ("rules", "line", "words"),
    [
        ("rules:\n- {id: x, effect: deny}", 2, "has no deny rules"),
        ("rules:\n- {id: x, effect: allow}", 2, "has no allow rules"),
        ("rules: []\ndefault: allow", 2, "what no policy allows is denied"),
        ("rules:\n- {id: y, effect: rate}", 2, "limit"),
    ],
)
def test_the_rules_file_keeps_to_its_own_stages(tmp_path, rules, line, words):
    error = refused(tmp_path, POLICY, rules)
    assert (error.file, error.line) == (str(tmp_path / "policy.yaml"), line)
    assert words in error.message


def test_one_id_is_one_rule_in_both_files(tmp_path):
    rules = "rules:\n- {id: people, effect: approve}\n"
    error = refused(tmp_path, POLICY, rules)
    assert "`people` is given twice" in error.message
    assert error.file.endswith("policy.cedar")


# ── the whole ──


def test_several_files_are_one_policy(tmp_path):
    other = '@id("no")\nforbid(principal, action, resource == Tool::"t");'
    world = cedar(tmp_path, PERMIT + "// no newline", None, {"b.cedar": other}, policies=["policy.cedar", "b.cedar"])
    assert world.pure("t").rule_id == "no"
    assert world.pure("u").allowed
    assert world.engine.health().message == "2 policies from policy.cedar, b.cedar"
    broken = Foreign(tmp_path / ".", "cedar", PERMIT, None, {"b.cedar": "forbid(principal, action, resource) when { context.args.x };"}, policies=["policy.cedar", "b.cedar"])  # fmt: skip
    assert "b.cedar:1" in broken.pure().reason


def test_the_hash_covers_every_file_and_the_source_rebuilds_the_policy(tmp_path):
    files = {"e.json": "[]", "s.cedarschema": SCHEMA}
    options = {"entities": "e.json", "schema": "s.cedarschema"}
    world = cedar(tmp_path, POLICY, "rules: []", files, **options)
    seen = {world.engine._policy.hash}
    again = from_source(world.engine._policy.source)
    assert again.hash in seen
    assert again.judge.judge("a", ("git/push",), None, CallContext(args={"force": True}), 0).denies[0].id == "no-force"
    for name in ("policy.cedar", "policy.yaml", "e.json", "s.cedarschema"):
        path = tmp_path / name
        was = path.read_text()
        path.write_text(was + "\n")
        world.load()
        seen.add(world.engine._policy.hash)
        path.write_text(was)
    assert len(seen) == 5
    texts = [
        "", "{}", "[1]", "rules: []", "[" * 5000, '{"backend":"x","files":{},"options":{}}', world.engine._policy.source + " ",
        '{"backend":"cedar","files":{},"options":{}}', '{"backend":"cedar","files":{},"options":{"policies":[]}}',
        '{"backend":"cedar","files":{},"options":{"policies":["p"]}}', '{"backend":"cedar","files":1,"options":[]}',
    ]  # fmt: skip
    for text in texts:
        with pytest.raises(ConfigError):
            from_source(text)


def test_every_answer_leaves_one_record_that_simulate_can_read(tmp_path):
    world = cedar(tmp_path, POLICY, "rules: []")
    world.ask("git/push", args={"force": True})
    world.ask("git/push", args={"force": "s3cret"})
    world.ask("fs/read")
    with world.engine._address.store.read() as snapshot:
        assert snapshot.latest() > 0
    bodies = [record.body for record in world.engine._address.store.records(("decision",))]
    assert [body.get("code") for body in bodies] == ["denied_by_rule", "policy_error", None]
    assert {body["policy"] for body in bodies} == {world.engine._policy.hash}
    assert "s3cret" not in repr(bodies)
    other = tmp_path / "other.yaml"
    other.write_text("rules: [{id: everything, effect: allow}]")
    found = world.engine.simulate(other)
    assert found.replayed + found.not_replayable.decisions == 3
    assert found.not_replayable.decisions >= 1  # the failure at least


def test_tenants_have_their_own_policies_and_rules(tmp_path):
    files = {
        "acme.cedar": '@id("acme-no") forbid(principal, action, resource);',
        "beta.yaml": 'rules: [{id: m, effect: budget, limit: "1", window: total}]',
    }
    tenants = {"acme": {"policies": "acme.cedar"}, "beta": {"rules": "beta.yaml"}}
    world = cedar(tmp_path, POLICY, None, files, tenants=tenants)
    assert world.ask().allowed
    assert world.ask(tenant="acme").rule_id == "acme-no"
    assert world.ask(tenant="beta", cost=2).code == "budget_exceeded"
    assert world.ask(tenant="gamma", cost=2).allowed
    tenants["acme"] = {"policies": "nope"}
    with pytest.raises(ConfigError) as caught:
        world.load()
    assert caught.value.key == "tenants.acme.policies"


def test_many_threads_get_each_their_own_answer(tmp_path):
    world, wrong = cedar(tmp_path), []

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


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    with pytest.raises(MissingExtra) as caught:
        cedar(tmp_path)
    assert caught.value.message == "the policy backend `cedar` needs the extra `cedar`, which is not installed"
    assert caught.value.hint == "pip install 'codespar-cli[cedar]'"


def test_a_panic_in_cedar_is_a_deny(tmp_path, monkeypatch):
    class PanicException(BaseException):
        pass

    def panic(*_):
        raise PanicException("secret")

    world = cedar(tmp_path)
    monkeypatch.setattr("cedarpy.is_authorized_batch", panic)
    decision = world.ask()
    assert (decision.allowed, decision.code) == (False, "policy_error")
    assert "secret" not in decision.reason


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text(alphabet='ab;"\\\n{}()/é', max_size=12)), min_size=1, max_size=15))
def test_statements_are_numbered_as_cedar_numbers_them(given_policies):
    import cedarpy

    parts = [
        f"// ; {json.dumps(text)}\n@id({json.dumps(text, ensure_ascii=False)}) {'permit' if allows else 'forbid'}(principal, action, resource)"
        f' when {{ {json.dumps(text, ensure_ascii=False)} == ";" || {{a: [1]}}.a == [1] }};'
        for allows, text in given_policies
    ]
    text = "\n".join(parts)
    whole = json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"]
    found = statements(text)
    assert [statement.effect for statement in found] == [whole[f"policy{n}"]["effect"] for n in range(len(found))]
    assert len(whole) == len(found)
    for statement in found:
        assert text.splitlines()[statement.line - 1].startswith("@id") or "\n" in statement.head


def test_services_are_all_it_needs(tmp_path):
    (tmp_path / "p.cedar").write_text(PERMIT)
    from codespar_cli.plugins.policy.foreign.cedar import from_options

    engine = from_options({"policies": "p.cedar"}, Services(tmp_path / "state", config_dir=tmp_path))
    assert engine.backend == "cedar"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("5", "a number"), ('"x"', "text"), ("[true]", "a set"), ("{a: true}", "a record"), ("1 + 2", "a number"),
        ("-context.args.n", "a number"), ('Agent::"x"', "an entity"), ("context", "an entity or a record"),
        ('ip("10.0.0.1")', "an IP address"), ("if context.a then 5 else {}", "a number"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["when", "unless"])
def test_a_condition_that_is_never_true_or_false_is_refused(tmp_path, kind, condition, found):
    text = f'{PERMIT}\n@id("x")\npermit(principal, action, resource)\nwhen {{ true }}\n{kind} {{\n  {condition}\n}};'
    error = refused(tmp_path, text)
    assert (error.line, error.file) == (7, str(tmp_path / "policy.cedar"))
    assert error.message.startswith(f"`{kind}`: expected a condition, which is true or false, found ")
    assert found in error.message or condition.startswith("if")


@pytest.mark.parametrize(
    "condition",
    [
        "true",
        "context.flag",
        "{a: true}.a",
        "[1].contains(1)",
        "if 1 == 1 then true else 5",
        "true // }\n",
        '"}" == "}"',
    ],
)
def test_a_condition_that_may_be_true_or_false_is_read(tmp_path, condition):
    world = cedar(tmp_path, f"permit(principal, action, resource) when {{ {condition} }};")
    assert "policy.cedar" in world.engine.health().message


def test_a_long_condition_exhausts_nothing(tmp_path):
    world = cedar(tmp_path, "permit(principal, action, resource) when { true" + " && true" * 400 + " };")
    assert world.pure().allowed
