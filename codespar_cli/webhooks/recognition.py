"""Who sent a payload that does not say it: told by its headers, else by its shape."""

from __future__ import annotations

from collections.abc import Mapping

from codespar_cli.core.blame import hosts_own
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationEvent, IntegrationHook
from codespar_cli.webhooks.authenticity import wire_of
from codespar_cli.webhooks.payload import Payload


def claimed_by(integrations: Mapping[str, IntegrationHook], headers: Headers) -> str | None:
    """The provider whose own header is there: the event's name before a signature, which some share."""
    for field in ("event_header", "signature_header"):
        for name, hook in integrations.items():
            header = getattr(wire_of(hook), field)
            if header is not None and header in headers:
                return name
    return None


def shaped_like(integrations: Mapping[str, IntegrationHook], payload: Payload) -> tuple[str, ...]:
    """The providers that read an event from this body, in the order in which they are active. A connector that fails
    does not know it."""
    import asyncio

    async def takes(hook: IntegrationHook) -> bool:
        try:
            return isinstance(await hook.handle_webhook(payload.value, payload.headers), IntegrationEvent)
        except BaseException as error:
            if hosts_own(error):
                raise
            return False

    async def all_that_take_it() -> tuple[str, ...]:
        return tuple([name for name, hook in integrations.items() if await takes(hook)])

    return () if payload.value is None else asyncio.run(all_that_take_it())
