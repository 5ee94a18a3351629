"""The very command line that is configured, run as the host would run it."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codespar_cli.hosts.install.readings import Ended

_LOOK_S = 0.002
_SHELL = "/bin/sh"
_MOST_BYTES = 1 << 20
_HALFWAY_S = 1.5
"""How long a hook may take to begin reading: well below the deadline after which it answers by itself."""


def argv_of(host: str, handler: dict[str, Any], command_key: str) -> list[str]:
    """Claude Code starts a line with `args` without a shell; everything else goes through one."""
    command = str(handler[command_key])
    args = handler.get("args")
    if host == "claude" and isinstance(args, list):
        return [command, *map(str, args)]
    return [_SHELL, "-c", command]


def run(argv: list[str], event: bytes, *, environ: dict[str, str], directory: Path, timeout_s: float) -> Ended:
    """To its end, or to the host's patience. A program that cannot be started ends as a shell would say it: 127."""
    began = time.perf_counter()
    try:
        process = _start(argv, environ, directory, subprocess.PIPE)
    except OSError as error:
        return Ended(127, b"", (error.strerror or "").encode(), time.perf_counter() - began)
    try:
        stdout, stderr = process.communicate(event, timeout=timeout_s)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        _kill_group(process)
        stdout, stderr = process.communicate()
        code = None
    return Ended(code, stdout[:_MOST_BYTES], stderr[:_MOST_BYTES], time.perf_counter() - began)


def run_and_kill(argv: list[str], event: bytes, *, environ: dict[str, str], directory: Path, timeout_s: float) -> Ended:
    """The same, but the hook is killed when it has read half of the event and waits for the rest."""
    began = time.perf_counter()
    reading, writing = os.pipe()
    try:
        process = _start(argv, environ, directory, reading)
    except OSError as error:
        os.close(reading)
        os.close(writing)
        return Ended(127, b"", (error.strerror or "").encode(), time.perf_counter() - began)
    os.write(writing, event[: len(event) // 2])
    _await_reader(process, reading)
    for child in _innermost(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os.close(reading)
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
        code: int | None = process.returncode
    except subprocess.TimeoutExpired:
        _kill_group(process)
        stdout, stderr = process.communicate()
        code = None
    finally:
        os.close(writing)
    return Ended(code, stdout[:_MOST_BYTES], stderr[:_MOST_BYTES], time.perf_counter() - began)


def _start(argv: list[str], environ: dict[str, str], directory: Path, stdin: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        cwd=directory,
        start_new_session=True,
    )


def _await_reader(process: subprocess.Popen[bytes], reading: int) -> None:
    """Until what was written has been read: then it is in the middle of its work."""
    waiting = array.array("i", [1])
    deadline = time.monotonic() + _HALFWAY_S
    while waiting[0] and process.poll() is None and time.monotonic() < deadline:
        select.select((), (), (), _LOOK_S)
        fcntl.ioctl(reading, termios.FIONREAD, waiting)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # the session that we started, and nothing else
    process.kill()


def _innermost(pid: int) -> list[int]:
    """The processes under this one that have none under them; itself when it has none."""
    children = dict[int, list[int]]()
    for child, parent in _processes():
        children.setdefault(parent, []).append(child)
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        below = children.get(one, [])
        waiting += below
        if not below:
            found.append(one)
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Each with its parent: from /proc, or from `ps` where there is none."""
    if Path("/proc/self/stat").exists():
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    # The name in brackets may hold anything; the parent is the second word behind it.
                    yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        return
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, check=False)
    for line in listed.stdout.splitlines():
        words = line.split()
        if len(words) == 2:
            yield int(words[0]), int(words[1])
