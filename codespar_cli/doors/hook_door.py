"""`POST /v1/hook/{host}`: one event of a host in the body, the host's own kind of answer, always with status 200.

For Claude Code any other status, and any body that is neither empty nor a JSON object, is an error that lets the call pass
(Claude Code's hooks reference, "HTTP hooks"). So there is no other answer here: whatever goes wrong is a deny in the
host's format, a token that is missing included.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from codespar_cli import __version__
from codespar_cli.core.calls import PolicyDecision
from codespar_cli.core.gate import Gate
from codespar_cli.core.light_json import dumps
from codespar_cli.doors.admission import Admission
from codespar_cli.doors.hook_query import HookQuery, read_query
from codespar_cli.doors.large_bodies import LargeBodies
from codespar_cli.doors.turns import DEADLINE_S, Overdue, Turns
from codespar_cli.errors import CodesparError
from codespar_cli.hosts.answer import Answer
from codespar_cli.hosts.dialects import HOSTS, dialect_of
from codespar_cli.hosts.heartbeats import Heartbeat, beat
from codespar_cli.hosts.host_event import ENDED, JUDGED, OTHER, HostEvent, MalformedEvent
from codespar_cli.hosts.open_calls import OpenCalls
from codespar_cli.hosts.referee import Referee
from codespar_cli.server.requests import Disconnected, Refused, Request, Response, Room

if TYPE_CHECKING:
    from codespar_cli.hosts.dialects import Dialect
    from codespar_cli.hosts.heartbeats import Outcome

MOST_BYTES = 4 << 20
"""Of an event. The hook as a process takes more: it has its memory to itself."""
_BEAT_EVERY_S = 1.0
_CALLS_ITSELF = "claude"
"""The host that knows HTTP: whoever asks for one that is not known reads its deny."""
_NO_STORE = (("cache-control", "no-store"),)


class HookDoor:
    """`gate` answers the gate of now, and raises CodesparError when there is none; it is asked on the thread of `turns`."""

    def __init__(
        self,
        gate: Callable[[], Gate],
        turns: Turns,
        admission: Admission,
        room: Room,
        large: LargeBodies,
        *,
        state_dir: str,
        log: Callable[[str], None],
    ) -> None:
        self._gate = gate
        self._turns = turns
        self._admission = admission
        self._room = room
        self._large = large
        self._state_dir = state_dir
        self._calls = OpenCalls(state_dir)
        self._log = log
        self._beaten: dict[str, float] = {}

    async def answer(self, request: Request) -> Response:
        began = time.perf_counter()
        due = asyncio.get_running_loop().time() + DEADLINE_S
        host = request.parameters["host"]
        asked = _Asked(host, dialect_of(host if host in HOSTS else _CALLS_ITSELF))
        try:
            with self._room.place() as place:
                self._admission.check(request)
                if host not in HOSTS:
                    raise MalformedEvent(f"there is no host of that name: {', '.join(HOSTS)}")
                asked = asked._replace(query=read_query(request.query))
                raw = await request.body(MOST_BYTES, within_s=DEADLINE_S, place=place)
                asked, ruled = await self._answered(asked, raw, request, due)
        except Disconnected:
            raise
        except Exception as error:
            if not isinstance(error, MalformedEvent):
                self._log(f"{_status(error)} to {request.client} at /v1/hook: {_words(error)}")
            ruled = _gave_up(asked, error)
            if isinstance(error, Refused):  # whoever has no token is not the host
                return Response(200, _body(ruled.answer), headers=_NO_STORE)
        self._note(asked, ruled, began)
        return Response(200, _body(ruled.answer), headers=_NO_STORE)

    async def _answered(self, asked: _Asked, raw: bytes, request: Request, due: float) -> tuple[_Asked, _Ruled]:
        """By the time `due` of the event loop's clock. What is raised for an event that was read is an answer, too."""
        dialect, named = asked.dialect, asked.query.event
        try:
            async with self._large.read(raw, lambda data: dialect.read(data, named), until=due) as event:
                asked = asked._replace(event=event)
                return asked, await self._ruled(asked, request, due)
        except (MalformedEvent, Disconnected):
            raise
        except Exception as error:
            self._log(f"{_status(error)} to {request.client} at /v1/hook: {_words(error)}")
            return asked, _gave_up(asked, error)

    async def _ruled(self, asked: _Asked, request: Request, due: float) -> _Ruled:
        event, referee = asked.event, self._referee
        assert event is not None
        if event.kind == OTHER:
            return _Ruled(asked.dialect.answer(event, None), "neutral")

        def take_back(ruling: _Ruling) -> None:
            if ruling.decision is not None:
                referee(ruling.gate, asked.query).take_back(event, ruling.decision)

        def rule() -> _Ruling:
            gate = self._gate()
            return _Ruling(gate, referee(gate, asked.query).rule(event))

        ruling = await self._turns.take(rule, give_back=take_back, keep=event.kind in ENDED, until=due)
        decision, config = ruling.decision, ruling.gate.config_path
        if decision is None:
            return _Ruled(asked.dialect.answer(event, None), "recorded", config=config)
        if decision.allowed and request.is_gone():
            self._turns.later(lambda: take_back(ruling))
            raise Disconnected
        self._turns.later(lambda: referee(ruling.gate, asked.query).heard(event, decision))
        outcome: Outcome = "allow" if decision.allowed else "deny"
        return _Ruled(asked.dialect.answer(event, decision), outcome, decision.code, config)

    def _referee(self, gate: Gate, query: HookQuery) -> Referee:
        return Referee(gate, self._calls, agent=query.agent, project=query.project, environment=query.environment)

    def _note(self, asked: _Asked, ruled: _Ruled, began: float) -> None:
        """When this host was last heard of, once a second: `hosts status` shows it."""
        now = time.time()
        if asked.host not in HOSTS or abs(now - self._beaten.get(asked.host, 0.0)) < _BEAT_EVERY_S:
            return
        self._beaten[asked.host] = now
        event = asked.event
        heartbeat = Heartbeat(
            host=asked.host,
            at=now,
            event="" if event is None else event.name,
            tool="" if event is None else event.tool,
            outcome=ruled.outcome,
            code=ruled.code,
            took_ms=round((time.perf_counter() - began) * 1000, 3),
            config=ruled.config,
            version=__version__,
        )
        self._turns.later(lambda: _beat(self._state_dir, heartbeat))


