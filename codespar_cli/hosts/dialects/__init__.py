"""One module a host: `read(raw)`, `answer(event, decision)`, `refuse(reason, event_name)`. Pure, and quick to import."""

from __future__ import annotations

from sys import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from codespar_cli.core.calls import PolicyDecision
    from codespar_cli.hosts.answer import Answer
    from codespar_cli.hosts.host_event import HostEvent

    class Dialect(Protocol):
        """What one host speaks."""

        def read(self, raw: bytes, event_name: str | None = None) -> HostEvent:
            """The event in these bytes. Raises MalformedEvent."""
            ...

        def answer(self, event: HostEvent, decision: PolicyDecision | None) -> Answer:
            """What the host is told: of an event that waits for a decision and got none, that it is denied."""
            ...

        def refuse(self, reason: str, event_name: str | None = None) -> Answer:
            """The deny for what could not be judged."""
            ...


HOSTS = ("claude", "codex", "cursor", "gemini", "copilot")


def dialect_of(host: str) -> Dialect:
    """Raises KeyError for a host that is none of HOSTS."""
    if host not in HOSTS:
        raise KeyError(host)
    module = f"{__name__}.{host}"
    __import__(module)
    dialect: Any = modules[module]
    return dialect  # type: ignore[no-any-return]  # a module, which has these functions
