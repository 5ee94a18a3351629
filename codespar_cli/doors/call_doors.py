"""`POST /v1/check` and `POST /v1/record`: a tool call is asked about before it is made, and told of when it is over.

What is no call, no outcome or from nobody is answered with a status from 400 on. A check that could not be decided is a
decision like any other, which says no; whoever reads only `allowed` is safe.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from codespar_cli.core.administration.metric_lines import metric_of
from codespar_cli.core.asking import takes
from codespar_cli.core.calls import PolicyDecision, ToolMetric
from codespar_cli.core.decision_document import decision_document
from codespar_cli.core.gate import Gate
from codespar_cli.core.sound_decision import POLICY_ERROR, refusal
from codespar_cli.doors.admission import Admission
from codespar_cli.doors.call_document import Asked, malformed, read_asked, read_object
from codespar_cli.doors.large_bodies import LargeBodies
from codespar_cli.doors.turns import DEADLINE_S, Overdue, Turns
from codespar_cli.errors import CodesparError, NotFoundError, UsageError
from codespar_cli.server.requests import Disconnected, Refused, Request, Response, Room

MOST_BYTES = 1 << 20
_NO_STORE = (("cache-control", "no-store"),)
_RESERVATION = "reservation"
_LONGEST_ID = 256
_STATUS: dict[type, int] = {UsageError: 400, NotFoundError: 404}


class CallDoors:
    """`gate` answers the gate of now, and raises CodesparError when there is none; it is asked on the thread of `turns`."""

    def __init__(
        self,
        gate: Callable[[], Gate],
        turns: Turns,
        admission: Admission,
        room: Room,
        large: LargeBodies,
        *,
        tenant: str,
        log: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._turns = turns
        self._admission = admission
        self._room = room
        self._large = large
        self._tenant = tenant
        self._log = log

    async def check(self, request: Request) -> Response:
        """Raises Refused, Disconnected."""
        due = asyncio.get_running_loop().time() + DEADLINE_S
        with self._room.place() as place:
            self._admit(request)
            raw = await request.body(MOST_BYTES, within_s=DEADLINE_S, place=place)
            try:
                async with self._large.read(
                    raw, lambda data: read_asked(data, tenant=self._tenant), until=due
                ) as asked:
                    decision = await self._decided(asked, request, due)
            except Overdue as error:
                decision = _too_late(error)
            except UsageError as error:
                decision = PolicyDecision(allowed=False, reason=_told(error), code=error.code, stage="door")
                return _document(400, decision_document(decision))
            return _document(200, decision_document(decision))

    async def record(self, request: Request) -> Response:
        """Raises Refused, Disconnected."""
        due = asyncio.get_running_loop().time() + DEADLINE_S
        with self._room.place() as place:
            self._admit(request)
            raw = await request.body(MOST_BYTES, within_s=DEADLINE_S, place=place)
            try:
                async with self._large.read(
                    raw, lambda data: read_ended(data, tenant=self._tenant), until=due
                ) as ended:
                    told = await self._turns.take(lambda: settle_and_record(self._gate(), ended), keep=True, until=due)
            except Overdue as error:
                raise Refused(503, f"an outcome is not recorded yet: {error}", told="not recorded yet") from None
            except CodesparError as error:
                status = _STATUS.get(type(error), 503)
                return _document(status, {"error": str(error), "code": error.code, "hint": error.hint})
            return _document(200, told)

    def _admit(self, request: Request) -> None:
        try:
            self._admission.check(request)
        except Refused as error:
            self._log(f"{error.status} to {request.client} at /v1: {error}")
            raise

    async def _decided(self, asked: Asked, request: Request, due: float) -> PolicyDecision:
        def decide() -> _Decided:
            gate = self._gate()
            return _Decided(gate, gate.check(asked.call) if asked.reserve else gate.preview(asked.call))

        try:
            decided = await self._turns.take(decide, give_back=_give_back, until=due)
        except Overdue as error:
            return _too_late(error)
        except CodesparError as error:
            return refusal(error.code, _told(error))
        except Exception as error:  # the class alone: a message may hold what the call was about
            self._log(f"a check failed: {type(error).__name__}")
            return refusal(POLICY_ERROR, f"the check failed: {type(error).__name__}")
        if decided.decision.reservation_id is not None and request.is_gone():
            self._turns.later(lambda: _give_back(decided))
            raise Disconnected
        return decided.decision


class Ended(NamedTuple):
    """What became of a call: the row to keep, and the hold to settle."""

    metric: ToolMetric
    reservation: str | None


class _Decided(NamedTuple):
    gate: Gate
    decision: PolicyDecision


def read_ended(raw: bytes, *, tenant: str) -> Ended:
    """The keys of a row of `metrics tail -o jsonl`, and `reservation`. Raises UsageError."""
    found = read_object(raw)
    reservation = found.pop(_RESERVATION, None)
    if reservation is not None and not (isinstance(reservation, str) and 0 < len(reservation) <= _LONGEST_ID):
        raise malformed("reservation: expected the id that a check with `reserve` answered")
    metric = metric_of(found, tenant)
    if metric.tenant != tenant:
        raise malformed("tenant: expected the one that is served, or none")
    if not isinstance(metric.tool_name, str) or not isinstance(metric.agent_id, str):
        raise malformed("tool and agent: expected texts")
    if type(metric.success) is not bool:
        raise malformed("success: expected true or false")
    return Ended(metric, reservation)


def settle_and_record(gate: Gate, ended: Ended) -> dict[str, bool]:
    """Settle, also what a call that failed has cost, then keep the row. Told again, nothing is settled twice.

    Raises CodesparError: a reservation that nobody knows, a row that cannot be kept, a store that does not answer.
    """
    registry, metric = gate.registry, ended.metric
    settled = registry.policy is not None and _settle(gate, ended)
    if registry.observability is None:
        return {"settled": settled, "recorded": False}
    registry.record_metric(metric)
    flush = getattr(registry.observability, "flush", None)
    if callable(flush):  # what is told is durable
        flush()
    return {"settled": settled, "recorded": True}


def _settle(gate: Gate, ended: Ended) -> bool:
    registry, metric = gate.registry, ended.metric
    if ended.reservation is not None and takes(registry.record_policy_usage, "reservation_id"):
        registry.record_policy_usage(metric.agent_id, metric.tool_name, metric.cost, reservation_id=ended.reservation)
        return True
    if metric.cost is None:
        return False
    registry.record_policy_usage(metric.agent_id, metric.tool_name, metric.cost)
    return True


def _give_back(decided: _Decided) -> None:
    if decided.decision.reservation_id is not None:
        decided.gate.registry.release_policy_reservation(decided.decision.reservation_id)


def _too_late(error: Overdue) -> PolicyDecision:
    return refusal("policy_timeout", f"the policy did not answer in time: {error}")


def _told(error: CodesparError) -> str:
    return f"{error}; hint: {error.hint}" if error.hint else str(error)


def _document(status: int, found: dict[str, Any]) -> Response:
    return Response(status, json.dumps(found, separators=(",", ":")).encode() + b"\n", headers=_NO_STORE)
