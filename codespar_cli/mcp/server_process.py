"""The wrapped server as a process: started, told signals, ended when its client is gone, and never left a zombie."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

from codespar_cli.errors import CodesparError

NOT_FOUND, NOT_RUN = 127, 126
GRACE_S = 5.0
"""How long a server may take to end by itself once its input is closed and all calls are answered."""
READERLESS_GRACE_S = 2.0
"""The same when nobody would read what it still has to say."""
KILL_AFTER_S = 3.0
_LOOKS_EVERY_S = 0.2
# Python ignores these, and what is ignored is inherited.
_DEFAULTS = [signal.SIGPIPE, signal.SIGXFSZ]


class ServerProcess:
    """`input` and `output` are our ends of its stdin and stdout; stderr is our own. It stays in our process group."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Raises CodesparError: 127 when there is no such command, else 126."""
        theirs_in, self.input = os.pipe()
        self.output, theirs_out = os.pipe()
        self._ended = Event()
        self._leaving = Event()
        actions = [(os.POSIX_SPAWN_DUP2, theirs_in, 0), (os.POSIX_SPAWN_DUP2, theirs_out, 1)]
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                dict(environ),
                file_actions=actions,
                setsigmask=[],
                setsigdef=_DEFAULTS,
            )
        except (OSError, ValueError) as error:
            for end in (self.input, self.output):
                os.close(end)
            raise _cannot(command[0], error) from None
        finally:
            os.close(theirs_in)
            os.close(theirs_out)

    def wait(self) -> None:
        """Until it has ended. It is left to be reaped, so that its number stays its own."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._ended.set()

    def reap(self) -> int:
        """The exit code; minus n when signal n ended it."""
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def send(self, number: int) -> None:
        """A signal, unless it has ended."""
        if not self._ended.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)

    def client_left(self, has_reader: Callable[[], bool], is_busy: Callable[[], bool]) -> None:
        """See to it that it ends, on a thread: as long as somebody waits for an answer it may go on working."""
        if not self._leaving.is_set():
            self._leaving.set()
            Thread(target=self._see_off, args=(has_reader, is_busy), name="see-off", daemon=True).start()

    def _see_off(self, has_reader: Callable[[], bool], is_busy: Callable[[], bool]) -> None:
        idle_since = alone_since = monotonic()
        while not self._ended.wait(_LOOKS_EVERY_S):
            now = monotonic()
            if is_busy():
                idle_since = now
            if has_reader():
                alone_since = now
            if now - idle_since >= GRACE_S or now - alone_since >= READERLESS_GRACE_S:
                break
        self.send(signal.SIGTERM)
        if not self._ended.wait(KILL_AFTER_S):
            self.send(signal.SIGKILL)


def has_reader(descriptor: int) -> bool:
    """Whether somebody holds the other end of this pipe or socket."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return not any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))


def _cannot(name: str, error: Exception) -> CodesparError:
    missing = isinstance(error, FileNotFoundError)
    words = str(getattr(error, "strerror", None) or "not a command").lower()
    found = CodesparError(
        f"`{name}`: {'no such command' if missing else f'cannot be run: {words}'}",
        code="command_not_found" if missing else "command_not_run",
        hint="codespar mcp wrap -- CMD ARGS",
    )
    found.exit_code = NOT_FOUND if missing else NOT_RUN
    return found
