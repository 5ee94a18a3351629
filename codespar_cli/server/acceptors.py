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

from codespar_cli.errors import CodesparError

Work: TypeAlias = Callable[[socket.socket, socket.socket], None]
"""What an accepting process does, given where it listens and its link to the keeping one."""

_Pair: TypeAlias = tuple[socket.socket, socket.socket]

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
    """Begin, and return when all of them are begun. To be called where no thread runs and no event loop. The caller closes
    `listening`, which is theirs. Raises CodesparError when the system has no process or descriptor left for one."""
    keeper = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        pid, (ours, theirs), (failure, first) = _forked()
    except OSError as error:
        raise _not_begun(_words(error)) from None
    if not pid:
        try:
            ours.close()
            failure.close()
            _end_with(keeper)
            _Supervising(theirs, count, listening, work).run(first)
        finally:
            os._exit(1)
    theirs.close()
    first.close()
    supervisor = Supervisor(pid, ours)
    with failure:
        words = failure.recv(256)
    if words:
        supervisor.end()
        raise _not_begun(words.decode())
    return supervisor


def _forked() -> tuple[int, _Pair, _Pair]:
    """As os.fork, with two connections between both processes. Raises OSError, and then leaves nothing open."""
    opened: list[socket.socket] = []
    try:
        opened += socket.socketpair()
        opened += socket.socketpair()
        return os.fork(), (opened[0], opened[1]), (opened[2], opened[3])
    except OSError:
        for each in opened:
            each.close()
        raise


def _words(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _not_begun(words: str) -> CodesparError:
    return CodesparError(
        f"the accepting processes cannot be begun: {words}",
        code="acceptors_not_begun",
        hint="codespar serve --workers 1",
    )


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
        self._starved = False

    def run(self, first: socket.socket) -> NoReturn:
        """`first` is told why not all could be begun at first, which is the end of it, and is closed when they were."""
        self._begin_first(first)
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

    def _begin_first(self, first: socket.socket) -> None:
        try:
            while len(self._children) < self._count:
                self._begin(first)
        except OSError as error:
            with suppress(OSError):
                first.send(_words(error).encode())
            self._give_up()
        first.close()

    def _begin_missing(self) -> None:
        while not self._stopping and len(self._children) < self._count and time.monotonic() >= self._next_at:
            try:
                self._begin()
            except OSError as error:  # those that are there go on; the system may have room again later
                self._put_off()
                self._say_starved(error)
            else:
                self._starved = False

    def _begin(self, *others: socket.socket) -> None:
        """`others` are not for the process that is begun. Raises OSError when there is none."""
        supervisor = os.getpid()
        pid, (keepers, link), (alive, held) = _forked()
        if not pid:
            try:
                for each in (keepers, alive, self._control, *others, *(child.alive for child in self._children)):
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
            self._give_up()
        self._stopping = True
        self._listening.close()

    def _give_up(self) -> NoReturn:
        for child in self._children:
            os.kill(child.pid, signal.SIGKILL)
        os._exit(1)

    def _ended(self, child: _Child) -> None:
        self._children.remove(child)
        child.alive.close()
        _, status = os.waitpid(child.pid, 0)
        if self._stopping:
            return
        if time.monotonic() - child.began > _SETTLED_S:
            self._pause = 0.0
        self._put_off()
        self._tell(b"ended %d\n" % os.waitstatus_to_exitcode(status))

    def _put_off(self) -> None:
        self._pause = min(self._pause * 2, _MOST_PAUSE_S) or _LEAST_PAUSE_S
        self._next_at = time.monotonic() + self._pause

    def _say_starved(self, error: OSError) -> None:
        """Once, until one is begun again."""
        if not self._starved:
            self._starved = True
            with suppress(OSError):  # nobody may be reading
                os.write(2, f"an accepting process cannot be begun: {_words(error)}; trying again\n".encode())

    def _tell(self, line: bytes, link: socket.socket | None = None) -> None:
        with suppress(OSError):  # whoever is gone is found out by `_told`
            socket.send_fds(self._control, [line], [] if link is None else [link.fileno()])
