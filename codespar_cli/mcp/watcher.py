"""Who looks at what passes: pins of tools, checks of calls. Asked away from the stream, never in its way.

`plugins` has the real ones; `startup.tool_watcher` puts them here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol


class WatchedCall(NamedTuple):
    """A call that was allowed, as a model made it. `tool` is the server's own name for it."""

    tool: str
    arguments: Any
    agent: str
    session: str | None
    tenant: str


class Watcher(Protocol):
    """Every method is called on one thread, in the order of what happened, and may raise: that is counted, no more."""

    def listed(self, server: str, tools: Sequence[Any], version: str | None) -> None:
        """All tools of a server, the pages put together; `version` is what the server says of itself."""
        ...

    def called(self, server: str, call: WatchedCall) -> None: ...

    def answered(self, server: str, call: WatchedCall, error: str | None, result: str | None) -> None:
        """`error` is the class of a failure; `result` a digest of the text that came back."""
        ...


class Pins(NamedTuple):
    """The pins' `see`, and what a server listed last, in another run, or None. `drifted` is told what is not as pinned."""

    see: Callable[..., Sequence[Any]]
    last_listed: Callable[[str], Sequence[Any] | None]
    drifted: Callable[[str, Sequence[Any]], object]
    clock: Callable[[], datetime]


class Checks(NamedTuple):
    """`Catalogue`, `check_call`, `CallStreams().observe`, and the observability plugin's way to keep findings."""

    catalogue: Callable[..., Any]
    check: Callable[[Any, Any], Iterable[Any]]
    observe: Callable[[Any], Iterable[Any]]
    observed: Callable[..., Any]
    finding: Callable[..., Any]
    keep: Callable[[list[Any]], object]
    clock: Callable[[], datetime]


class ToolWatcher:
    """Pins what servers list, checks calls beside it, looks for loops among them, and has the findings kept."""

    def __init__(self, pins: Pins, checks: Checks | None = None) -> None:
        """Without `checks` it pins, and looks at no call."""
        self._pins = pins
        self._checks = checks
        self._catalogues: dict[str, Any] = {}

    def listed(self, server: str, tools: Sequence[Any], version: str | None) -> None:
        if self._checks is not None:
            self._catalogues[server] = self._checks.catalogue(list(tools), server=server)
        changes = self._pins.see(server, list(tools), self._pins.clock(), version=version)
        self._pins.drifted(server, changes)

    def called(self, server: str, call: WatchedCall) -> None:
        checks = self._checks
        if checks is None:
            return
        catalogue = self._catalogue(server, checks)
        if catalogue is not None:
            named = {"name": f"{server}/{call.tool}", "arguments": call.arguments}
            _keep(checks, call, checks.check(named, catalogue))

    def answered(self, server: str, call: WatchedCall, error: str | None, result: str | None) -> None:
        checks = self._checks
        if checks is None:
            return
        seen = checks.observed(
            name=f"{server}/{call.tool}",
            arguments=call.arguments,
            agent=call.agent,
            session=call.session,
            error=error,
            result=result,
        )
        _keep(checks, call, checks.observe(seen))

    def _catalogue(self, server: str, checks: Checks) -> Any:
        """Of the list that this client got, else of the one that was last seen; None where there was none."""
        if server not in self._catalogues:
            tools = self._pins.last_listed(server)
            self._catalogues[server] = None if tools is None else checks.catalogue(list(tools), server=server)
        return self._catalogues[server]


def _keep(checks: Checks, call: WatchedCall, results: Iterable[Any]) -> None:
    found = [
        checks.finding(
            time=checks.clock(),
            tenant=call.tenant,
            agent=call.agent,
            session=call.session,
            call=None,
            result=result,
        )
        for result in results
    ]
    if found:
        checks.keep(found)
