"""Runs one command as if nobody stood between: its input, its terminal, its signals and its exit code are its own.

At a terminal the command gets a pty as its controlling terminal, and ours is raw while it runs. Otherwise it stays in
our job, with our stdin, and only its output passes through us.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence

from codespar_cli.cli.running.channels import Channel, open_outputs
from codespar_cli.cli.running.signals import SignalRelay, stop_as_asked
from codespar_cli.cli.running.terminal import BorrowedTerminal, copy_size, is_ours, open_pty
from codespar_cli.core.core_dumps import limit_given_back
from codespar_cli.core.masking.masker import Masker
from codespar_cli.core.masking.spellings import Spellings
from codespar_cli.errors import CodesparError

PATIENCE = 0.05
"""Seconds without output after which a person is shown the last characters of a prompt."""
SIGNALLED = 128
_NOT_FOUND, _NOT_RUN = 127, 126
# Python ignores these, and what is ignored is inherited.
_DEFAULTS = [signal.SIGPIPE, signal.SIGXFSZ]
_SUSPEND = b"\x1a"
_TYPED_AT_ONCE = 4096


def borrow_terminal() -> BorrowedTerminal | None:
    """The terminal, where stdin and stdout are one and we are its foreground job. Before anything secret is read."""
    return BorrowedTerminal(0) if is_ours(0) and os.isatty(1) else None


def replace_us(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Become the command. Raises CodesparError; does not return."""
    try:
        with limit_given_back(), _signals_given_back():
            os.execvpe(command[0], list(command), dict(environ))  # noqa: S606
    except (OSError, ValueError) as error:
        raise _cannot(command[0], error) from None


def run(
    command: Sequence[str], environ: Mapping[str, str], needles: Spellings, terminal: BorrowedTerminal | None
) -> int:
    """Run it to its end with its output masked; answers its exit code, 128 + n when signal n ended it.

    Raises CodesparError when it cannot be run: 127 when there is no such command, else 126.
    """
    child = _Child(terminal)
    relay = SignalRelay(child.on_signal)
    try:
        child.start(command, environ, needles)
        relay.start()
        child.carry()
        return child.reap()
    finally:
        if terminal is not None:
            terminal.give_back()
        relay.stop()


