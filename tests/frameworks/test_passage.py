"""What the frameworks' modules share, over a real engine, a real record and a real observer."""

import asyncio
import threading
import unicodedata

import pytest
from framework_scenario import PLUGINS, RULES
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli import CallContext, PolicyDecision, load
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.gate import Gate
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.frameworks.passage import NotRun, Passage, Refusal, ToolError


@pytest.fixture
def gate(newcomer):
    (newcomer / "plugins.toml").write_text(PLUGINS)
    (newcomer / "policy.yaml").write_text(RULES)
    return load()


def money(gate):
    (state,) = gate.registry.policy.budgets()
    return f"{state.spent:.2f}", f"{state.held:.2f}"


def last_metric(gate):
    gate.registry.observability.flush()
    return gate.registry.observability.rows(MetricFilter()).rows[-1]


def test_a_call_holds_its_estimate_until_it_is_left(gate):
    passage = Passage(gate, cost_of=lambda tool, result: result["cost"])
    call = passage.enter("search", {})
    assert money(gate) == ("0.00", "0.40")
    passage.leave(call, "search", {"cost": "0.10"})
    assert money(gate) == ("0.10", "0.00")


@pytest.mark.parametrize("error", [LookupError, ToolError, NotRun, asyncio.CancelledError])
def test_what_failed_gives_its_hold_back_and_is_never_priced(gate, error):
    passage = Passage(gate, cost_of=lambda tool, result: pytest.fail("a call that failed has no price"))
    passage.leave(passage.enter("search", {}), "search", "result", error=error)
    assert money(gate) == ("0.00", "0.00")
    metric = last_metric(gate)
    assert (metric.success, metric.error_type) == (False, error.__name__)


@pytest.mark.parametrize("cost_of", [None, lambda tool, result: None, lambda tool, result: 1 / 0])
def test_a_cost_that_nobody_can_tell_settles_at_the_estimate(gate, cost_of):
    passage = Passage(gate, cost_of=cost_of)
    passage.leave(passage.enter("search", {}), "search", "result")
    assert money(gate) == ("0.40", "0.00")
    assert last_metric(gate).success


def test_a_refusal_says_why_and_with_what_to_mend_it(gate):
    passage = Passage(gate)
    assert passage.enter("delete", {"path": "/"}) == Refusal("codespar denied `delete`: not the root (denied_by_rule).")
    asked = passage.enter("deploy", {"environment": "production"})
    (state,) = gate.registry.policy.approvals()
    assert f"codespar approvals approve {state.token} --as NAME" in asked.text
    assert "codespar denied" not in asked.text


def test_what_is_said_of_a_call_reaches_the_rules(gate):
    seen = []
    gate.protection = lambda call: seen.append(call)
    passage = Passage(gate, agent="bot", project="p", session="s", environment="prod")
    passage.enter("echo", {"text": "x"}, session="t")
    assert (seen[0].agent_id, seen[0].tool_name) == ("bot", "echo")
    assert seen[0].context == CallContext(project="p", session="t", environment="prod", args={"text": "x"})


class Faulty:
    def __init__(self, error):
        self.error = error

    def evaluate(self, *args, **keywords):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("sesame"), SystemExit("sesame"), RecursionError(), MemoryError()])
@pytest.mark.parametrize("where", ["policy", "gate"])
def test_whatever_breaks_inside_is_a_refusal_that_shows_a_class_alone(error, where):
    registry = PluginRegistry()
    registry.register_policy(Faulty(error))
    gate = Gate(registry)
    if where == "gate":
        if isinstance(error, SystemExit):
            return
        gate.check = Faulty(error).evaluate
    refusal = Passage(gate).enter("echo", {})
    assert isinstance(refusal, Refusal)
    assert type(error).__name__ in refusal.text
    assert "sesame" not in refusal.text
    assert asyncio.run(Passage(gate).aenter("echo", {})) == refusal or where == "gate"


class Denying:
    bounded = True

    def __init__(self, reason):
        self.reason = reason

    def evaluate(self, *args, **keywords):
        return PolicyDecision(allowed=False, reason=self.reason, code="no")


@given(st.text(), st.text(max_size=300))
def test_a_refusal_is_one_harmless_line(tool, reason):
    registry = PluginRegistry()
    registry.register_policy(Denying(reason))
    text = Passage(Gate(registry)).enter(tool, {}).text
    assert text.startswith("codespar denied `")
    assert not {unicodedata.category(letter) for letter in text} & {"Cc", "Cs", "Zl", "Zp"}


def test_a_cancelled_question_leaves_no_hold(gate):
    began, go_on = threading.Event(), threading.Event()
    check = gate.check

    def slow(call):
        began.set()
        go_on.wait(30)
        return check(call)

    gate.check = slow

    async def cancelled():
        task = asyncio.create_task(Passage(gate).aenter("search", {}))
        await asyncio.to_thread(began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(cancelled())  # waits for the thread
    assert money(gate) == ("0.00", "0.00")
