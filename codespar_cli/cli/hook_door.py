"""`codespar hook HOST`: one event on stdin, the host's own kind of answer on stdout, once per tool call.

It exits with 0 or 2. Whatever goes wrong while a call waits for its answer is a deny: an event that is none, a
configuration that cannot be used, a store that does not answer, an import that fails, a signal, the deadline.
"""

from __future__ import annotations

import os
import time
from sys import modules

from codespar_cli.cli.hook_line import HookLine, read_line
from codespar_cli.cli.hook_verdict import Verdict
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.hook_start import finish, go_on
from codespar_cli.hosts.answer import BLOCK, Answer, block, document, told
from codespar_cli.hosts.dialects import HOSTS, dialect_of
from codespar_cli.hosts.host_event import JUDGED, OTHER, MalformedEvent
from codespar_cli.hosts.strict_event import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.dialects import Dialect
    from codespar_cli.hosts.host_event import HostEvent
    from codespar_cli.hosts.referee import Referee

_CHUNK = 1 << 16
_SPEECHLESS = b'{"permissionDecision":"deny","permissionDecisionReason":"codespar: the hook failed"}\n'


def hook(arguments: Sequence[str]) -> NoReturn:
    """Answer one event and end the process."""
    began = time.perf_counter()
    line = read_line(arguments)

    def last_words(reason: str) -> Answer:
        """What is said before there is a dialect, or where it cannot be had."""
        copilot = line.host == "copilot"  # the one host that may take an exit code for a permission
        try:
            if copilot:
                return document({"permissionDecision": "deny", "permissionDecisionReason": told(reason)})
            return block(reason)
        except BaseException:  # what writes JSON could not be imported
            return Answer(_SPEECHLESS) if copilot else Answer(b"", "codespar: the hook failed", BLOCK)

    verdict = Verdict(last_words)
    try:
        verdict.guard()
        if line.host not in HOSTS:
            verdict.end_with(block(_no_such_host(line.host)))
        _Hook(verdict, line, line.host, began).run()
    except BaseException as error:
        verdict.end_with(last_words(_words(error)))


class _Hook:
    """One event on its way through."""

    def __init__(self, verdict: Verdict, line: HookLine, host: str, began: float) -> None:
        self._verdict = verdict
        self._line = line
        self._host = host
        self._began = began
        self._dialect: Dialect = dialect_of(host)
        self._event: HostEvent | None = None
        self._config: str | None = None
        self._state_dir: str | None = None
        self._referee: Referee | None = None
        verdict.last_words = self._give_up

    def run(self) -> NoReturn:
        outcome, code, decision = "refused", None, None
        try:
            decision = self._rule()
            event = self._event
            assert event is not None
            answer = self._dialect.answer(event, decision)
            outcome = "neutral" if event.kind == OTHER else "recorded"
            if decision is not None:
                outcome, code = "allow" if decision.allowed else "deny", decision.code
        except BaseException as error:
            code = getattr(error, "code", type(error).__name__)
            answer = self._give_up(_words(error), getattr(error, "event_name", None))
        if not self._verdict.say(answer):
            outcome = "refused"
            if decision is not None and decision.allowed:
                self._take_back(decision)
        elif decision is not None and self._referee is not None and self._event is not None:
            self._referee.heard(self._event, decision)
        self._note(outcome, code if isinstance(code, str) else None)
        try:
            _finish()
        finally:
            self._verdict.end()

    def _rule(self) -> PolicyDecision | None:
        if self._line.problem is not None:
            raise MalformedEvent(self._line.problem, self._line.event)
        event = self._event = self._dialect.read(_stdin(), self._line.event)
        if event.kind == OTHER:
            return None
        go_on()
        from codespar_cli.cli.hook_gate import hook_state_dir, open_hook_gate
        from codespar_cli.hosts.open_calls import OpenCalls
        from codespar_cli.hosts.referee import Referee

        state_dir = self._state_dir = hook_state_dir()
        line, lost = _in_workspace(self._line, event)
        gate = open_hook_gate(line, state_dir, lost)
        self._config = gate.config_path
        self._referee = Referee(
            gate,
            OpenCalls(state_dir),
            agent=line.agent,
            project=line.project,
            environment=line.environment,
        )
        return self._referee.rule(event)

    def _give_up(self, reason: str, event_name: str | None = None) -> Answer:
        """What is said in place of an answer: no, where a call waits for one, and nothing once it is over."""
        event = self._event
        if event is None:
            return self._dialect.refuse(reason, event_name or self._line.event)
        if event.kind in JUDGED:
            return self._dialect.refuse(reason, event.name)
        return self._dialect.answer(event, None)

    def _take_back(self, decision: PolicyDecision) -> None:
        if self._referee is not None and self._event is not None:
            self._referee.take_back(self._event, decision)

    def _note(self, outcome: str, code: str | None) -> None:
        try:
            from codespar_cli import __version__
            from codespar_cli.cli.hook_gate import hook_state_dir
            from codespar_cli.hosts.heartbeats import Heartbeat, beat

            event = self._event
            beat(
                self._state_dir or hook_state_dir(),
                Heartbeat(
                    host=self._host,
                    at=time.time(),
                    event="" if event is None else event.name,
                    tool="" if event is None else event.tool,
                    outcome=outcome,
                    code=code,
                    took_ms=round((time.perf_counter() - self._began) * 1000, 3),
                    config=self._config,
                    version=__version__,
                ),
            )
        except BaseException:
            return  # the answer has been given


