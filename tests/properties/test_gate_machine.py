"""Registry and gate against a small model: what was granted is settled or released exactly once, the rest never ran."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import PolicyDecision
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import CallDenied, DuplicatePlugin, RegistrySealed

ANSWERS = st.sampled_from(["allow", "deny", "approve", "both", "raise", "exit", "none", "dict", "truthy"])


class Holds:
    bounded = True

    def __init__(self):
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
            case "deny":
                return PolicyDecision(allowed=False)
            case "approve":
                return PolicyDecision(allowed=False, requires_approval=True)
        self.count += 1
        held = f"rs-{self.count}"
        self.open.add(held)
        return PolicyDecision(allowed=True, reservation_id=held, requires_approval=self.next_answer == "both")

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

    @rule()
    def register_policy(self):
        hook = Holds()
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
        runs = not self.policy or answer == "allow"
        broken = self.policy and answer in {"raise", "exit", "none", "dict", "truthy"}
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
