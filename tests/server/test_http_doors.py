"""The HTTP doors of agents: what they answer, whom, and that nothing that goes wrong is an allow."""

import asyncio
import json
import threading

import pytest
from doors_kit import BEARER, HOST, PLUGINS, RULES, TOKEN, Doors, is_allow, is_deny, live_gate, pre, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import PolicyDecision
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.doors.turns import Turns
from codespar_cli.hosts.dialects import HOSTS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("hook_event_name", "tool_name", "tool_input", "tool_use_id", "session_id", "toolName", "toolArgs", "timestamp")


def asked(directory, *requests, gate=None, **named):
    """The answers to these requests, one after the other, and what was logged."""

    async def ask():
        async with Doors(directory, gate or live_gate(directory), **named) as doors:
            return [await doors.post(path, body, **more) for path, body, more in requests], doors.said

    return asyncio.run(ask())


def gate_of(policy):
    registry = PluginRegistry()
    registry.register_policy(policy)
    registry.seal()
    return Gate(registry)


class Held:
    """A policy that holds each call open until it is let go, and counts what is held."""

    bounded = True
    reserves = True

    def __init__(self):
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.evaluated, self.released = [], []

    def evaluate(self, agent_id, tool_name, estimated_cost=None, context=None):
        self.evaluated.append(tool_name)
        self.begun.set()
        assert self.let_go.wait(20)
        return PolicyDecision(allowed=True, reservation_id=f"rs-{tool_name}")

    def record_usage(self, agent_id, tool_name, cost, reservation_id=None):
        raise AssertionError("no call was made")

    def release(self, reservation_id):
        self.released.append(reservation_id)


# ── hosts ──


@pytest.mark.parametrize("host", HOSTS)
def test_each_host_reads_its_own_answer(tmp_path, host):
    written(tmp_path)
    path = f"/v1/hook/{host}"
    (allowed, denied, empty), _ = asked(
        tmp_path, (path, pre(host=host), {}), (path, pre("Write", host, "t2", content="x"), {}), (path, b"", {})
    )
    assert allowed[0] == denied[0] == empty[0] == 200
    assert is_allow(host, allowed[1])
    assert is_deny(host, denied[1])
    assert b"no-writing" in denied[1]
    assert is_deny(host, empty[1])


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("host", HOSTS)
def test_no_hostile_body_is_anything_but_a_deny(host, data, tmp_path_factory):
    """Of a gate that allows all: whatever is denied is denied for its body."""
    whole = json.dumps(pre(host=host)).encode()
    hostile = data.draw(
        st.binary(max_size=80)
        | st.integers(0, len(whole) - 1).map(lambda end: whole[:end])
        | st.binary(min_size=1, max_size=8).filter(bytes.strip).map(lambda tail: whole + tail)
        | JSON.filter(lambda value: not isinstance(value, dict)).map(lambda value: json.dumps(value).encode())
        | st.sampled_from(
            [b'{"a":' * 400 + b"1" + b"}" * 400, b"[" * 100_000, whole[:-1] + b',"x":NaN}', b"\xff" + whole]
        )
        | st.sampled_from(NAMES[:1] if host != "copilot" else NAMES[5:6]).map(
            lambda name: json.dumps({**pre(host=host), name: 7}).encode()
        )
    )
    registry = PluginRegistry()
    registry.seal()
    [(status, body)], _ = asked(
        tmp_path_factory.getbasetemp(), (f"/v1/hook/{host}", hostile, {}), gate=lambda: Gate(registry)
    )
    assert status == 200
    assert is_deny(host, body)


def test_a_reservation_of_one_event_is_settled_by_the_next(tmp_path):
    written(tmp_path)
    over = {**pre(), "hook_event_name": "PostToolUse", "tool_response": {}, "duration_ms": 3}
    path = "/v1/hook/claude"
    requests = [
        request
        for number in range(10)
        for request in (
            (path, pre(use=f"t{number}"), {}),
            (path, {**over, "hook_event_name": "PermissionDenied", "tool_use_id": f"t{number}"}, {}),
        )
    ]
    answers, _ = asked(tmp_path, *requests, (path, pre(use="t10"), {}), (path, {**over, "tool_use_id": "t10"}, {}))
    assert (
        answers == [(200, b"")] * 22
    )  # ten calls that were not let run gave back what they held: the budget is for ten
    # What ran was settled, and counts, whether it succeeded or failed: eight are left.
    failed = {**over, "hook_event_name": "PostToolUseFailure", "error": "x", "tool_use_id": "t11"}
    asked(tmp_path, (path, pre(use="t11"), {}), (path, failed, {}))
    more, _ = asked(tmp_path, *((path, pre(use=f"u{number}"), {}) for number in range(10)))
    assert [is_allow("claude", body) for _, body in more] == [True] * 8 + [False] * 2


