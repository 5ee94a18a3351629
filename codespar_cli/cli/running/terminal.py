"""The terminal of a person, lent to a command through a pty: raw while it runs, as it was afterwards, whatever happens."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import termios
import tty
from typing import Any

_DONE = b"."
_NOT_THE_GUARDS = (signal.SIGHUP, signal.SIGTTOU, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


class BorrowedTerminal:
    """Raw mode on `descriptor`. A small process beside us gives it back should we be killed.

    That process is forked at once, so it is to be made before anything secret is in memory.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.attributes = termios.tcgetattr(descriptor)
        read, self._alive = os.pipe()
        # Held back until the guard ignores them: it must not end of what ends us.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_THE_GUARDS)
        self._guard = os.fork()
        if self._guard == 0:
            os.close(self._alive)
            self._watch(read)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(read)

    def take(self) -> None:
        """Every key goes to the command as it is typed."""
        tty.setraw(self.descriptor, termios.TCSADRAIN)

    def give_back(self) -> None:
        """As it was; may be taken again."""
        _restore(self.descriptor, self.attributes)

    def close(self) -> None:
        """Give it back for good."""
        self.give_back()
        with contextlib.suppress(OSError):
            os.write(self._alive, _DONE)
        os.close(self._alive)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._guard, 0)

    def _watch(self, read: int) -> None:
        try:
            os.setpgid(0, 0)  # what is typed or sent to the command's group does not reach the guard
            for number in _NOT_THE_GUARDS:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_THE_GUARDS)
            for stream in (1, 2):  # a pipe must not seem open because the guard holds it
                if not os.isatty(stream):
                    os.close(stream)
            if os.read(read, 1) != _DONE:
                _restore(self.descriptor, self.attributes)
        finally:
            os._exit(0)


def is_ours(descriptor: int) -> bool:
    """Whether this is a terminal, and we are the job in its foreground."""
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def open_pty(like: int) -> tuple[int, int]:
    """Both ends of a pty with the settings and the size of a terminal."""
    ours, theirs = os.openpty()
    with contextlib.suppress(termios.error):
        termios.tcsetattr(theirs, termios.TCSANOW, termios.tcgetattr(like))
    copy_size(like, ours)
    return ours, theirs


def open_output_pty(like: int) -> tuple[int, int]:
    """Both ends of a pty that is only written to: bytes pass as they are, the terminal behind it treats them."""
    ours, theirs = open_pty(like)
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    return ours, theirs


def copy_size(source: int, target: int) -> None:
    """The window's size; the kernel tells the programs on the pty."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8)))


def _restore(descriptor: int, attributes: list[Any]) -> None:
    with contextlib.suppress(termios.error, OSError):
        termios.tcsetattr(descriptor, termios.TCSADRAIN, attributes)