def _in_workspace(line: HookLine, event: HostEvent) -> tuple[HookLine, Sequence[str]]:
    """Go where the project's plugins.toml is looked for, unless we were started in one of the event's folders.

    That is the innermost folder the call's directory lies in, else the first one that is there. Returns the line, and the
    folders where none is there. Raises OSError.
    """
    here = _here()
    roots = [os.path.realpath(root) for root in event.workspaces]
    if not roots or (here and any(_is_below(here, root) for root in roots)):
        return line, ()
    line = _as_said_in(here or "/", line)
    about = os.path.realpath(event.cwd) if event.cwd and event.cwd.startswith("/") else ""
    roots.sort(key=lambda root: -len(root) if about and _is_below(about, root) else 0)
    for root in roots:
        try:
            os.chdir(root)
        except (FileNotFoundError, NotADirectoryError):
            continue  # on another machine, perhaps
        return line, ()
    return line, roots


def _is_below(place: str, directory: str) -> bool:
    return f"{place}/".startswith(f"{directory.rstrip('/')}/")


def _as_said_in(here: str, line: HookLine) -> HookLine:
    """What a person wrote as a relative path goes on meaning what it did where the hook was started."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        if path := os.environ.get(name):
            os.environ[name] = os.path.join(here, path)  # noqa: PTH118
    if path := os.environ.get("CODESPAR_CONFIG"):
        os.environ["CODESPAR_CONFIG"] = os.path.join(here, os.path.expanduser(path))  # noqa: PTH111, PTH118
    named = line.config and os.path.join(here, os.path.expanduser(line.config))  # noqa: PTH111, PTH118
    return line._replace(config=named)


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _stdin() -> bytes:
    """All of it, or one byte more than may be read: whoever reads it refuses it then."""
    chunks, length = [], 0
    while length <= MAX_BYTES:
        try:
            chunk = os.read(0, _CHUNK)
        except BlockingIOError:
            _wait_for_more()
            continue
        if not chunk:
            break
        chunks.append(chunk)
        length += len(chunk)
    return b"".join(chunks)


def _wait_for_more() -> None:
    from select import POLLIN, poll

    asked = poll()
    asked.register(0, POLLIN)
    asked.poll()


def _finish() -> None:
    """What was to be done when the process ends: metrics that wait in memory, people who are told of a request."""
    if "atexit" in modules:
        modules["atexit"]._run_exitfuncs()  # noqa: SLF001  what `sys.exit` would do; we do not come to that
    finish()


def _words(error: BaseException) -> str:
    if isinstance(error, MalformedEvent):
        return str(error)
    # Not imported here: where files cannot be opened any more, that would fail. An error of ours has brought its class.
    errors = modules.get("codespar_cli.errors")
    if errors is not None and isinstance(error, errors.CodesparError):
        return f"{error}; hint: {error.hint}" if error.hint else str(error)
    return f"the hook failed: {type(error).__name__}"  # the class alone: a message may hold what the call was about


def _no_such_host(host: str | None) -> str:
    found = "none" if host is None else f"`{host[:40]}`"
    return f"expected one of the hosts {', '.join(HOSTS)}, found {found}"
