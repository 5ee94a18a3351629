"""Registry and gate against a small model: what was granted is settled or released exactly once, the rest never ran."""

import json
from datetime import UTC, datetime
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from codespar_cli.cli.views.policy import decision_lines, trace_rows
from codespar_cli.core.decision_document import decision_document
from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import PolicyDecision, ToolCall, TraceStep
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import CallDenied, DuplicatePlugin, RegistrySealed

ODD_BUT_CLEAR = {
    "nan": {"retry_after": float("nan")},
    "endless": {"retry_after": 10**400},
    "reasonless": {"reason": None},
    "traceless": {"trace": None},
    "strange trace": {"trace": iter([1])},
}
ODD_HOLDING = {
    "approval as text": {"requires_approval": "no"},
    "code as number": {"code": 5},
    "allowed as text": {"allowed": "yes"},
    "never as number": {"never": 1},
}
WITHOUT_HOLD = ["raise", "exit", "fatal", "none", "dict", "truthy", "stand-in", "unbuilt", "listed id", "coroutine"]
BROKEN = {*WITHOUT_HOLD, *ODD_HOLDING}
RUNS = {"allow", *ODD_BUT_CLEAR}
ANSWERS = st.sampled_from(sorted({"deny", "approve", "both", "own init", *RUNS, *BROKEN}))


class OwnInit(PolicyDecision):
    def __init__(self, held):
        super().__init__(allowed=True, requires_approval=True, reservation_id=held)


class Fatal(BaseException):
    pass


async def later():
    return PolicyDecision(allowed=True)


class Holds:
    def __init__(self, bounded):
        self.bounded = bounded
        self.next_answer = "allow"
        self.open, self.settled, self.released, self.count = set(), [], [], 0

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        match self.next_answer:
            case "raise":
                raise OSError
            case "exit":
                raise SystemExit
            case "none":
                return None
            case "dict":
                return {"allowed": True}
            case "truthy":
                return PolicyDecision(allowed="yes")
            case "fatal":
                raise Fatal
            case "stand-in":
                return Mock(spec=PolicyDecision, allowed=True)
            case "unbuilt":
                return object.__new__(PolicyDecision)
            case "listed id":
                return PolicyDecision(allowed=True, reservation_id=["x"])
            case "coroutine":
                return later()
            case "deny":
                return PolicyDecision(allowed=False)
            case "approve":
                return PolicyDecision(allowed=False, requires_approval=True)
        self.count += 1
        held = f"rs-{self.count}"
        self.open.add(held)
        if self.next_answer == "own init":
            return OwnInit(held)
        fields = {"allowed": True, "requires_approval": self.next_answer == "both"}
        fields |= {**ODD_BUT_CLEAR, **ODD_HOLDING}.get(self.next_answer, {})
        return PolicyDecision(reservation_id=held, **fields)

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.open.remove(reservation_id)
        self.settled.append(reservation_id)

    def release(self, reservation_id):
        self.open.remove(reservation_id)
        self.released.append(reservation_id)
        return True


class Metrics:
    def __init__(self):
        self.rows, self.broken = [], False

    def record(self, metric):
        if self.broken:
            raise RuntimeError
        self.rows.append(metric)


class GateMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.registry = PluginRegistry()
        self.gate = Gate(self.registry)
        self.policy = self.metrics = None
        self.sealed = False
        self.ran = self.failed = self.rows = self.lost = self.refused = 0

    @rule(bounded=st.booleans())
    def register_policy(self, bounded):
        hook = Holds(bounded)
        try:
            self.registry.register_policy(hook)
        except (DuplicatePlugin, RegistrySealed):
            assert self.policy or self.sealed
        else:
            assert not self.policy
            assert not self.sealed
            self.policy = hook

    @rule()
    def register_metrics(self):
        hook = Metrics()
        try:
            self.registry.register_observability(hook)
        except (DuplicatePlugin, RegistrySealed):
            assert self.metrics or self.sealed
        else:
            self.metrics = hook

    @rule()
    def seal(self):
        self.registry.seal()
        self.sealed = True

    @precondition(lambda self: self.metrics)
    @rule(broken=st.booleans())
    def break_metrics(self, broken):
        self.metrics.broken = broken

    @rule(answer=ANSWERS, fails=st.booleans(), cost=st.sampled_from([None, "1", 0]))
    def call(self, answer, fails, cost):
        if self.policy:
            self.policy.next_answer = answer
        runs = not self.policy or answer in RUNS
        broken = self.policy and answer in BROKEN
        entered = False
        try:
            with self.gate.call("a", "t", cost=cost):
                entered = True
                if fails:
                    raise LookupError
        except CallDenied:
            assert not entered
        except LookupError:
            assert fails
        assert entered == runs
        self.ran += runs and not fails
        self.failed += runs and fails
        self.refused += bool(broken)
        if (runs or broken) and self.metrics:
            if self.metrics.broken:
                self.lost += 1
            else:
                self.rows += 1

    @invariant()
    def every_hold_ended_once(self):
        if getattr(self, "policy", None):
            assert not self.policy.open
            assert len(self.policy.settled) + len(self.policy.released) == self.policy.count

    @invariant()
    def every_call_left_its_row(self):
        if getattr(self, "metrics", None):
            assert len(self.metrics.rows) == self.rows
            assert self.gate.failures["observability"] == self.lost

    @invariant()
    def status_tells_what_is_there(self):
        if hasattr(self, "registry"):
            status = self.registry.get_status()
            assert (status["policy"], status["observability"]) == (bool(self.policy), bool(self.metrics))


TestGateMachine = GateMachine.TestCase


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(10**400), 10**400),
    st.text(max_size=5),
    st.lists(st.just("x"), max_size=2),
    st.just((TraceStep("rules", "pass"),)),
    st.just((TraceStep("rules", None),)),
    st.builds(object),
)
FIELDS = [name for name in PolicyDecision.__slots__ if name != "allowed"]


@given(st.booleans() | ANYTHING, st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4))
def test_whatever_the_fields_are_the_answer_is_sound_and_can_be_shown(allowed, fields):
    class Odd:
        bounded = True

        def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
            return PolicyDecision(allowed, **fields)

    registry = PluginRegistry()
    registry.register_policy(Odd())
    decision = Gate(registry).check(ToolCall("a", "t"))
    assert type(decision) is PolicyDecision
    assert decision.allowed is False or (allowed is True and not decision.requires_approval)
    json.dumps(decision_document(decision), allow_nan=False)
    lines = [line for line, _ in decision_lines(decision, datetime(2026, 1, 1, tzinfo=UTC))]
    assert not lines[0].startswith(("denied  None", "allowed  None"))
    trace_rows(decision)
