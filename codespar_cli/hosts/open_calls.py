"""Calls that were allowed and are not over: what the event after a call needs to know of the event before it.

One small file a call in `hooks/calls` of the state directory, made and removed without a lock: nobody who was stopped
while he held one can keep a hook waiting. A file's name says which call it is:

    session.tool.call.id.time     each a digest, `id` is `-` where the host sends none, `time` is when the file was made

Whoever removes the file settles the call, so it is settled once, however many hooks a host runs. A call whose end nobody
tells of keeps its file for a day; its hold lapses by itself, as the policy says.
"""

from __future__ import annotations

import os
import time

from codespar_cli.core.hashing import sha256
from codespar_cli.core.light_json import dumps, encoder, loads
from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple
from codespar_cli.hosts.hook_state import hook_directory, make_hook_directory

if TYPE_CHECKING:
    from codespar_cli.hosts.host_event import HostEvent

_DIRECTORY = "calls"
_KEPT_S = 24 * 3600.0
_MOST = 4096
_PRUNED_EVERY = 64
_NO_ID = "-"


class OpenCall(NamedTuple):
    """What the gate answered. `at` is when, in seconds since the epoch, `rules` by which version of the rules."""

    at: float
    agent: str
    tenant: str
    reservation_id: str | None = None
    decision_id: str | None = None
    rules: str | None = None


class OpenCalls:
    """Those of one state directory. Every failure is an OSError, and none of them makes a call wrong."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._directory = hook_directory(state_dir, _DIRECTORY)

    def note(self, event: HostEvent, call: OpenCall) -> None:
        """Remember an allowed call. Raises OSError."""
        moment = time.time_ns()
        name = ".".join((*_key(event), f"{moment:016x}"))
        body = dumps(list(call)).encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path(name), flags, 0o600)
        except FileNotFoundError:
            make_hook_directory(self._state_dir, _DIRECTORY)
            descriptor = os.open(self._path(name), flags, 0o600)
        try:
            os.write(descriptor, body)
        finally:
            os.close(descriptor)
        if moment // 1000 % _PRUNED_EVERY == 0:
            self.prune()

    def take(self, event: HostEvent) -> OpenCall | None:
        """The call that this event is the end of, and nobody gets it again. Raises OSError.

        By the host's id of the call; without one by session, tool and arguments, the oldest first, and where the arguments
        were changed on the way by session and tool.
        """
        for name in self._named(event):
            found = self._read(name)
            try:
                os.unlink(self._path(name))  # noqa: PTH108
            except FileNotFoundError:
                continue  # another hook was faster
            if found is not None:
                return found
        return None

    def find(self, event: HostEvent) -> OpenCall | None:
        """The very call that a permission is asked for, if it was allowed. It stays open. Raises OSError."""
        session, tool, call, _ = _key(event)
        wanted = f"{session}.{tool}.{call}."
        return next((found for name in self._names() if name.startswith(wanted) and (found := self._read(name))), None)

    def prune(self) -> None:
        """Remove what is older than a day, and the oldest beyond 4,096. Raises OSError."""
        names = sorted(self._names(), key=_moment)
        limit = time.time_ns() - int(_KEPT_S * 1e9)
        for index, name in enumerate(names):
            if _moment(name) >= limit and len(names) - index <= _MOST:
                break
            try:
                os.unlink(self._path(name))  # noqa: PTH108
            except FileNotFoundError:
                continue

    def _named(self, event: HostEvent) -> list[str]:
        session, tool, call, use = _key(event)
        mine = [name for name in self._names() if name.startswith(f"{session}.")]
        mine.sort(key=_moment)
        if use != _NO_ID:
            return [name for name in mine if name.split(".")[3] == use]
        exact = [name for name in mine if name.startswith(f"{session}.{tool}.{call}.")]
        return exact or [name for name in mine if name.startswith(f"{session}.{tool}.")]

    def _names(self) -> list[str]:
        try:
            return [name for name in os.listdir(self._directory) if name.count(".") == 4]  # noqa: PTH208
        except FileNotFoundError:
            return []

    def _read(self, name: str) -> OpenCall | None:
        try:
            with open(self._path(name), "rb") as file:  # noqa: PTH123
                at, agent, tenant, reservation, decision, rules = loads(file.read(4096).decode())
            return OpenCall(float(at), str(agent), str(tenant), reservation, decision, rules)
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)  # noqa: PTH118  pathlib is not needed otherwise


def _key(event: HostEvent) -> tuple[str, str, str, str]:
    use = _digest(event.tool_use_id) if event.tool_use_id else _NO_ID
    call = encoder(sort_keys=True)([event.tool, event.args])
    return _digest(f"{event.host}\n{event.session}"), _digest(event.tool), _digest(call), use


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hex()[:24]


def _moment(name: str) -> int:
    try:
        return int(name.rpartition(".")[2], 16)
    except ValueError:
        return 0
