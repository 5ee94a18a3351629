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


class Parts(NamedTuple):
    """What a `ToolWatcher` is made of: the pins' `see`, `Catalogue`, `check_call`, `CallStreams().observe`, and the
    observability plugin's way to keep findings."""

    see: Callable[..., object]
    catalogue: Callable[..., Any]
    check: Callable[[Any, Any], Iterable[Any]]
    observe: Callable[[Any], Iterable[Any]]
    observed: Callable[..., Any]
    finding: Callable[..., Any]
    keep: Callable[[list[Any]], object]
    clock: Callable[[], datetime]


class ToolWatcher:
    """Pins what servers list, checks calls beside it, looks for loops among them, and has the findings kept."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._catalogues: dict[str, Any] = {}

    def listed(self, server: str, tools: Sequence[Any], version: str | None) -> None:
        self._catalogues[server] = self._parts.catalogue(list(tools), server=server)
        self._parts.see(server, list(tools), self._parts.clock(), version=version)

    def called(self, server: str, call: WatchedCall) -> None:
        catalogue = self._catalogues.get(server)
        if catalogue is not None:
            named = {"name": f"{server}/{call.tool}", "arguments": call.arguments}
            self._keep(call, self._parts.check(named, catalogue))

    def answered(self, server: str, call: WatchedCall, error: str | None, result: str | None) -> None:
        seen = self._parts.observed(
            name=f"{server}/{call.tool}",
            arguments=call.arguments,
            agent=call.agent,
            session=call.session,
            error=error,
            result=result,
        )
        self._keep(call, self._parts.observe(seen))

    def _keep(self, call: WatchedCall, results: Iterable[Any]) -> None:
        found = [
            self._parts.finding(
                time=self._parts.clock(),
                tenant=call.tenant,
                agent=call.agent,
                session=call.session,
                call=None,
                result=result,
            )
            for result in results
        ]
        if found:
            self._parts.keep(found)
