"""The one answer of a hook process: said once, in time, on a stdout that nothing else can write to.

A host takes most ways to end for a permission: an exit code that it does not know, silence, a timeout of its own. So from
the first moment there are words to end with: they are said when the deadline has passed, by a timer and by a thread (a
timer's handler waits for what is stuck in C, the thread does not), and when a signal comes.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from select import POLLERR, POLLHUP, POLLNVAL, poll

from codespar_cli.hosts.answer import BLOCK, Answer, block, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

DEADLINE_S = 2.0
_GRACE_S = 0.3
"""How much longer an answer that is under way may take, and what comes after it."""
_LATE = f"no answer within {DEADLINE_S:g} s"
_SIGALRM = 14  # on every system that has it
_STOPPING = (
    "SIGALRM",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGTERM",
    "SIGUSR1",
    "SIGUSR2",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGPROF",
)


class Verdict:
    """Takes stdout for itself: from now on what is printed goes to stderr. `last_words` makes the answer of no answer."""

    def __init__(self, last_words: Callable[[str], Answer] = block) -> None:
        self._descriptor = os.dup(1)
        os.dup2(2, 1)
        self.last_words = last_words
        self._claim = allocate_lock()
        self._over = allocate_lock()
        self._over.acquire()
        self._code: int | None = None

    def guard(self) -> None:
        """From now on the process ends in time, and says no when it is told to end."""
        try:
            start_new_thread(self._watch, ())
        except RuntimeError:
            pass  # no thread to be had: there is the timer
        import _signal as signals  # type: ignore[import-not-found]  # `signal` itself imports `enum`

        signals.signal(signals.SIGPIPE, signals.SIG_IGN)
        for name in _STOPPING:
            signals.signal(getattr(signals, name), self._on_signal)
        signals.setitimer(signals.ITIMER_REAL, DEADLINE_S)
        # What spins in C and never lets go of the interpreter lets neither thread nor handler run: the system ends it.
        signals.signal(signals.SIGVTALRM, signals.SIG_DFL)
        signals.setitimer(signals.ITIMER_VIRTUAL, DEADLINE_S + _GRACE_S)

    def say(self, answer: Answer) -> bool:
        """Tell the host. False when nobody is there to hear it; waits for ever when something else was said already."""
        if not self._claim.acquire(False):
            self._over.acquire()  # whoever has the word ends the process
        delivered = self._deliver(answer)
        self._code = answer.code if delivered else BLOCK
        return delivered

    def end(self) -> NoReturn:
        """End the process with the code of what was said. Nothing of the interpreter's own end can change it."""
        os._exit(BLOCK if self._code is None else self._code)

    def end_with(self, answer: Answer) -> NoReturn:
        if self._claim.acquire(False):
            self._code = answer.code if self._deliver(answer) else BLOCK
        self.end()

    # ── inside ──

    def _watch(self) -> None:
        self._over.acquire(timeout=DEADLINE_S)
        if not self._claim.acquire(False):  # an answer is under way: to a host that does not read it, perhaps
            self._over.acquire(timeout=_GRACE_S)
            self.end()
        self._code = self._final(_LATE)
        self.end()

    def _on_signal(self, number: int, frame: object) -> None:
        if not self._claim.acquire(False):
            if self._code is not None:
                self.end()
            return  # in the middle of saying it
        late = number == _SIGALRM
        self._code = self._final(_LATE if late else f"stopped by signal {number} before there was an answer")
        self.end()

    def _final(self, reason: str) -> int:
        try:
            answer = self.last_words(reason)
        except BaseException:
            answer = block(reason)
        return answer.code if self._deliver(answer) else BLOCK

    def _deliver(self, answer: Answer) -> bool:
        if answer.stderr:
            _talk(answer.stderr)
        try:
            if not self._is_heard():
                raise BrokenPipeError
            data = answer.stdout
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            _talk(told("nobody reads the answer, so it is no"))
            return False
        return True

    def _is_heard(self) -> bool:
        """Whether somebody holds the other end. An allow that is silence would not find out by writing."""
        asked = poll()
        asked.register(self._descriptor, 0)
        return not any(state & (POLLERR | POLLHUP | POLLNVAL) for _, state in asked.poll(0))


def _talk(line: str) -> None:
    try:
        os.write(2, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        return  # nobody listens there either
