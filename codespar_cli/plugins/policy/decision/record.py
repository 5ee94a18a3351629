"""What a decision leaves behind: everything it depended on, so that it can be replayed exactly.

Arguments may hold anything, secrets too, so the record keeps a keyed digest of them: it tells whether two calls had the
same arguments to whoever has the store, and nothing to anybody else. `record_args = true` keeps the arguments.
"""

from __future__ import annotations

from _collections_abc import Mapping, Sized  # `collections.abc`, without what `collections` costs
from decimal import Decimal
from itertools import islice

from codespar_cli.core import light_json
from codespar_cli.core.calls import CallContext, PolicyDecision, TraceStep
from codespar_cli.core.clock import from_micros, iso
from codespar_cli.core.hashing import keyed_digest, sha256
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple
from codespar_cli.core.text import visible
from codespar_cli.plugins.policy.decision.counting import Counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_LARGEST = 64 * 1024
_SHOWN = 300
_HUGE = 10**100
_MOST_VALUES = 100_000
_SCALARS = (str, int, float, type(None))


class Spelled(NamedTuple):
    """A context for the record: its arguments as canonical JSON (None when they have no spelling) and their SHA-256, and
    its attributes as JSON has them (None when there are none)."""

    args: str | None
    digest: bytes
    attributes: Any


_NOTHING = Spelled(None, b"", None)


def decision_body(
    decision: PolicyDecision,
    *,
    agent: object,
    tool: object,
    cost: object,
    context: CallContext,
    counted: Sequence[Counted],
    clock: int | None,
    mode: str,
    verdict: str,
    zones: str | None,
    spelled: Spelled,
) -> dict[str, Any]:
    """The body of a `decision` record, less its arguments. Nothing in it can fail to be JSON."""
    body: dict[str, Any] = {
        "decision": decision.decision_id,
        "tenant": shown(context.tenant),
        "agent": shown(agent),
        "tool": shown(tool),
        "policy": decision.policy_hash,
        "mode": mode,
        "allowed": decision.allowed,
        "verdict": verdict,
        "stages": [_stage(step) for step in decision.trace if step.outcome != "skip"],
    }
    body.update(_texts(decision, cost, context, zones))
    if decision.retry_after is not None:
        body["retry_after"] = decision.retry_after
    if decision.never:
        body["never"] = True
    if clock is not None:
        # What the clock said, having been set back behind the highest time the store has seen.
        body["clock"] = iso(from_micros(clock))
    if spelled.attributes is not None:
        body["context"] = spelled.attributes
    if counted:
        body["counters"] = [
            [one.rule.id, one.key.scope, one.key.window, one.key.period, one.state.used, one.state.held, one.amount]
            for one in counted
        ]
    return body


def _texts(decision: PolicyDecision, cost: object, context: CallContext, zones: str | None) -> dict[str, str]:
    """What is left out when there is none: of the call, made harmless; of our own, as it is."""
    foreign = (
        ("cost", cost),
        ("project", context.project),
        ("session", context.session),
        ("environment", context.environment),
        ("approval", decision.approval_id or context.approval_id),
        ("reason", decision.reason if decision.code else None),
    )
    ours = (
        ("code", decision.code),
        ("rule", decision.rule_id),
        ("stage", decision.stage),
        ("reservation", decision.reservation_id),
        ("tzdata", zones),
    )
    found = {name: shown(value) for name, value in foreign if value is not None}
    found.update((name, text) for name, text in ours if text is not None)
    return found


def _stage(step: TraceStep) -> str:
    """`budget pass procurement-day`; the numbers are among the counters."""
    return f"{step.stage} {step.outcome} {step.rule_id}" if step.rule_id else f"{step.stage} {step.outcome}"


def spell(context: object) -> Spelled:
    """What a record may keep of a context, worked out before the store is locked."""
    if not isinstance(context, CallContext):
        return _NOTHING
    attributes = None
    if type(context.attributes) is not dict or context.attributes:
        attributes = plain(context.attributes)
    if context.args is None:
        return _NOTHING if attributes is None else Spelled(None, b"", attributes)
    text = canonical(context.args)
    return Spelled(text, b"" if text is None else sha256(text.encode()), attributes)


def put_args(body: dict[str, Any], spelled: Spelled, key: bytes, *, whole: bool) -> None:
    """Add the call's arguments to a body: whole, or as a digest under the store's own key."""
    text = spelled.args
    if text is None:
        body["args_unreadable"] = True
    elif whole and len(text) <= _LARGEST:
        body["args"] = light_json.loads(text)
    else:
        body["args_digest"] = keyed_digest(spelled.digest, key).hex()


def canonical(value: object) -> str | None:
    """One spelling for equal values, or None for what cannot be told as JSON at all."""
    try:
        if not _is_bounded(value):
            return None
        return light_json.encoder(sort_keys=True, default=_plain, check_circular=True)(value)
    except Exception:  # arguments are anything, and so is what their methods raise
        return None


def _is_bounded(value: object) -> bool:
    """Whether it is a value of ordinary size on paper: what holds itself many times over is small in memory only."""
    left, pending = _MOST_VALUES, [value]
    while pending and left > 0:
        item = pending.pop()
        if isinstance(item, dict):
            items: Iterable[object] = item.values()
        elif isinstance(item, list | tuple):
            items = item
        elif isinstance(item, Mapping):
            items = islice(item.values(), left)
        else:
            continue
        left -= len(items) + 1 if isinstance(items, Sized) else 1
        if left > 0:
            pending.extend([each for each in items if not isinstance(each, _SCALARS)])
    return left > 0


def plain(value: object) -> Any:
    """The same value as JSON has it; what JSON cannot hold is told by its type."""
    text = canonical(value)
    return light_json.loads(text) if text is not None and len(text) <= _LARGEST else "unreadable"


def shown(value: object) -> str:
    """Text for a record: harmless, and bounded. What is neither text nor a number is told by its type."""
    if type(value) is str and len(value) <= _SHOWN and value.isprintable():
        return value
    kind = type(value)  # `__class__` can say anything
    if kind in {bool, float, Decimal} or (type(value) is int and abs(value) < _HUGE):
        value = str(value)
    elif issubclass(kind, str):
        value = str.__str__(value)
    return visible(value[:_SHOWN] if type(value) is str else kind.__name__)


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else f"<{type(value).__name__}>"
