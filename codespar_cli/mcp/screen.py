"""What passes between a client and its server, and what is said in the server's place.

Both directions ask here, one line at a time, each from one thread. From the client everything passes but a call that the
policy denies and what could be a call in another reader's eyes. From the server everything passes; answers are read for
what they cost, lists for what tools there are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from codespar_cli.errors import CodesparError
from codespar_cli.mcp import answers, denial, result
from codespar_cli.mcp.identity import Identity
from codespar_cli.mcp.in_flight import InFlight
from codespar_cli.mcp.lines import is_readable
from codespar_cli.mcp.listing import Pages, without_tools
from codespar_cli.mcp.message import CLIENT_KEY, Call, Message, Refused, read_message
from codespar_cli.mcp.settlements import Settlements
from codespar_cli.mcp.watcher import WatchedCall

if TYPE_CHECKING:
    from codespar_cli.core.gate import Gate
    from codespar_cli.core.hooks import PolicyDecision, ToolCall
    from codespar_cli.mcp.bookkeeper import Bookkeeper
    from codespar_cli.mcp.settlements import Ended
    from codespar_cli.mcp.watcher import Watcher

T = TypeVar("T")
_LIST = "tools/list"
_HELLOS = frozenset({"initialize", "server/discover"})
_SERVER_KEY = "io.modelcontextprotocol/serverInfo"
_LONGEST_NAME = 256
_LARGE = 1 << 16
_TURN_S = 0.01


class Asked(NamedTuple):
    """A call that the server has got."""

    call: ToolCall
    decision: PolicyDecision
    gate: Gate
    started: float
    watched: WatchedCall


class Listing(NamedTuple):
    """A `tools/list` or a greeting that the server has got."""

    method: str
    cursor: Any


class Verdict(NamedTuple):
    """Whether a line goes on to the server, and what the client is told in its place."""

    passes: bool
    reply: bytes = b""


_PASSES = Verdict(True)


class Screen:
    """`gate` is asked for with every call: it answers the gate that holds now, or raises CodesparError: then no call passes.

    `watcher` answers who looks on, or None. `hide_denied` cuts tools from lists that no arguments make the policy allow.
    """

    def __init__(
        self,
        identity: Identity,
        gate: Callable[[], Gate],
        bookkeeper: Bookkeeper,
        *,
        watcher: Callable[[], Watcher | None] = lambda: None,
        hide_denied: bool = False,
        note: Callable[[str], None] = lambda text: None,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._identity = identity
        self._gate = gate
        self._books = bookkeeper
        self._watcher = watcher
        self._hides = hide_denied
        self._note = note
        self._timer = timer
        self._client = ""
        self._version: str | None = None
        self._pages = Pages()
        self._turn = Lock()
        self.calls: InFlight[Asked] = InFlight()
        self._lists: InFlight[Listing] = InFlight()
        self._settlements = Settlements(self._settle, bookkeeper)

    # ── from the client ──

    def from_client(self, line: bytes) -> Verdict:
        """Judge one line. Never raises: whatever goes wrong is a refusal."""
        try:
            if not is_readable(line):
                return self.overlong()
            message = read_message(line)
            if type(message) is Call:
                return self._ask(message)
            if isinstance(message, Refused):
                return self._refuse(message)
            self._notice(message)
        except Exception as error:  # a gate that lets an exception through is a gate that is open
            self._note(f"a message did not pass: unexpected {type(error).__name__}")
            return Verdict(False, answers.error(answers.NO_ID, answers.INVALID_REQUEST, "codespar could not judge it"))
        return _PASSES

    def overlong(self) -> Verdict:
        """A line that is longer, or holds more values, than can be judged."""
        return self._refuse(
            Refused(answers.INVALID_REQUEST, "it is longer than codespar can judge, or holds more values")
        )

    def _ask(self, message: Call) -> Verdict:
        try:
            gate = self._gate()
        except CodesparError as error:
            return self._deny(message, denial.broken(self._name(message), error))
        call = self._tool_call(message, gate)
        decision = self._in_turn(lambda: gate.check(call))
        if not decision.allowed:
            return self._deny(message, denial.reason_of(call.tool_name, decision))
        context = call.context
        watched = WatchedCall(message.tool, context.args, call.agent_id, context.session, context.tenant)
        asked = Asked(call, decision, gate, self._timer(), watched)
        forgotten = self.calls.add(message.id, asked)
        if forgotten is not None:
            self._books.add(lambda: self._lost(forgotten, "unanswered"))
        self._watch(lambda watcher: watcher.called(self._identity.server, watched))
        return _PASSES

    def _deny(self, message: Call, reason: str) -> Verdict:
        return Verdict(False, answers.denial(message.id_text, reason, modern=message.is_modern))

    def _refuse(self, refused: Refused) -> Verdict:
        self._note(f"a message from the client did not pass: {refused.reason}")
        reason = f"codespar did not pass this message on: {refused.reason}"
        if refused.batch:
            return Verdict(False, answers.errors(refused.ids, refused.code, reason))
        return Verdict(False, answers.error(refused.ids[0], refused.code, reason))

    def _notice(self, message: Message) -> None:
        """Remember what an answer will be about."""
        method = message.method
        if method == _LIST:
            self._lists.add(message.id, Listing(method, message.params.get("cursor")))
        elif method in _HELLOS:
            self._lists.add(message.id, Listing(method, None))
            self._client = _name_in(message.params.get("clientInfo")) or self._client
        elif method == "notifications/cancelled":
            asked = self.calls.take(message.params.get("requestId"))
            if asked is not None:
                self._books.add(lambda: self._lost(asked, "cancelled"))

    def _tool_call(self, message: Call, gate: Gate) -> ToolCall:
        from codespar_cli.core.hooks import CallContext, ToolCall

        identity = self._identity
        agent = identity.agent or _name_in(message.meta.get(CLIENT_KEY)) or self._client or gate.agent_id
        context = CallContext(
            tenant=identity.tenant or gate.tenant,
            project=identity.project,
            session=identity.session,
            args=message.arguments,
            environment=identity.environment,
        )
        return ToolCall(agent, self._name(message), context=context)

    def _name(self, message: Call) -> str:
        return f"{self._identity.server}/{message.tool}"

    # ── from the server ──

    def from_server(self, line: bytes) -> bytes:
        """What the client gets for one line: the line, but for tools that are hidden. Never raises."""
        if not self.calls and not self._lists:
            return line
        if not is_readable(line):
            self._note(
                f"a line of {len(line)} bytes from the server passed unread: it is too long or holds too many values"
            )
            return line
        try:
            return self._answered(line)
        except Exception as error:  # the answer is the client's, whatever we make of it
            self._books.failures[type(error).__name__] += 1
            return line

    def gone(self) -> None:
        """The server has ended: what it did not answer is settled at what was held."""
        for asked in self.calls.take_all():
            self._books.add(partial(self._lost, asked, "server_gone"))

    def _answered(self, line: bytes) -> bytes:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return line
        for item in message if isinstance(message, list) else (message,):
            if isinstance(item, dict) and "method" not in item and "id" in item:
                line = self._answer(item, line)
        return line

    def _answer(self, message: Mapping[str, Any], line: bytes) -> bytes:
        asked = self.calls.take(message["id"])
        if asked is not None:
            latency_ms = (self._timer() - asked.started) * 1000
            if result.cost_of(message) is not None or len(line) > _LARGE:
                # Before anybody can ask again: what was told is counted. And large ones must not wait side by side.
                self._close(asked, message, latency_ms)
                self._settlements.flush()
            else:
                self._books.add(lambda: self._close(asked, message, latency_ms))
            return line
        listing = self._lists.take(message["id"])
        found = message.get("result")
        if listing is None or not isinstance(found, dict):
            return line
        self._version = _version_in(found) or self._version
        if listing.method != _LIST:
            return line
        tools, version = self._pages.add(listing.cursor, found, len(line)), self._version
        if tools is not None:
            self._watch(lambda watcher: watcher.listed(self._identity.server, tools, version))
        return without_tools(line, self._is_hidden) if self._hides else line

    def _is_hidden(self, tool: str) -> bool:
        try:
            gate = self._gate()
        except CodesparError:
            return False  # the call will say why; an empty list would not
        message = Call("", None, {"name": tool})
        return denial.is_always_denied(gate, self._tool_call(message, gate))

    # ── books ──

    def _close(self, asked: Asked, message: Mapping[str, Any], latency_ms: float) -> None:
        answer = result.read_answer(message, asked.watched.arguments)
        if answer.waits:
            self._put_off(asked, answer)
            return
        self._record(asked, answer, latency_ms, spent=answer.is_taken or answer.cost is not None)
        digest = blake2b(answer.text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        self._watch(lambda watcher: watcher.answered(self._identity.server, asked.watched, answer.error_type, digest))

    def _put_off(self, asked: Asked, answer: result.Answer) -> None:
        """The server asks for more first; the client makes the same call again, which is asked about again."""
        call, held, registry = asked.call, asked.decision.reservation_id, asked.gate.registry
        if held is None:
            return
        if answer.cost is None:
            registry.release_policy_reservation(held)
        else:
            registry.record_policy_usage(call.agent_id, call.tool_name, answer.cost, reservation_id=held)

    def _lost(self, asked: Asked, error_type: str) -> None:
        """A call without an answer. It is settled at what was held: what the tool did before nobody knows."""
        latency_ms = (self._timer() - asked.started) * 1000
        self._record(asked, result.Answer(False, error_type), latency_ms, spent=True)

    def _record(self, asked: Asked, answer: result.Answer, latency_ms: float, *, spent: bool) -> None:
        from codespar_cli.core.outcome import Outcome

        outcome = Outcome(
            success=answer.success,
            latency_ms=latency_ms,
            cost=answer.cost,
            error_type=answer.error_type,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            decision=asked.decision,
            is_spent=spent,
            tokens_estimated=answer.estimated,
            result_bytes=answer.size,
            server=self._identity.server,
        )
        self._settlements.add(asked.gate, asked.call, outcome)

    def _settle(self, gate: Gate, ended: list[Ended]) -> None:
        self._in_turn(lambda: gate.record_all(ended))

    def _in_turn(self, act: Callable[[], T]) -> T:
        """One at a time: who finds a store locked comes back a millisecond later. Nobody waits long for that."""
        mine = self._turn.acquire(timeout=_TURN_S)
        try:
            return act()
        finally:
            if mine:
                self._turn.release()

    def _watch(self, act: Callable[[Watcher], None]) -> None:
        self._books.add(lambda: self._shown(act))

    def _shown(self, act: Callable[[Watcher], None]) -> None:
        watcher = self._watcher()
        if watcher is not None:
            act(watcher)


def _name_in(info: Any) -> str:
    """The name a client gives itself, if it can be one of an agent."""
    name = info.get("name") if isinstance(info, dict) else None
    return name if isinstance(name, str) and len(name) <= _LONGEST_NAME and name.isprintable() else ""


def _version_in(found: Mapping[str, Any]) -> str | None:
    meta = found.get("_meta")
    for info in (found.get("serverInfo"), meta.get(_SERVER_KEY) if isinstance(meta, dict) else None):
        version = info.get("version") if isinstance(info, dict) else None
        if isinstance(version, str) and version:
            return version[:_LONGEST_NAME]
    return None
