"""The gate: nothing a plugin does lets a call through, and nothing an observer does stops one."""

import asyncio
import functools
import threading
import time
import xmlrpc.client
from decimal import Decimal

import pytest

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import CallContext, IntegrationEvent, PolicyDecision, ToolCall
from codespar_cli.core.outcome import Outcome
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import ApprovalRequired, CallDenied


class Recorder:
    def __init__(self):
        self.metrics = []

    def record(self, metric):
        self.metrics.append(metric)


class Scripted:
    """Answers what it is told to, and remembers what happened to its holds."""

    bounded = True

    def __init__(self, answer):
        self.answer = answer
        self.seen = []
        self.settled = []
        self.released = []

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        self.seen.append((agent_id, tool_name, estimated_cost, context))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.settled.append((reservation_id, cost))

    def release(self, reservation_id):
        self.released.append(reservation_id)
        return True


HELD = PolicyDecision(allowed=True, reservation_id="rs-1", decision_id="d-1")


def gate_over(answer, **options):
    registry, policy, recorder = PluginRegistry(), Scripted(answer), Recorder()
    registry.register_policy(policy)
    registry.register_observability(recorder)
    return Gate(registry, **options), policy, recorder


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(0), GeneratorExit(), MemoryError(), RecursionError()])
def test_a_policy_that_raises_is_a_recorded_deny(error):
    journal = []
    gate, _, recorder = gate_over(error, journal=lambda call, decision: journal.append(decision))
    decision = gate.check(ToolCall("a", "t"))
    assert (decision.allowed, decision.code) == (False, "policy_error")
    assert type(error).__name__ in decision.reason
    assert journal == [decision]
    assert [metric.error_type for metric in recorder.metrics] == ["policy_error"]


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        True,
        "yes",
        1,
        {},
        {"allowed": True},
        [],
        object(),
        PolicyDecision(allowed=1),
        PolicyDecision(allowed="yes"),
    ],
)
def test_nonsense_is_a_deny(nonsense):
    gate, _, recorder = gate_over(nonsense)
    decision = gate.check(ToolCall("a", "t"))
    assert decision.allowed is False
    assert decision.code == "policy_error"
    assert len(recorder.metrics) == 1


def test_a_policy_that_could_not_record_its_own_failure_is_recorded_by_the_gate():
    journal = []
    broken = PolicyDecision(allowed=False, code="policy_error", stage="engine")
    gate, policy, _ = gate_over(broken, journal=lambda call, decision: journal.append(decision))
    assert gate.check(ToolCall("a", "t")) == broken
    policy.answer = PolicyDecision(allowed=False, code="policy_error", stage="engine", decision_id="de-1")
    gate.check(ToolCall("a", "t"))
    assert journal == [broken]


def test_an_async_policy_by_mistake_is_a_deny_without_a_warning():
    class Async:
        async def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
            return PolicyDecision(allowed=True)

    registry = PluginRegistry()
    registry.register_policy(Async())
    assert Gate(registry).check(ToolCall("a", "t")).code == "policy_error"


def test_a_policy_that_hangs_is_a_deny_within_the_deadline():
    class Hanging:
        def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
            time.sleep(60)

    registry = PluginRegistry()
    registry.register_policy(Hanging())
    decision = Gate(registry, deadline_s=0.05).check(ToolCall("a", "t"))
    assert (decision.allowed, decision.code) == (False, "policy_timeout")


def test_a_policys_own_timeout_has_the_same_code():
    gate, _, _ = gate_over(TimeoutError())
    assert gate.check(ToolCall("a", "t")).code == "policy_timeout"


