"""What a gate says to events, in process: for doors that live longer than one event."""

from decimal import Decimal

import pytest

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import PolicyDecision
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.hosts.host_event import HostEvent
from codespar_cli.hosts.open_calls import OpenCalls
from codespar_cli.hosts.referee import Referee


class Ledger:
    """A policy that holds one thing per allowed call, and remembers what became of it."""

    reserves = True
    is_closed = False

    def __init__(self):
        self.asked, self.open, self.settled, self.released = [], set(), [], []

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        self.asked.append((agent_id, tool_name, context))
        if self.is_closed or context.args.get("bad"):
            return PolicyDecision(allowed=False, reason="bad")
        self.open.add(f"rs-{len(self.asked)}")
        return PolicyDecision(allowed=True, reservation_id=f"rs-{len(self.asked)}", decision_id="de-1")

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.open.remove(reservation_id)
        self.settled.append((reservation_id, cost))

    def release(self, reservation_id):
        self.open.discard(reservation_id)
        self.released.append(reservation_id)


class Metrics:
    def __init__(self):
        self.rows = []

    def record(self, metric):
        self.rows.append(metric)


@pytest.fixture
def world(tmp_path):
    ledger, metrics, registry = Ledger(), Metrics(), PluginRegistry()
    registry.register_policy(ledger)
    registry.register_observability(metrics)
    gate = Gate(registry, tenant="acme", agents={"clau*": {"autonomy": 2}})
    moments = iter([float(second) for second in range(100, 200)])
    return (
        ledger,
        metrics,
        Referee(gate, OpenCalls(str(tmp_path / "state")), clock=lambda: next(moments), project="shop"),
    )


def event(kind, **fields):
    return HostEvent("claude", kind, "x", **{"tool": "Bash", "args": {}, "tool_use_id": "u", "session": "s", **fields})


def test_a_call_from_its_beginning_to_its_end(world):
    ledger, metrics, referee = world
    assert referee.rule(event("before", cwd="/w", agent="reviewer", mode="plan")).allowed
    (agent, tool, context) = ledger.asked[0]
    assert (agent, tool, context.tenant, context.project, context.session) == ("claude", "Bash", "acme", "shop", "s")
    told = {"host": "claude", "cwd": "/w", "agent_type": "reviewer", "permission_mode": "plan", "autonomy": 2}
    assert context.attributes == told
    assert referee.rule(event("after")) is None
    assert ledger.settled == [("rs-1", None)]
    (row,) = metrics.rows
    assert (row.success, row.latency_ms, row.decision_id, row.tenant) == (True, 1000.0, "de-1", "acme")


def test_the_hosts_own_time_of_a_tool_counts_before_ours(world):
    _, metrics, referee = world
    referee.rule(event("before"))
    referee.rule(event("after", duration_ms=12.5))
    assert metrics.rows[0].latency_ms == Decimal("12.5")


@pytest.mark.parametrize(
    ("error", "released", "settled"),
    [
        ("tool_error", [], [("rs-1", None)]),
        ("interrupted", [], [("rs-1", None)]),
        ("timeout", [], [("rs-1", None)]),
        (None, [], [("rs-1", None)]),
        ("permission_denied", ["rs-1"], []),
    ],
)
def test_a_call_that_failed_has_cost_what_it_costs_unless_it_never_ran(world, error, released, settled):
    ledger, metrics, referee = world
    referee.rule(event("before"))
    referee.rule(event("failure", error=error))
    assert (ledger.released, ledger.settled, ledger.open) == (released, settled, set())
    assert [(row.success, row.error_type) for row in metrics.rows] == [(False, error)]


def test_that_a_call_never_ran_is_believed_of_who_knows_its_id(world):
    ledger, _, referee = world
    referee.rule(event("before", tool_use_id=None))
    referee.rule(event("failure", tool_use_id=None, error="permission_denied"))
    assert (ledger.released, ledger.settled) == ([], [("rs-1", None)])


def test_a_host_that_says_nothing_of_failures_is_charged_when_a_call_is_allowed(world):
    ledger, metrics, referee = world
    before = event("before")._replace(host="codex")
    allowed = referee.rule(before)
    assert (ledger.settled, ledger.open) == ([], {"rs-1"})
    referee.heard(before, allowed)
    assert (ledger.settled, ledger.open) == ([("rs-1", None)], set())
    referee.rule(event("after")._replace(host="codex"))
    assert (ledger.settled, ledger.released, len(metrics.rows)) == ([("rs-1", None)], [], 1)


def test_a_permission_is_judged_anew_once_a_file_of_the_rules_is_another(world, tmp_path):
    ledger, _, referee = world
    rules = tmp_path / "policy.yaml"
    rules.write_text("one")
    referee._gate.ruled_by = (str(rules),)
    referee.rule(event("before", args={}))
    assert referee.rule(event("permission", args={})).allowed
    assert len(ledger.asked) == 1
    ledger.is_closed = True
    assert referee.rule(event("permission", args={})).allowed
    for change in (lambda: rules.write_text("three"), rules.unlink):
        change()
        assert referee.rule(event("permission", args={})).reason == "bad"
    rules.symlink_to(rules)
    assert referee.rule(event("permission", args={})).reason == "bad"


def test_a_permission_takes_nothing_whether_or_not_the_call_was_asked_about(world):
    ledger, metrics, referee = world
    referee.rule(event("before"))
    assert referee.rule(event("permission", tool_use_id=None)).allowed
    assert len(ledger.asked) == 1
    assert not referee.rule(event("permission", tool_use_id=None, args={"bad": True})).allowed
    assert referee.rule(event("permission", tool_use_id=None, args={"other": 1})).allowed
    assert ledger.open == {"rs-1"}
    assert metrics.rows == []


def test_an_allow_that_nobody_heard_is_taken_back(world):
    ledger, metrics, referee = world
    before = event("before")
    referee.take_back(before, referee.rule(before))
    assert (ledger.released, metrics.rows) == (["rs-1"], [])


def test_the_end_of_a_call_nobody_asked_about_is_recorded_and_settles_nothing(world):
    ledger, metrics, referee = world
    referee.rule(event("after"))
    assert (ledger.settled, ledger.released, len(metrics.rows)) == ([], [], 1)
    assert referee.rule(event("other")) is None


def test_without_plugins_nothing_is_written(tmp_path):
    referee = Referee(Gate(PluginRegistry()), OpenCalls(str(tmp_path / "state")))
    assert referee.rule(event("before")).allowed
    referee.rule(event("after"))
    assert not (tmp_path / "state").exists()