@contextlib.contextmanager
def _signals_given_back() -> Iterator[None]:
    """As another program expects them. Whoever goes on here all the same is not to die of a pipe that nobody reads."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in _DEFAULTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Child:
    def __init__(self, terminal: BorrowedTerminal | None) -> None:
        self._terminal = terminal
        self._pid = 0
        self._pty = -1
        self._channels: list[Channel] = []
        self._typed = b""
        self._terminal_gone = False

    def start(self, command: Sequence[str], environ: Mapping[str, str], needles: Spellings) -> None:
        theirs = -1
        if self._terminal is None:
            outputs = open_outputs(needles)
        else:
            self._pty, theirs = open_pty(self._terminal.descriptor)
            os.set_blocking(self._pty, False)
            outputs = open_outputs(needles, () if os.isatty(2) else (2,))
            self._channels.append(Channel(self._pty, 1, Masker(*needles)))
        self._channels += outputs.channels
        actions: list[tuple[int, ...]] = []
        if theirs >= 0:
            # Opened by a session's leader it becomes the controlling terminal.
            actions.append((os.POSIX_SPAWN_OPEN, 0, os.ttyname(theirs), os.O_RDWR, 0))  # type: ignore[arg-type]
            actions += [(os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, end, stream) for stream, end in outputs.ends.items()]
        try:
            with limit_given_back():
                self._pid = os.posix_spawnp(
                    command[0],
                    list(command),
                    dict(environ),
                    file_actions=actions,
                    setsid=self._terminal is not None,
                    setsigmask=[],
                    setsigdef=_DEFAULTS,
                )
        except (OSError, ValueError) as error:
            raise _cannot(command[0], error) from None
        finally:
            outputs.close_ends()
        if self._terminal is not None:
            self._terminal.take()
        if theirs >= 0:
            os.close(theirs)

    def carry(self) -> None:
        """Until the command has ended and its output is out."""
        with selectors.DefaultSelector() as selector:
            for channel in self._channels:
                selector.register(channel.source, selectors.EVENT_READ, channel)
            if self._terminal is not None:
                selector.register(self._terminal.descriptor, selectors.EVENT_READ, None)
            ended = self._watch_end()
            selector.register(ended, selectors.EVENT_READ, None)
            while self._is_open(selector, ended):
                self._step(selector, ended)
        os.close(ended)

    def reap(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else SIGNALLED - code

    def on_signal(self, number: int, of_terminal: bool) -> None:
        if number == signal.SIGWINCH:
            self._resize()
            if self._terminal is None:
                self._send(number)  # once more, now that the size is the new one
        elif number == signal.SIGTSTP:
            self._suspend(tell=not of_terminal)
        elif self._terminal is not None or not of_terminal:
            self._send(number)

    # ── inside ──

    def _is_open(self, selector: selectors.BaseSelector, ended: int) -> bool:
        watched = selector.get_map()
        return ended in watched or any(channel.source in watched for channel in self._channels)

    def _step(self, selector: selectors.BaseSelector, ended: int) -> None:
        gone = self._terminal is not None and ended not in selector.get_map()
        hurries = gone or self._typed or any(channel.is_waited_for for channel in self._channels)
        ready = selector.select(PATIENCE if hurries else None)
        if not ready:
            for channel in self._channels:
                channel.glimpse()
        if gone and not any(key.data is not None for key, _ in ready):
            # Whoever still holds the pty has lost its terminal with the command, as when a window is closed.
            self._drop(selector, self._channels[0])
        for key, _ in ready:
            if key.fd == ended:
                selector.unregister(ended)
            elif key.data is None:
                self._take_typed(selector, key.fd)
            elif not key.data.pump():
                self._drop(selector, key.data)
        self._pass_typed(selector)

    def _drop(self, selector: selectors.BaseSelector, channel: Channel) -> None:
        if channel.source not in selector.get_map():
            return
        channel.end()
        selector.unregister(channel.source)
        if channel.source != self._pty or channel.reader_gone:  # a command may open its terminal again
            channel.close()

    def _take_typed(self, selector: selectors.BaseSelector, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _TYPED_AT_ONCE)
        except OSError:
            data = b""
        if not data:
            self._terminal_gone = True
            selector.unregister(descriptor)
        elif _SUSPEND in data and self._stops_at_suspend():
            before, _, after = data.partition(_SUSPEND)
            self._typed += before
            self._pass_typed(selector)
            self._suspend(tell=True)
            self._typed += after
        else:
            self._typed += data

    def _pass_typed(self, selector: selectors.BaseSelector) -> None:
        """As much as the pty takes. While something is left nothing more is read from the person."""
        try:
            while self._typed:
                self._typed = self._typed[os.write(self._pty, self._typed) :]
        except BlockingIOError:
            pass
        except OSError:
            self._typed = b""
        if self._terminal is None or self._terminal_gone:
            return
        reads = self._terminal.descriptor in selector.get_map()
        if self._typed and reads:
            selector.unregister(self._terminal.descriptor)
        elif not self._typed and not reads:
            selector.register(self._terminal.descriptor, selectors.EVENT_READ, None)

    def _stops_at_suspend(self) -> bool:
        """Whether ^Z is for us. The command leads a session of its own, where the kernel would ignore it; a shell that it
        may be running has jobs of its own to stop."""
        import termios

        try:
            _, _, _, local, _, _, characters = termios.tcgetattr(self._pty)
            return (
                bool(local & termios.ISIG)
                and characters[termios.VSUSP] == _SUSPEND
                and os.tcgetpgrp(self._pty) == self._pid
            )
        except (OSError, ValueError, termios.error):
            return False

    def _suspend(self, *, tell: bool) -> None:
        """Stop the command, then us; go on when we are told to."""
        if self._terminal is None:
            if tell:
                self._send(signal.SIGTSTP)
            stop_as_asked()
            if tell:
                self._send(signal.SIGCONT)
            return
        self._send(signal.SIGSTOP)
        self._terminal.give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        if is_ours(self._terminal.descriptor):
            self._terminal.take()
        self._resize()
        self._send(signal.SIGCONT)

    def _resize(self) -> None:
        for channel in self._channels:
            if channel.watched:
                copy_size(channel.target, channel.source)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._terminal is not None:
                os.killpg(self._pid, number)
            else:
                os.kill(self._pid, number)

    def _watch_end(self) -> int:
        """A descriptor that ends when the command does. It is left to be reaped, so that its number stays its own."""
        read, write = os.pipe()

        def wait() -> None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            os.close(write)

        threading.Thread(target=wait, name="end", daemon=True).start()
        return read


def _cannot(name: str, error: Exception) -> CodesparError:
    words = str(getattr(error, "strerror", None) or "not a command").lower()
    missing = isinstance(error, FileNotFoundError)
    found = CodesparError(
        f"`{name}`: {'no such command' if missing else f'cannot be run: {words}'}",
        code="command_not_found" if missing else "command_not_run",
        hint="codespar secrets run -- CMD ARGS" if missing else "with --only fewer secrets go into the environment",
    )
    found.exit_code = _NOT_FOUND if missing else _NOT_RUN
    return found