def test_what_the_url_says_of_a_caller_counts(tmp_path):
    written(tmp_path, RULES.replace('tools: ["**"]', 'tools: ["**"], agents: ["builder"]'))
    requests = [
        (f"/v1/hook/claude{query}", pre(use=query), {}) for query in ("", "?agent=builder", "?agnet=builder", "?agent=")
    ]
    answers, _ = asked(tmp_path, *requests)
    assert [is_allow("claude", body) for _, body in answers] == [False, True, False, False]
    assert b"there is no option `agnet`" in answers[2][1]


@pytest.mark.parametrize("host", ["claude", "codex"])
def test_an_event_that_nobody_knows_is_judged_when_it_names_a_tool(tmp_path, host):
    """`codespar hook` says no to it by its exit code; there is none here."""
    written(tmp_path)
    requests = [
        (f"/v1/hook/{host}", {**pre(tool, host), "hook_event_name": "BeforeLaunch"}, {}) for tool in ("Write", "Bash")
    ]
    answers, _ = asked(tmp_path, *requests)
    assert json.loads(answers[0][1]) == {"decision": "block", "reason": "codespar: denied by rule no-writing"}
    assert answers[1] == (200, b"")


def test_a_host_that_nobody_knows_is_told_no(tmp_path):
    written(tmp_path)
    [(status, body)], _ = asked(tmp_path, ("/v1/hook/claud", pre(), {}))
    assert status == 200
    assert is_deny("claude", body)


# ── who may ask ──

REFUSED = {
    "no token": ((HOST,), "127.0.0.1", 401),
    "another token": ((HOST, (b"authorization", b"Bearer " + TOKEN[:-1].encode() + b"x")), "127.0.0.1", 401),
    "part of the token": ((HOST, (b"authorization", b"Bearer " + TOKEN[:-1].encode())), "127.0.0.1", 401),
    "an empty token": ((HOST, (b"authorization", b"Bearer ")), "127.0.0.1", 401),
    "two tokens": ((HOST, BEARER, BEARER), "127.0.0.1", 401),
    "another scheme": ((HOST, (b"authorization", b"Basic " + TOKEN.encode())), "127.0.0.1", 401),
    "a name bound anew": (((b"host", b"evil.example:8787"), BEARER), "127.0.0.1", 403),
    "a name that begins alike": (((b"host", b"127.0.0.1.evil.example"), BEARER), "127.0.0.1", 403),
    "no host": ((BEARER,), "127.0.0.1", 403),
    "two hosts": ((HOST, HOST, BEARER), "127.0.0.1", 403),
    "a browser": ((HOST, BEARER, (b"origin", b"http://127.0.0.1:8787")), "127.0.0.1", 403),
    "a sandboxed frame": ((HOST, BEARER, (b"origin", b"null")), "::1", 403),
    "another machine": ((HOST, BEARER), "192.0.2.7", 403),
    "another machine, mapped": ((HOST, BEARER), "::ffff:192.0.2.7", 403),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_may_not_ask_is_refused_and_a_host_is_told_no(tmp_path, case):
    headers, client, status = REFUSED[case]
    more = {"headers": headers, "client": client}
    (check, record, hook), said = asked(
        tmp_path,
        ("/v1/check", {"tool": "x"}, more),
        ("/v1/record", {"tool": "x"}, more),
        ("/v1/hook/claude", pre(), more),
        gate=lambda: pytest.fail("the gate was asked"),
    )
    assert check[0] == record[0] == status
    assert hook[0] == 200
    assert is_deny("claude", hook[1])
    assert TOKEN[:-1] not in "".join(said) + str((check, record, hook))


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("localhost", "127.0.0.1"),
        ("LOCALHOST:1", "127.0.0.9"),
        ("[::1]:8787", "::1"),
        ("127.0.0.1", "::ffff:127.0.0.1"),
        ("Doors.Example.:443", "192.0.2.7"),
        ("doors.example", "127.0.0.1"),
    ],
)
def test_who_may_ask_is_answered(tmp_path, host, client):
    written(tmp_path)
    more = {"headers": ((b"host", host.encode()), BEARER), "client": client}
    [(status, body)], _ = asked(tmp_path, ("/v1/check", {"tool": "x"}, more), names=("doors.EXAMPLE",))
    assert status == 200
    assert json.loads(body)["allowed"] is True