def test_a_keyboard_interrupt_passes():
    gate, _, _ = gate_over(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        gate.check(ToolCall("a", "t"))


def test_allowed_and_approval_at_once_is_not_allowed_and_gives_the_hold_back():
    gate, policy, _ = gate_over(PolicyDecision(allowed=True, requires_approval=True, reservation_id="rs-9"))
    decision = gate.check(ToolCall("a", "t"))
    assert (decision.allowed, decision.requires_approval, decision.reservation_id) == (False, True, None)
    assert policy.released == ["rs-9"]


def test_hooks_written_to_the_positional_contract_work():
    class Older:
        def __init__(self):
            self.usage = []

        def evaluate(self, agent_id, tool_name, estimated_cost=None):
            return PolicyDecision(allowed=True, reservation_id="kept")

        def record_usage(self, agent_id, tool_name, cost):
            self.usage.append((agent_id, tool_name, cost))

    registry, policy = PluginRegistry(), Older()
    registry.register_policy(policy)
    with Gate(registry).call("a", "t", cost="0.5"):
        pass
    assert policy.usage == [("a", "t", "0.5")]


def test_success_settles_with_the_real_cost_and_records_it():
    gate, policy, recorder = gate_over(HELD, timer=iter([10.0, 10.25]).__next__)
    with gate.call("a", "t", cost="1", project="p", session="s") as call:
        call.cost = Decimal("0.40")
        call.input_tokens = 12
    assert policy.settled == [("rs-1", Decimal("0.40"))]
    (metric,) = recorder.metrics
    assert (metric.success, metric.latency_ms, metric.cost, metric.cost_source) == (
        True,
        250,
        Decimal("0.40"),
        "reported",
    )
    assert (metric.project, metric.session, metric.input_tokens, metric.decision_id) == ("p", "s", 12, "d-1")


def test_success_without_a_reported_cost_settles_at_the_estimate():
    gate, policy, recorder = gate_over(HELD)
    with gate.call("a", "t", cost="1"):
        pass
    assert policy.settled == [("rs-1", "1")]
    assert recorder.metrics[0].cost_source == "estimated"


def test_a_policy_that_reserves_is_not_told_of_what_it_did_not_hold():
    for reserves, settled in ((True, []), (False, [(None, "1")])):
        gate, policy, _ = gate_over(PolicyDecision(allowed=True))
        policy.reserves = reserves
        with gate.call("a", "t", cost="1"):
            pass
        assert policy.settled == settled


def test_success_of_unknown_cost_lets_the_policy_settle_at_what_it_holds():
    gate, policy, recorder = gate_over(HELD)
    with gate.call("a", "t"):
        pass
    assert policy.settled == [("rs-1", None)]
    assert (recorder.metrics[0].cost, recorder.metrics[0].cost_source) == (None, "unknown")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_tool_that_raises_releases_is_recorded_and_raises_on(error):
    gate, policy, recorder = gate_over(HELD)
    with pytest.raises(error), gate.call("a", "t", cost="1"):
        raise error
    assert (policy.settled, policy.released) == ([], ["rs-1"])
    assert (recorder.metrics[0].success, recorder.metrics[0].error_type) == (False, error.__name__)


@pytest.mark.parametrize(
    ("decision", "error"),
    [
        (PolicyDecision(allowed=False, reason="no", code="denied_by_rule"), CallDenied),
        (PolicyDecision(allowed=False, requires_approval=True), ApprovalRequired),
    ],
)
def test_a_denied_call_never_runs(decision, error):
    gate, policy, recorder = gate_over(decision)
    ran = []
    with pytest.raises(error) as caught, gate.call("a", "t"):
        ran.append(1)
    assert caught.value.decision == decision
    assert caught.value.exit_code == (4 if error is ApprovalRequired else 3)
    assert (ran, policy.settled, recorder.metrics) == ([], [], [])


def test_observers_that_raise_never_fail_a_call_and_are_counted():
    class Broken:
        def record(self, metric):
            raise SystemExit(1)

    registry = PluginRegistry()
    registry.register_policy(Scripted(HELD))
    registry.register_observability(Broken())
    gate = Gate(registry)
    for _ in range(3):
        with gate.call("a", "t"):
            pass
    assert gate.failures["observability"] == 3
    assert gate.last_failure["observability"] == "SystemExit"


def test_a_policy_that_fails_to_settle_never_fails_the_call():
    gate, policy, _ = gate_over(HELD)
    policy.record_usage = None
    gate.registry.record_policy_usage = lambda *a, **k: 1 / 0
    with gate.call("a", "t", cost="1"):
        pass
    assert gate.failures["policy"] == 1


def test_integrations_that_raise_are_counted_and_give_nothing():
    class Bad:
        id, name = "bad", "Bad"

        async def handle_webhook(self, payload, headers):
            raise ValueError

    class Good:
        id, name = "good", "Good"

        async def handle_webhook(self, payload, headers):
            return IntegrationEvent("good", "a.b", "info", "t")

    registry = PluginRegistry()
    registry.register_integration(Bad())
    registry.register_integration(Good())
    gate = Gate(registry)
    assert asyncio.run(gate.handle_webhook("bad", {}, {})) is None
    assert asyncio.run(gate.handle_webhook("absent", {}, {})) is None
    assert asyncio.run(gate.handle_webhook("good", {}, {})).title == "t"
    assert gate.failures == {"integrations": 1}


def test_the_operators_attributes_reach_the_policy_and_beat_the_callers():
    agents = {"deploy-*": {"autonomy": 3, "environment": "production"}}
    gate, policy, _ = gate_over(HELD, agents=agents)
    gate.check(ToolCall("deploy-1", "t", context=CallContext(attributes={"autonomy": 9, "team": "x"})))
    context = policy.seen[0][3]
    assert context.attributes == {"autonomy": 3, "environment": "production", "team": "x"}
    assert context.environment == "production"
    gate.check(ToolCall("other", "t"))
    assert policy.seen[1][3].attributes == {}


def test_record_without_a_decision_settles_what_is_open():
    gate, policy, _ = gate_over(HELD)
    gate.record(ToolCall("a", "t"), Outcome(cost="2"))
    assert policy.settled == [(None, "2")]


class Together(Scripted):
    """Settles several holds at once."""

    def __init__(self, answer, failing=None):
        super().__init__(answer)
        self.failing, self.together = failing, []

    def record_usages(self, usages):
        if self.failing == "all":
            raise OSError
        self.together.append(list(usages))
        return [KeyError() if usage.reservation_id == self.failing else None for usage in usages]


def ended(*outcomes):
    return [(ToolCall("a", f"t{number}", "1"), outcome) for number, outcome in enumerate(outcomes)]


def held(reservation, **fields):
    return Outcome(decision=PolicyDecision(allowed=True, reservation_id=reservation), **fields)


def test_calls_that_ended_are_settled_together_where_the_policy_can():
    policy, recorder, registry = Together(HELD), Recorder(), PluginRegistry()
    registry.register_policy(policy)
    registry.register_observability(recorder)
    Gate(registry).record_all(
        ended(
            held("rs-1", cost="2"),
            held("rs-2", success=False),
            held("rs-3", success=False, is_spent=True),
            held(None),
            Outcome(decision=PolicyDecision(allowed=False, reservation_id="rs-4")),
            held("rs-5"),
        )
    )
    assert policy.together == [[("a", "t0", "2", "rs-1"), ("a", "t2", "1", "rs-3"), ("a", "t5", "1", "rs-5")]]
    assert (policy.released, policy.settled) == (["rs-2"], [(None, "1")])
    assert [metric.tool_name for metric in recorder.metrics] == [f"t{number}" for number in range(6)]


def test_together_comes_to_the_same_as_one_after_the_other():
    outcomes = (held("rs-1"), held("rs-2", success=False), held("rs-3", cost="0.5"), held(None), Outcome(cost="3"))
    alone, one, metrics = gate_over(HELD)
    for call, outcome in ended(*outcomes):
        alone.record(call, outcome)
    plain, other, more = gate_over(HELD)
    plain.record_all(ended(*outcomes))
    assert (other.settled, other.released, more.metrics) == (one.settled, one.released, metrics.metrics)


def gate_of(policy):
    registry = PluginRegistry()
    registry.register_policy(policy)
    return Gate(registry)


@pytest.mark.parametrize("failing, failures", [("rs-2", {"policy": 1}), (None, {})])
def test_what_could_not_be_settled_together_is_counted(failing, failures):
    gate = gate_of(Together(HELD, failing))
    gate.record_all(ended(held("rs-1"), held("rs-2")))
    assert gate.failures == failures


def test_where_settling_together_fails_each_is_settled_by_itself():
    policy = Together(HELD, "all")
    gate = gate_of(policy)
    gate.record_all(ended(held("rs-1"), held("rs-2")))
    assert policy.settled == [("rs-1", "1"), ("rs-2", "1")]
    assert gate.failures == {}


class Forgetful(Together):
    def record_usages(self, usages):
        return super().record_usages(usages)[1:]


class Awaited(Together):
    async def record_usages(self, usages):
        raise AssertionError("nobody awaits it")


class Wrapper:
    """Passes on what it does not know, and settles in its own way."""

    def __init__(self, policy):
        self.policy, self.settled = policy, []

    def __getattr__(self, name):
        return getattr(self.policy, name)

    def evaluate(self, *arguments, **keywords):
        return self.policy.evaluate(*arguments, **keywords)

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.settled.append(reservation_id)


def test_an_answer_that_is_missing_counts_as_failed():
    gate = gate_of(Forgetful(HELD))
    gate.record_all(ended(held("rs-1"), held("rs-2"), held("rs-3")))
    assert gate.failures == {"policy": 1}


def test_a_coroutine_has_settled_nothing():
    policy = Awaited(HELD)
    gate_of(policy).record_all(ended(held("rs-1"), held("rs-2")))
    assert [reservation for reservation, _ in policy.settled] == ["rs-1", "rs-2"]


def test_who_wraps_a_policy_is_not_passed_by():
    inner = Together(HELD)
    wrapper = Wrapper(inner)
    gate_of(wrapper).record_all(ended(held("rs-1"), held("rs-2")))
    assert wrapper.settled == ["rs-1", "rs-2"]
    assert inner.together == []


class TestDecorator:
    def test_plain_functions_give_their_arguments_as_args(self):
        gate, policy, recorder = gate_over(HELD)

        @gate.tool(name="deploy/run", agent="bot", cost="0.1", project="p")
        def run(environment, *, force=False):
            return environment, force

        assert run("staging") == ("staging", False)
        agent, tool, cost, context = policy.seen[0]
        assert (agent, tool, cost, context.project) == ("bot", "deploy/run", "0.1", "p")
        assert context.args == {"environment": "staging", "force": False}
        assert recorder.metrics[0].tool_name == "deploy/run"

    def test_bare_decoration_uses_the_functions_name_and_the_gates_agent(self):
        gate, policy, _ = gate_over(HELD, agent_id="me")

        @gate.tool
        def search():
            return 1

        assert search() == 1
        assert policy.seen[0][:2] == ("me", "search")
        assert search.__name__ == "search"

    def test_coroutines_are_guarded_while_they_run(self):
        gate, policy, recorder = gate_over(HELD)

        @gate.tool
        async def fetch(url):
            await asyncio.sleep(0)
            raise LookupError(url)

        with pytest.raises(LookupError):
            asyncio.run(fetch("u"))
        assert policy.released == ["rs-1"]
        assert recorder.metrics[0].error_type == "LookupError"

    def test_generators_are_guarded_until_they_end(self):
        gate, policy, recorder = gate_over(HELD)

        @gate.tool
        def rows(n):
            yield from range(n)

        stream = rows(2)
        assert policy.seen == []
        assert next(stream) == 0
        assert recorder.metrics == []
        assert list(stream) == [1]
        assert recorder.metrics[0].success

    def test_a_generator_left_early_has_run(self):
        gate, _, recorder = gate_over(HELD)

        @gate.tool
        def rows():
            yield 1
            yield 2

        stream = rows()
        next(stream)
        stream.close()
        assert recorder.metrics[0].success

    def test_async_generators_are_guarded_until_they_end(self):
        gate, _, recorder = gate_over(HELD)

        @gate.tool
        async def rows():
            yield 1

        async def consume():
            return [item async for item in rows()]

        assert asyncio.run(consume()) == [1]
        assert recorder.metrics[0].success

    def test_a_denied_function_is_not_called(self):
        gate, _, _ = gate_over(PolicyDecision(allowed=False))
        ran = []

        @gate.tool
        def act():
            ran.append(1)

        with pytest.raises(CallDenied):
            act()
        assert ran == []


def test_async_with_works_and_waits_off_the_loop():
    gate, policy, recorder = gate_over(HELD)

    async def run():
        async with gate.call("a", "t", cost="1") as call:
            call.cost = "0.2"

    asyncio.run(run())
    assert policy.settled == [("rs-1", "0.2")]
    assert recorder.metrics[0].success


def test_a_gate_without_policy_allows():
    gate = Gate(PluginRegistry())
    assert gate.check(ToolCall("a", "t")).allowed
    with gate.call("a", "t"):
        pass


# ── holds that nobody waits for any more ──


class Slow(Scripted):
    bounded = False

    def __init__(self, seconds):
        super().__init__(HELD)
        self.seconds = seconds
        self.given_back = threading.Event()

    def evaluate(self, *arguments, context=None):
        time.sleep(self.seconds)
        return super().evaluate(*arguments, context=context)

    def release(self, reservation_id):
        super().release(reservation_id)
        self.given_back.set()


def slow_gate(seconds, **options):
    registry, policy = PluginRegistry(), Slow(seconds)
    registry.register_policy(policy)
    return Gate(registry, **options), policy


def test_a_hold_that_comes_after_the_deadline_is_given_back():
    gate, policy = slow_gate(0.2, deadline_s=0.02)
    assert gate.check(ToolCall("a", "t")).code == "policy_timeout"
    assert policy.given_back.wait(5)
    assert policy.released == ["rs-1"]


def test_a_hold_of_a_task_that_was_cancelled_meanwhile_is_given_back():
    gate, policy = slow_gate(0.2)

    async def use():
        async with gate.call("a", "t", cost="1"):
            raise AssertionError("it never runs")

    async def run():
        task = asyncio.create_task(use())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert policy.given_back.wait(5)
    assert (policy.released, policy.settled) == (["rs-1"], [])


def test_a_call_under_way_cannot_be_entered_again_and_begins_anew_afterwards():
    gate, policy, _ = gate_over(HELD)
    call = gate.call("a", "t", cost="1")
    with call:
        call.cost = "5"
        with pytest.raises(RuntimeError, match="already under way"), call:
            pass
        assert len(policy.seen) == 1
    with call:
        pass
    assert [cost for _, cost in policy.settled] == ["5", "1"]
    policy.answer = PolicyDecision(allowed=False)
    for _ in range(2):
        with pytest.raises(CallDenied), call:
            pass


# ── hooks that answer everything, or answer later ──


def test_a_hook_that_answers_every_attribute_is_asked_without_end():
    class Everything:
        def __call__(self, *arguments, **keywords):
            return PolicyDecision(allowed=True)

        def __getattr__(self, name):
            return self

    for hook, allowed in ((Everything(), True), (xmlrpc.client.ServerProxy("http://127.0.0.1:1/"), False)):
        registry = PluginRegistry()
        registry.register_policy(hook)
        assert Gate(registry).check(ToolCall("a", "t")).allowed is allowed


def test_properties_of_a_policy_that_raise_are_no_way_past_it():
    class Touchy(Scripted):
        @property
        def bounded(self):
            raise SystemExit(0)

        @property
        def preview(self):
            raise ValueError

    registry = PluginRegistry()
    registry.register_policy(Touchy(PolicyDecision(allowed=False, code="no")))
    assert Gate(registry).check(ToolCall("a", "t")).code == "no"
    assert Gate(registry).preview(ToolCall("a", "t")).code == "no"


def test_async_observers_by_mistake_are_counted_without_a_warning():
    class Async:
        async def record(self, metric):
            raise AssertionError("it never runs")

    registry = PluginRegistry()
    registry.register_observability(Async())
    gate = Gate(registry)
    gate.record(ToolCall("a", "t"), Outcome())
    assert gate.failures == {"observability": 1}


def test_a_cost_that_cannot_be_read_is_an_unknown_one():
    class Unreadable:
        def __str__(self):
            raise RuntimeError("private")

    gate, _, recorder = gate_over(PolicyDecision(allowed=True))
    with gate.call("a", "t", cost=Unreadable()) as call:
        call.cost = Unreadable()
    assert (recorder.metrics[0].cost, recorder.metrics[0].cost_source) == (None, "unknown")


class Fatal(BaseException):
    pass


@pytest.mark.parametrize("error", [SystemExit(0), Fatal(), asyncio.CancelledError()])
def test_an_integration_cannot_end_the_program(error):
    class Bad:
        id, name = "bad", "Bad"

        async def handle_webhook(self, payload, headers):
            raise error

    registry = PluginRegistry()
    registry.register_integration(Bad())
    gate = Gate(registry)
    assert asyncio.run(gate.handle_webhook("bad", {}, {})) is None
    assert gate.failures == {"integrations": 1}


def test_the_hosts_own_cancellation_of_a_webhook_passes():
    class Waiting:
        id, name = "w", "W"

        async def handle_webhook(self, payload, headers):
            await asyncio.sleep(60)

    registry = PluginRegistry()
    registry.register_integration(Waiting())
    gate = Gate(registry)

    async def run():
        async with asyncio.timeout(0.02):
            await gate.handle_webhook("w", {}, {})

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    assert gate.failures == {}


class TestOddFunctions:
    def test_async_generators_hear_what_is_sent_and_thrown_and_are_closed(self):
        gate, _, recorder = gate_over(HELD)
        heard = []

        @gate.tool
        async def echo():
            try:
                heard.append((yield 1))
                yield 2
            except LookupError:
                yield 3
            finally:
                heard.append("closed")

        async def consume():
            stream = echo()
            found = [await anext(stream), await stream.asend("hi"), await stream.athrow(LookupError())]
            await stream.aclose()
            return found

        assert asyncio.run(consume()) == [1, 2, 3]
        assert heard == ["hi", "closed"]
        assert recorder.metrics[0].success

    def test_what_an_async_generator_raises_passes_and_is_recorded(self):
        gate, policy, recorder = gate_over(HELD)

        @gate.tool
        async def fails():
            yield 1
            raise LookupError

        async def consume():
            return [item async for item in fails()]

        with pytest.raises(LookupError):
            asyncio.run(consume())
        assert (policy.released, recorder.metrics[0].error_type) == (["rs-1"], "LookupError")

    def test_builtins_and_partials(self):
        gate, policy, _ = gate_over(HELD)

        def act(path, mode="r", *, force=False):
            return path, mode, force

        assert gate.tool(max)(1, 2) == 2
        assert gate.tool(functools.partial(max, 1))(3) == 3
        assert gate.tool(functools.partial(act, "/etc", force=True))("w") == ("/etc", "w", True)
        assert [(seen[1], seen[3].args) for seen in policy.seen] == [
            ("max", {"args": [1, 2], "kwargs": {}}),
            ("max", {"args": [1, 3], "kwargs": {}}),
            ("act", {"path": "/etc", "mode": "w", "force": True}),
        ]

    def test_an_object_whose_call_is_async_is_guarded_while_it_runs(self):
        gate, _, recorder = gate_over(HELD)

        class Fetch:
            async def __call__(self, url):
                raise LookupError

        with pytest.raises(LookupError):
            asyncio.run(gate.tool(Fetch())("u"))
        assert (recorder.metrics[0].tool_name, recorder.metrics[0].error_type) == ("Fetch", "LookupError")

    def test_only_what_a_method_is_bound_to_is_no_argument(self):
        gate, policy, _ = gate_over(HELD)

        class Tools:
            @gate.tool
            def own(self, path, *, cls="x"):
                return path

            @classmethod
            @gate.tool
            def of_class(cls, path):
                return path

        @gate.tool
        def free(cls, *, self=1):
            return cls

        Tools().own("a", cls="big")
        Tools.of_class("b")
        free("c", self=2)
        assert [seen[3].args for seen in policy.seen] == [
            {"path": "a", "cls": "big"},
            {"path": "b"},
            {"cls": "c", "self": 2},
        ]
