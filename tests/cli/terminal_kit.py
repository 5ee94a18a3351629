"""A person at a terminal, for tests: keys are typed, what the screen shows is waited for."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


class Person:
    """Runs a command on a pty of its own; stderr goes there too."""

    def __init__(self, command, *, cwd, env, size=(24, 80)):
        self.seen = b""
        self._at = 0
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.execve(command[0], command, env)
        self.status = None

    def type(self, keys: bytes):
        os.write(self.terminal, keys)

    def resize(self, rows, columns):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def sees(self, text: bytes, timeout=30) -> bytes:
        """Wait until this is on the screen, after what was waited for before; answers what stood between."""
        deadline = time.monotonic() + timeout
        while (place := self.seen.find(text, self._at)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, (text, self.seen)
            if select.select([self.terminal], [], [], left)[0] and not self._read():
                raise AssertionError((text, self.seen))
        between, self._at = self.seen[self._at : place], place + len(text)
        return between

    def leaves(self, timeout=30) -> int:
        """Wait for the end; answers the exit code, -n for a signal. Everything shown is in `seen`."""
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            assert left > 0, self.seen
            if select.select([self.terminal], [], [], min(left, 0.05))[0] and not self._read():
                break
            if self._ended():
                while select.select([self.terminal], [], [], 0)[0] and self._read():
                    pass
                break
        while not self._ended():
            assert time.monotonic() < deadline
            select.select([], [], [], 0.01)
        return os.waitstatus_to_exitcode(self.status)

    def modes(self):
        return termios.tcgetattr(self.terminal)

    def is_raw(self):
        return not self.modes()[3] & termios.ICANON

    def waits_for(self, condition, timeout=30):
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, self.seen
            if select.select([self.terminal], [], [], 0.02)[0]:
                self._read()

    def close(self):
        if not self._ended():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def _read(self) -> bool:
        try:
            data = os.read(self.terminal, 65_536)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def _ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        return self.status is not None
