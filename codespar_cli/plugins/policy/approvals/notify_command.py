"""A notifier that is a program of the user's own.

plugins.toml may come with a project somebody cloned, so it names no path and no command: only one of the programs that
the user has put into `$XDG_CONFIG_HOME/codespar/notifiers`.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.approvals.approval import Approval
from codespar_cli.plugins.policy.approvals.notice import Undelivered, announcement

if TYPE_CHECKING:
    import subprocess

LIMIT_S = 10.0
_OTHERS_WRITE = 0o022
_PATH = "/usr/local/bin:/opt/homebrew/bin:/usr/bin:/bin"
# What a desktop's notification and a script's text need, and nothing that may hold a key. PATH is fixed: the one of an
# agent may begin with a project's own directory.
_KEPT = (
    "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip


class Command:
    """Gets the request as one JSON document on stdin; its exit code 0 means that people have been told."""

    def __init__(self, path: Path, environ: dict[str, str], *, limit_s: float = LIMIT_S) -> None:
        self._path = path
        self._environ = environ
        self._limit_s = limit_s

    @classmethod
    def from_services(cls, name: str, services: Services) -> Command:
        values = {key: services.resolve(f"env:{key}") for key in (*_KEPT, "XDG_CONFIG_HOME")}
        base = values.pop("XDG_CONFIG_HOME") or ""
        if not base.startswith("/"):
            base = f"{values['HOME'] or '/'}/.config"
        kept = {key: value for key, value in values.items() if value is not None}
        return cls(Path(base) / "codespar" / "notifiers" / name, {**kept, "PATH": _PATH})

    def problem(self) -> str | None:
        """Why this program is not run, with the command that mends it."""
        try:
            for directory in (self._path.parent.parent, self._path.parent):
                if _is_anothers(directory.stat()):
                    return f"the directory {directory} could be changed by others: chmod 755 {directory}, and own it"
            facts = self._path.lstat()
        except FileNotFoundError:
            return f"there is no notifier `{self._path.name}`: put a program of yours at {self._path}"
        except OSError as error:
            return f"the notifier {self._path} cannot be looked at: {(error.strerror or 'unknown').lower()}"
        if not stat.S_ISREG(facts.st_mode):
            return f"the notifier {self._path} is no regular file: put the program itself there"
        if _is_anothers(facts):
            return f"the notifier {self._path} could be changed by others: chmod 755 {self._path}, and own it"
        if not os.access(self._path, os.X_OK):
            return f"the notifier {self._path} is not executable: chmod 755 {self._path}"
        return None

    def deliver(self, approval: Approval) -> None:
        """Run it once. Raises Undelivered."""
        import subprocess

        if problem := self.problem():
            raise Undelivered(problem)
        document = json.dumps(announcement(approval)).encode() + b"\n"
        try:
            process = subprocess.Popen(
                [self._path],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            words = (error.strerror or "unknown").lower()
            raise Undelivered(f"the notifier {self._path} cannot be run: {words}") from None
        with process:
            try:
                process.communicate(document, timeout=self._limit_s)
            except subprocess.TimeoutExpired:
                _end_session(process)
                raise Undelivered(f"the notifier `{self._path.name}` took longer than {self._limit_s:g} s") from None
            except BaseException:  # Ctrl-C, say: the program is not to be waited for at the end of `with`
                _end_session(process)
                raise
        if process.returncode:
            raise Undelivered(f"the notifier `{self._path.name}` ended with exit code {process.returncode}")


def _end_session(leader: subprocess.Popen[bytes]) -> None:
    """Its whole group, while the leader is not reaped: afterwards the group's number may be another's."""
    import signal

    try:
        if leader.returncode is None:
            os.killpg(leader.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # it has just ended, or it is another user's by now


def _is_anothers(facts: os.stat_result) -> bool:
    return facts.st_uid not in {0, os.geteuid()} or bool(facts.st_mode & _OTHERS_WRITE)
