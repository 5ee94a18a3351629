"""Several policies as one: a call is allowed when all of them allow it, so that adding one can only tighten.

Each is asked as if it were alone: with its own tenant, store and agents' attributes. Whoever is asked later is looked at
first, so that no approval is used up, and no budget held, for a call that another denies; then each decides and records
for itself, and what one has held is given back when a later one denies after all.
"""

from __future__ import annotations

from codespar_cli.core.asking import ask, takes
from codespar_cli.core.calls import CallContext, PolicyDecision, ToolCall, TraceStep
from codespar_cli.core.gate import attributed
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple, replace
from codespar_cli.errors import CodesparError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from codespar_cli.core.calls import Cost

_STAGE = "layer"
_BETWEEN, _NAMED = "+", ":"
_WORST = ("ok", "warning", "error")


class Layer(NamedTuple):
    """One policy with what is its own. `tenant` is None where the caller's counts."""

    name: str
    policy: Any
    agents: tuple[Mapping[str, Mapping[str, Any]], ...] = ()
    tenant: str | None = None
    file: str = ""

    def context(self, agent_id: object, context: CallContext) -> CallContext:
        """The context as this layer is to see it."""
        tenant = context.tenant if self.tenant is None else self.tenant
        token = context.approval_id
        if token is not None and not self._knows(token):
            token = None  # another layer's: this one finds its own approval by what it is for
        if (tenant, token) != (context.tenant, context.approval_id):
            context = replace(context, tenant=tenant, approval_id=token)
        return attributed(context, agent_id, *self.agents)

    def _knows(self, token: str) -> bool:
        try:
            return self.policy.approval(token) is not None
        except NotFoundError:
            return False
        except Exception:
            return True  # whoever cannot say decides himself what the token is worth


