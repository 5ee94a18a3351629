"""Processes that accept connections for another one, which keeps what they take.

A supervisor is forked before there is a thread or an event loop, and forks the accepting processes, also those that
take the place of one that died. Each is linked to the keeping process by a pair of sockets. None of them outlives the
keeping process: the system ends them with it where it can (prctl(2), PR_SET_PDEATHSIG), and everywhere the end of
the connection to it does.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, NoReturn, TypeAlias

Work: TypeAlias = Callable[[socket.socket, socket.socket], None]
"""What an accepting process does, given where it listens and its link to the keeping one."""

_PR_SET_PDEATHSIG = 1
_LEAST_PAUSE_S = 0.1
_MOST_PAUSE_S = 10.0
_SETTLED_S = 30.0
STOP = b"s"


class Supervisor(NamedTuple):
    """As the keeping process sees it. `control` carries a line for each that began, with its link as a descriptor, and for
    each that ended; what is sent to it is STOP, after which none is begun any more."""

    pid: int
    control: socket.socket

    def end(self) -> None:
        """At once, and all that it has begun."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.control.close()


def supervised(count: int, listening: socket.socket, work: Work) -> Supervisor:
    """Begin. To be called where no thread runs and no event loop. The caller closes `listening`, which is theirs."""
    ours, theirs = socket.socketpair()
    keeper = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return Supervisor(pid, ours)
    try:
        ours.close()
        _end_with(keeper)
        _Supervising(theirs, count, listening, work).run()
    finally:
        os._exit(1)


def _end_with(parent: int) -> None:
    """End when the parent does, and by nobody's signals: those of a terminal or of a service manager go to all, and the
    keeping process says when it is over."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class _Child(NamedTuple):
    pid: int
    alive: socket.socket
    """Ends when the process does."""
    began: float


class _Supervising:
    def __init__(self, control: socket.socket, count: int, listening: socket.socket, work: Work) -> None:
        self._control = control
        self._count = count
        self._listening = listening
        self._work = work
        self._children: list[_Child] = []
        self._pause = 0.0
        self._next_at = 0.0
        self._stopping = False

    def run(self) -> NoReturn:
        while not (self._stopping and not self._children):
            self._begin_missing()
            poll = select.poll()
            if not self._stopping:
                poll.register(self._control, select.POLLIN)
            for child in self._children:
                poll.register(child.alive, select.POLLIN)
            missing = not self._stopping and len(self._children) < self._count
            ready = {
                file for file, _ in poll.poll(max(self._next_at - time.monotonic(), 0) * 1000 if missing else None)
            }
            if self._control.fileno() in ready:
                self._told()
            for child in [each for each in self._children if each.alive.fileno() in ready]:
                self._ended(child)
        os._exit(0)

    def _begin_missing(self) -> None:
        while not self._stopping and len(self._children) < self._count and time.monotonic() >= self._next_at:
            self._begin()

    def _begin(self) -> None:
        keepers, link = socket.socketpair()
        alive, held = socket.socketpair()
        supervisor = os.getpid()
        pid = os.fork()
        if not pid:
            try:
                for each in (keepers, alive, self._control, *(child.alive for child in self._children)):
                    each.close()
                _end_with(supervisor)
                self._work(self._listening, link)
                os._exit(0)
            except BaseException as error:
                os.write(2, f"an accepting process failed: {type(error).__name__}\n".encode())  # whole, being one write
            finally:
                os._exit(1)
        held.close()
        link.close()
        self._children.append(_Child(pid, alive, time.monotonic()))
        self._tell(b"began\n", keepers)
        keepers.close()

    def _told(self) -> None:
        if not self._control.recv(16):  # the keeping process is gone
            for child in self._children:
                os.kill(child.pid, signal.SIGKILL)
            os._exit(1)
        self._stopping = True
        self._listening.close()

    def _ended(self, child: _Child) -> None:
        self._children.remove(child)
        child.alive.close()
        _, status = os.waitpid(child.pid, 0)
        if self._stopping:
            return
        settled = time.monotonic() - child.began > _SETTLED_S
        self._pause = _LEAST_PAUSE_S if settled or not self._pause else min(self._pause * 2, _MOST_PAUSE_S)
        self._next_at = time.monotonic() + self._pause
        self._tell(b"ended %d\n" % os.waitstatus_to_exitcode(status))

    def _tell(self, line: bytes, link: socket.socket | None = None) -> None:
        with suppress(OSError):  # whoever is gone is found out by `_told`
            socket.send_fds(self._control, [line], [] if link is None else [link.fileno()])