class _Asked(NamedTuple):
    """What is known of a request by now."""

    host: str
    dialect: Dialect
    query: HookQuery = HookQuery()
    event: HostEvent | None = None


class _Ruling(NamedTuple):
    gate: Gate
    decision: PolicyDecision | None


class _Ruled(NamedTuple):
    answer: Answer
    outcome: Outcome
    code: str | None = None
    config: str | None = None


def _gave_up(asked: _Asked, error: Exception) -> _Ruled:
    """No, where a call waits for an answer, and nothing once it is over."""
    event, code = asked.event, getattr(error, "code", type(error).__name__)
    if event is not None and event.kind not in JUDGED:
        answer = asked.dialect.answer(event, None)
    else:
        name = getattr(error, "event_name", None) or asked.query.event if event is None else event.name
        answer = asked.dialect.refuse(_words(error), name)
    return _Ruled(answer, "refused", code if isinstance(code, str) else None)


def _body(answer: Answer) -> bytes:
    """A deny that is an exit code has no words on stdout; here it is what every event of Claude Code and Codex reads as no."""
    if answer.code == 0:
        return answer.stdout
    return dumps({"decision": "block", "reason": answer.stderr}).encode() + b"\n"


def _words(error: Exception) -> str:
    if isinstance(error, CodesparError):
        return f"{error}; hint: {error.hint}" if error.hint else str(error)
    if isinstance(error, MalformedEvent | Refused | Overdue):
        return str(error)
    return f"the hook failed: {type(error).__name__}"  # the class alone: a message may hold what the call was about


def _status(error: Exception) -> int:
    """What another door would have answered with: lines of the log look alike."""
    return error.status if isinstance(error, Refused) else 503


def _beat(state_dir: str, heartbeat: Heartbeat) -> None:
    try:
        beat(state_dir, heartbeat)
    except OSError:
        return  # the answer has been given