class LayeredPolicy:
    """`layers` from the highest to the lowest, at least one; their names differ."""

    def __init__(self, layers: Sequence[Layer], *, tenant: str = "default") -> None:
        self.layers = tuple(layers)
        self._nobody = CallContext(tenant=tenant)
        self.bounded = all(getattr(layer.policy, "bounded", False) is True for layer in layers)
        self.reserves = all(getattr(layer.policy, "reserves", False) is True for layer in layers)

    # ── before a call ──

    def evaluate(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision:
        calls = self._calls(agent_id, tool_name, estimated_cost, context)
        # The first is asked before any other has done anything: to look at it costs a read, and tells nothing new, unless
        # it might save people a request for a call that it denies.
        looked = [None, *(self._look(layer, call) for layer, call in calls[1:])]
        refusing = self._refusing(looked)
        if refusing is not None and getattr(looked[refusing], "requires_approval", False):
            refusing = self._refusing([self._look(*calls[0]), *looked[1:]])
        if refusing is not None:
            calls.insert(0, calls.pop(refusing))
        taken: list[tuple[Layer, PolicyDecision]] = []
        for layer, call in calls:
            decision = _asked(layer, layer.policy.evaluate, call)
            if not decision.allowed:
                for other, allowed in (*taken, (layer, decision)):
                    _give_back(other, allowed)
                return _told(layer, decision)
            taken.append((layer, decision))
        return self._allowed(taken)

    def preview(
        self,
        agent_id: str,
        tool_name: str,
        estimated_cost: Cost | None = None,
        *,
        context: CallContext | None = None,
    ) -> PolicyDecision:
        """What `evaluate` would answer. A policy that cannot be looked at without leaving something behind is asked."""
        found = []
        for layer, call in self._calls(agent_id, tool_name, estimated_cost, context):
            decision = self._look(layer, call)
            if decision is None:
                decision = _asked(layer, layer.policy.evaluate, call)
                _give_back(layer, decision)
            found.append(replace(decision, reservation_id=None))
        refusing = self._refusing(found)
        if refusing is not None:
            return _told(self.layers[refusing], found[refusing])
        return self._allowed(list(zip(self.layers, found, strict=True)))

    # ── after it ──

    def record_usage(
        self, agent_id: str, tool_name: str, cost: Cost | None, *, reservation_id: str | None = None
    ) -> Any:
        """Settle in every layer that held something; without an id, in every layer. As the policies' own, it raises."""

        def settle(layer: Layer, hold: str | None) -> Any:
            record = getattr(layer.policy, "record_usage", None)
            if record is None:
                return None
            keywords = {"reservation_id": hold} if hold is not None and takes(record, "reservation_id") else {}
            return record(agent_id, tool_name, cost, **keywords)

        found = [one for one in self._each(reservation_id, settle) if one is not None]
        return _summed(found, reservation_id) if found else None

    def release(self, reservation_id: str) -> bool:
        """Give back what every layer held. False when none held anything under this id."""

        def release(layer: Layer, hold: str | None) -> bool:
            give_back = getattr(layer.policy, "release", None)
            return give_back is not None and bool(give_back(hold))

        return any(list(self._each(reservation_id, release)))

    # ── administration ──

    def budgets(self) -> list[Any]:
        """Every layer's, the highest first."""
        return self._gathered("budgets")

    def approvals(self, *, unexpired: bool = False) -> list[Any]:
        return sorted(self._gathered("approvals", unexpired=unexpired), key=lambda state: state.created_at)

    def approval(self, token: str) -> Any:
        """Raises NotFoundError."""
        return self._holder(token).approval(token)

    def vote(self, token: str, name: str, *, approves: bool, reason: str = "") -> Any:
        """As the policy whose request it is. Raises NotFoundError."""
        return self._holder(token).vote(token, name, approves=approves, reason=reason)

    def remind(self) -> list[str]:
        return self._gathered("remind")

    def lint(self, tools: Sequence[str] | None = None) -> list[Any]:
        return self._gathered("lint", tools)

    def health(self) -> Any:
        """The worst of all, and what each has to say."""
        from codespar_cli.core.plugin_status import health_of

        told = [(layer.name, health_of(layer.policy)) for layer in self.layers]
        worst = max((health for _, health in told), key=lambda health: _WORST.index(health.state))
        words = "; ".join(f"{name}: {health.message}" if len(told) > 1 else health.message for name, health in told)
        return type(worst)(worst.state, words, worst.hint)

    def __getattr__(self, name: str) -> Any:
        # What is one policy's matter (`simulate`, how a backend explains its limits) is that of the user's own.
        if name not in {"simulate", "backend", "limits", "instead"}:
            raise AttributeError(name)
        return getattr(self._own.policy, name)

    # ── inside ──

    @property
    def _own(self) -> Layer:
        return next((layer for layer in self.layers if layer.name == "user"), self.layers[0])

    def _calls(
        self, agent_id: str, tool_name: str, cost: Cost | None, context: CallContext | None
    ) -> list[tuple[Layer, ToolCall]]:
        given = self._nobody if context is None else context
        seen = [layer.context(agent_id, given) if isinstance(given, CallContext) else given for layer in self.layers]
        return [(layer, ToolCall(agent_id, tool_name, cost, one)) for layer, one in zip(self.layers, seen, strict=True)]

    def _look(self, layer: Layer, call: ToolCall) -> PolicyDecision | None:
        look = getattr(layer.policy, "preview", None)
        return _asked(layer, look, call) if callable(look) else None

    def _refusing(self, found: Sequence[PolicyDecision | None]) -> int | None:
        """The place of the answer that counts: a no before a request for approval, the higher before the lower."""
        refused = [(place, one) for place, one in enumerate(found) if one is not None and not one.allowed]
        flat = [place for place, one in refused if not one.requires_approval]
        return next(iter([*flat, *(place for place, _ in refused)]), None)

    def _allowed(self, taken: Sequence[tuple[Layer, PolicyDecision]]) -> PolicyDecision:
        ordered = sorted(taken, key=lambda one: self.layers.index(one[0]))
        speaking = next((one for layer, one in ordered if layer is self._own), ordered[0][1])
        holds = [f"{layer.name}{_NAMED}{one.reservation_id}" for layer, one in ordered if one.reservation_id]
        trace = tuple(step for _, one in ordered for step in one.trace)
        return replace(speaking, reservation_id=_BETWEEN.join(holds) or None, trace=trace)

    def _each(self, reservation_id: str | None, act: Any) -> Iterator[Any]:
        """What `act(layer, hold)` answers for every layer that is concerned: all are asked before an error is raised."""
        error: CodesparError | None = None
        answers = []
        named = None if reservation_id is None else _holds(reservation_id)
        for layer in self.layers:
            if named is not None and named and layer.name not in named:
                continue
            try:
                answers.append(act(layer, reservation_id if not named else named[layer.name]))
            except NotFoundError as missing:
                error = error or missing
            except CodesparError as other:
                error = other
        if error is not None and not (isinstance(error, NotFoundError) and answers):
            raise error
        yield from answers

    def _gathered(self, ability: str, *arguments: Any, **keywords: Any) -> list[Any]:
        found: list[Any] = []
        for layer in self.layers:
            method = getattr(layer.policy, ability, None)
            if callable(method):
                found += method(*arguments, **keywords)
        return found

    def _holder(self, token: str) -> Any:
        missing: NotFoundError | None = None
        for layer in self.layers:
            try:
                if callable(getattr(layer.policy, "approval", None)):
                    layer.policy.approval(token)
                    return layer.policy
            except NotFoundError as error:
                missing = missing or error
        raise missing or NotFoundError("there is no such approval")


def _asked(layer: Layer, evaluate: Callable[..., object], call: ToolCall) -> PolicyDecision:
    return ask(evaluate, call, None, lambda late: _give_back(layer, late))


def _told(layer: Layer, decision: PolicyDecision) -> PolicyDecision:
    step = TraceStep(_STAGE, "approve" if decision.requires_approval else "fail", decision.rule_id, layer.file)
    return replace(decision, reservation_id=None, trace=(*decision.trace, step))


def _give_back(layer: Layer, decision: PolicyDecision) -> None:
    release = getattr(layer.policy, "release", None)
    if decision.reservation_id is None or release is None:
        return
    try:
        release(decision.reservation_id)
    except Exception:
        return  # it lapses by itself, and the call is denied already


def _holds(reservation_id: str) -> dict[str, str]:
    """Layer -> hold. Empty for an id that a policy gave by itself."""
    parts = [part.partition(_NAMED) for part in reservation_id.split(_BETWEEN)]
    return {name: hold for name, _, hold in parts} if all(hold for _, _, hold in parts) else {}


def _summed(found: Sequence[Any], reservation_id: str | None) -> Any:
    """What the layers settled, as one `Settlement`; an answer of another kind is handed on as it is."""
    first = found[0]
    if not all(hasattr(one, "unreserved") for one in found):
        return first
    return first._replace(
        reservation_id=reservation_id or first.reservation_id,
        rules=tuple(dict.fromkeys(rule for one in found for rule in one.rules)),
        overrun=max(one.overrun for one in found),
        repeated=all(one.repeated for one in found),
        unreserved=all(one.unreserved for one in found),
    )