# ── calls ──


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    body=st.binary(max_size=60)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(
        st.sampled_from(["tool", "agent", "args", "cost", "reserve", "attributes", "approval", "x"]), JSON
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_check_answers_a_decision_or_says_that_it_was_no_call(tmp_path_factory, body):
    directory = tmp_path_factory.getbasetemp() / "checks"
    directory.mkdir(exist_ok=True)
    written(directory, 'version: 1\nrules: [{id: none, effect: deny, tools: ["**"]}]\n')
    [(status, answer)], said = asked(directory, ("/v1/check", body, {}))
    assert status in (200, 400)
    assert json.loads(answer)["allowed"] is False
    assert said == []


def test_a_check_is_held_and_its_outcome_settled_once(tmp_path):
    written(tmp_path)

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            _, body = await doors.post("/v1/check", {"tool": "t", "reserve": True})
            outcome = {"tool": "t", "cost": "0.30", "latency_ms": 4, "reservation": json.loads(body)["reservation_id"]}
            answers = [await doors.post("/v1/record", outcome) for _ in range(3)]
            trace = json.loads((await doors.post("/v1/check", {"tool": "t"}))[1])["trace"]
            unknown = await doors.post("/v1/record", {**outcome, "reservation": "rs-none"})
            bad = [
                await doors.post("/v1/record", {**outcome, **odd})
                for odd in ({"tenant": "acme"}, {"cots": 1}, {"tool": 7})
            ]
            return answers, trace, unknown, bad

    answers, trace, unknown, bad = asyncio.run(ask())
    assert [(status, json.loads(body)) for status, body in answers] == [(200, {"settled": True, "recorded": True})] * 3
    assert "0.30 of 1.00 USD spent, 0.10 asked" in [step["detail"] for step in trace]
    assert unknown[0] == 404
    assert [status for status, _ in bad] == [400] * 3


def test_a_call_that_failed_costs_what_it_was_to_cost(tmp_path):
    written(tmp_path)

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            allowed = []
            for _ in range(12):
                _, body = await doors.post("/v1/check", {"tool": "t", "reserve": True})
                allowed.append((decision := json.loads(body))["allowed"])
                await doors.post(
                    "/v1/record", {"tool": "t", "error_type": "x", "reservation": decision["reservation_id"]}
                )
            return allowed

    assert asyncio.run(ask()) == [True] * 10 + [False] * 2


def test_many_at_once_never_get_more_than_the_budget(tmp_path):
    written(tmp_path)

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            calls = [doors.post("/v1/hook/claude", pre(use=f"t{number}")) for number in range(40)]
            calls += [doors.post("/v1/check", {"tool": "t", "agent": "claude", "reserve": True}) for _ in range(20)]
            return await asyncio.gather(*calls)

    answers = asyncio.run(ask())
    allowed = sum(body == b"" for _, body in answers[:40]) + sum(
        json.loads(body)["allowed"] for _, body in answers[40:]
    )
    assert allowed == 10


# ── what goes wrong ──


def test_a_changed_policy_holds_from_the_next_call(tmp_path):
    path = written(tmp_path)
    rules = tmp_path / "policy.yaml"

    async def ask():
        async with Doors(tmp_path, live_gate(tmp_path)) as doors:
            found = []
            for text in (RULES, RULES.replace("Write", "Bash"), RULES + "rules: 7\n", RULES):
                rules.write_text(text)
                found.append((await doors.post("/v1/hook/claude", pre()))[1])
            path.rename(tmp_path / "away")
            found.append((await doors.post("/v1/hook/claude", pre()))[1])
            (tmp_path / "away").rename(path)
            found.append((await doors.post("/v1/hook/claude", pre()))[1])
            return found

    found = asyncio.run(ask())
    assert [is_allow("claude", body) for body in found] == [True, False, False, True, False, True]
    assert b"not there any more" in found[4]


@pytest.mark.parametrize("error", [RuntimeError("hush"), SystemExit(0), RecursionError(), StopIteration()])
def test_a_gate_that_breaks_says_no(tmp_path, error):
    def gate():
        raise error

    (hook, check), said = asked(tmp_path, ("/v1/hook/claude", pre(), {}), ("/v1/check", {"tool": "x"}, {}), gate=gate)
    assert hook[0] == check[0] == 200
    assert is_deny("claude", hook[1])
    assert json.loads(check[1])["allowed"] is False
    assert "hush" not in f"{hook}{check}{said}"


@pytest.mark.parametrize("named", [True, False])
def test_the_agent_cannot_change_what_governs_it(tmp_path, monkeypatch, named):
    """Also where it is a project's own file that was found, and nobody else has one."""
    written(tmp_path, 'version: 1\nrules: [{id: all, effect: allow, tools: ["**"]}]\n')
    monkeypatch.chdir(tmp_path)
    event = pre("Edit", file_path=str(tmp_path / "policy.yaml"))
    [(_, body), (_, other)], _ = asked(
        tmp_path, ("/v1/hook/claude", event, {}), ("/v1/hook/claude", pre(), {}), gate=live_gate(tmp_path, named=named)
    )
    assert is_deny("claude", body)
    assert is_allow("claude", other)


def test_what_is_too_late_is_denied_and_given_back(tmp_path):
    policy = Held()
    turns = Turns(lambda line: None, deadline_s=0.05)

    async def ask():
        async with Doors(tmp_path, lambda: gate_of(policy), turns=turns) as doors:
            late = [doors.post("/v1/check", {"tool": name, "reserve": True}) for name in ("first", "second")]
            answers = [*await asyncio.gather(*late), await doors.post("/v1/hook/claude", pre("third"))]
            policy.let_go.set()
            return answers

    first, second, hook = asyncio.run(ask())
    assert [json.loads(body)["code"] for _, body in (first, second)] == ["policy_timeout"] * 2
    assert is_deny("claude", hook[1])
    assert policy.evaluated == ["first"]  # what was not begun in time is never done
    assert policy.released == ["rs-first"]


def test_nobody_left_to_hear_it_holds_nothing(tmp_path):
    policy = Held()
    policy.let_go.set()
    requests = [("/v1/check", {"tool": "a", "reserve": True}), ("/v1/hook/claude", pre("b"))]
    gate = gate_of(policy)
    answers, _ = asked(tmp_path, *((*request, {"hung_up": True}) for request in requests), gate=lambda: gate)
    assert answers == [None, None]
    assert policy.released == ["rs-a", "rs-b"]


def test_no_more_wait_than_there_is_room_for(tmp_path):
    policy = Held()
    turns = Turns(lambda line: None, most_waiting=4, deadline_s=15)

    async def ask():
        async with Doors(tmp_path, lambda: gate_of(policy), turns=turns) as doors:
            first = asyncio.create_task(doors.post("/v1/check", {"tool": "first"}))
            await asyncio.to_thread(policy.begun.wait, 15)
            others = [asyncio.create_task(doors.post("/v1/check", {"tool": f"t{n}"})) for n in range(30)]
            done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
            codes = {json.loads(task.result()[1])["code"] for task in done}
            policy.let_go.set()
            answers = await asyncio.gather(first, *others)
            return codes, [json.loads(body)["allowed"] for _, body in answers]

    codes, allowed = asyncio.run(ask())
    assert codes == {"policy_timeout"}
    assert sum(allowed) == 5


def test_an_outcome_is_kept_although_nobody_waits(tmp_path):
    """Cancelled while its turn had not come: what is over is recorded all the same."""
    done = []
    turns = Turns(lambda line: None)

    async def ask():
        begun, let_go = threading.Event(), threading.Event()
        async with turns.alive():
            turns.later(lambda: (begun.set(), let_go.wait(15)))
            await asyncio.to_thread(begun.wait, 15)
            kept = asyncio.create_task(turns.take(lambda: done.append("kept"), keep=True))
            dropped = asyncio.create_task(turns.take(lambda: done.append("dropped")))
            await asyncio.sleep(0)
            kept.cancel()
            dropped.cancel()
            await asyncio.wait([kept, dropped])
            let_go.set()

    asyncio.run(ask())
    assert done == ["kept"]


def test_what_the_configuration_says_of_the_doors_is_checked(tmp_path):
    from codespar_cli.errors import ConfigError
    from codespar_cli.startup import read_config

    for line in ('token = "plainly"', 'hosts = ["https://x"]', 'hosts = "x"', "token = 7"):
        written(tmp_path, plugins=PLUGINS.replace('token = "env:DOOR_TOKEN"', line))
        with pytest.raises(ConfigError) as raised:
            read_config(str(tmp_path / "plugins.toml"))
        assert "plainly" not in str(raised.value)
