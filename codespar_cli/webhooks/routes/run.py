"""A route that runs a command of the user's: a list, never a shell, with the document on its standard input."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any, Self

from codespar_cli.core.text import clean_line, visible
from codespar_cli.webhooks.known_secrets import KnownSecrets
from codespar_cli.webhooks.routes.deed import Failed, on_own_thread
from codespar_cli.webhooks.routes.event_document import EventDocument
from codespar_cli.webhooks.routes.route import Route

# What a program of the user's needs to find its files and speak the user's language, and nothing that may hold a key.
KEPT = (
    "HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ", "TMPDIR",
    "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "XDG_CACHE_HOME", "XDG_STATE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "CODESPAR_CONFIG", "CODESPAR_STATE_DIR",
)  # fmt: skip
_PATH = "/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin"
_TAIL = 4096
_LOOK_S = 0.1
_CLOSED_LOOK_S = 0.01  # it has closed its output, so nothing tells when it ends
_PIPE_READS = 32
_KILLED_LOOKS = 40
_GRACE_S = 2.0


def kept_environment(resolve: Callable[[str], str | None]) -> dict[str, str]:
    """The part of the environment that a command finds; `resolve` answers `env:NAME`."""
    found = {name: resolve(f"env:{name}") for name in KEPT}
    kept = {name: value for name, value in found.items() if value is not None}
    return {"PATH": _PATH, **kept}


class Run:
    """Exit code 0 is success. Else the last line it wrote is the error; nothing more of it is kept, and no secret that is
    `known`."""

    def __init__(self, route: Route, environ: Mapping[str, str], known: KnownSecrets | None = None) -> None:
        program, *rest = route.target
        home = environ.get("HOME") or "/"
        if program.startswith("~/"):
            program = home + program[1:]
        self._command = (program, *rest)
        self._environ = dict(environ)
        self._home = home if os.path.isdir(home) else "/"  # noqa: PTH112
        self._limit_s = route.timeout.total_seconds()
        self._known = known or KnownSecrets()

    async def do(self, document: EventDocument) -> None:
        """Raises Failed. Cancelled, it kills what runs."""
        stop = threading.Event()
        over = threading.Event()
        body = document.body + b"\n"
        try:
            await on_own_thread(lambda: self._ran(body, stop), name="codespar-run", ended=over.set)
        except asyncio.CancelledError:
            stop.set()
            for _ in range(_KILLED_LOOKS):  # it is killed before anybody thinks that it is gone
                if over.is_set():
                    break
                await asyncio.sleep(_LOOK_S / 2)
            raise

    def _ran(self, body: bytes, stop: threading.Event) -> None:
        """Raises Failed."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._home,
                env=self._environ,
                start_new_session=True,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            words = (getattr(error, "strerror", None) or "no command").lower()
            raise Failed(f"`{self._shown}` cannot be run: {words}") from None
        try:
            with _Talk(process, body, self._known) as talk:
                ended = talk.until(time.monotonic() + self._limit_s, stop)
                if not ended:
                    _end_group(process, at_once=stop.is_set())
        except BaseException:
            _end_group(process, at_once=True)
            process.wait()
            raise
        code = process.wait()  # buried last: until then nobody else's process or group can have its number
        if not ended:
            raise Failed(f"`{self._shown}` took longer than {self._limit_s:g} s")
        if code:
            how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
            raise Failed(f"`{self._shown}` {how}: {talk.last_line()}".rstrip(": "))

    @property
    def _shown(self) -> str:
        return visible(os.path.basename(self._command[0]))[:60]  # noqa: PTH119


class _Talk:
    """Writes the document to the command and reads what it says, both no faster than the other side likes."""

    def __init__(self, process: subprocess.Popen[bytes], body: bytes, known: KnownSecrets) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._stdin = process.stdin
        self._tails = {process.stderr: b"", process.stdout: b""}
        # Before anything is cut off: the rest of a secret would not be known for one.
        self._maskers = {stream: known.masker() for stream in self._tails}
        self._left = memoryview(body)
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        self._watch(self._stdin, selectors.EVENT_WRITE)
        for stream in self._tails:
            self._watch(stream, selectors.EVENT_READ)
        return self

    def __exit__(self, *about: object) -> None:
        self._selector.close()
        for stream in (self._stdin, *self._tails):
            with suppress(OSError):
                stream.close()

    def until(self, deadline: float, stop: threading.Event) -> bool:
        """Whether the command has ended by then. It is not waited for those that it left behind."""
        while time.monotonic() < deadline and not stop.is_set():
            self._go_on(min(_LOOK_S, max(0.0, deadline - time.monotonic())))
            if has_ended(self._process.pid):
                for stream in self._tails:
                    self._drain(stream)
                return True
        return False

    def last_line(self) -> str:
        """Of what it calls its errors, if it said any; else of what it said at all."""
        for stream, tail in self._tails.items():
            whole = tail + self._maskers[stream].finish()
            for text in reversed(whole.decode("utf-8", "replace").splitlines()):
                if line := clean_line(text, 200):
                    return line
        return ""

    def _watch(self, stream: IO[bytes], events: int) -> None:
        os.set_blocking(stream.fileno(), False)
        self._selector.register(stream, events)

    def _go_on(self, within_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(min(within_s, _CLOSED_LOOK_S))
            return
        for key, _ in self._selector.select(within_s):
            stream: Any = key.fileobj
            if self._write() if stream is self._stdin else self._read(stream) == b"":
                self._selector.unregister(stream)
                stream.close()

    def _write(self) -> bool:
        """Whether that was all."""
        try:
            self._left = self._left[os.write(self._stdin.fileno(), self._left) :]
        except BlockingIOError:
            return False
        except OSError:
            return True  # it does not want to know: the exit code counts
        return not self._left

    def _read(self, stream: IO[bytes]) -> bytes | None:
        """What was there; None where nothing was, empty at its end."""
        try:
            data = os.read(stream.fileno(), 65_536)
        except BlockingIOError:
            return None
        self._tails[stream] = (self._tails[stream] + self._maskers[stream].feed(data))[-_TAIL:]
        return data

    def _drain(self, stream: IO[bytes]) -> None:
        """What is there already, and no more of it than a pipe holds: somebody else may have the other end, and write on."""
        for _ in range(_PIPE_READS):
            if stream.closed or not self._read(stream):
                return


def has_ended(pid: int) -> bool:
    """Whether a child has ended, without burying it: as long as it lies there, nobody else gets its number."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _end_group(process: subprocess.Popen[bytes], *, at_once: bool) -> None:
    """Everything that the command started and that stayed in its group. Only while the command lies unburied: afterwards
    the group's number may be another's."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        if not at_once:
            os.killpg(process.pid, signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_S
            while not has_ended(process.pid) and time.monotonic() < deadline:
                time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
