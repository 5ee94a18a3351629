"""Payloads through the handlers of the active integrations, once more, without any other effect.

For each payload: who it is from (the record says, the caller says, its headers say, else its shape), whether that
provider really sent it when asked to verify, and what its handler makes of it. What is to be done with it beyond that, a
caller brings along as a `Deed`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from codespar_cli.core.administration.webhooks import Identifying
from codespar_cli.core.blame import hosts_own, words_of
from codespar_cli.core.headers import NO_HEADERS, Headers
from codespar_cli.core.hooks import IntegrationEvent, IntegrationHook
from codespar_cli.core.text import clean_line, visible
from codespar_cli.errors import ConfigError
from codespar_cli.webhooks.authenticity import refusal, secrets_for, wire_of
from codespar_cli.webhooks.comparison import changes
from codespar_cli.webhooks.outcome import Outcome, Status
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.recognition import claimed_by

Integrations: TypeAlias = Mapping[str, IntegrationHook]
Deed: TypeAlias = Callable[[Payload, Outcome], Outcome]
"""Does something with a payload that was read, and says what came of it. Raises CodesparError when nothing can be done
for any payload."""


def _at_once(reading: Coroutine[Any, Any, Outcome]) -> Outcome | None:
    """What it comes to where it waits for nothing, as our own connectors do: an event loop costs a quarter of a replay.
    None where it has to be begun anew in one."""
    try:
        reading.send(None)
    except StopIteration as done:
        return cast("Outcome", done.value)
    reading.close()
    return None


class Replay:
    """`provider` and `headers` speak for payloads that do not say it themselves; `event` is the provider's event header.

    Secrets are fetched once for each provider, and only to verify.
    """

    def __init__(
        self,
        integrations: Integrations,
        *,
        provider: str | None = None,
        event: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        verify: bool = False,
        tenant: str | None = None,
        diff: bool = False,
        deed: Deed | None = None,
        dry: bool = False,
    ) -> None:
        self._integrations = integrations
        self._provider = provider
        self._event = event
        self._headers = headers
        self._verify = verify
        self._tenant = tenant
        self._diff = diff
        self._deed = deed
        self._dry = dry
        self._secrets: dict[tuple[str, str | None], list[str]] = {}

    def run(self, payloads: Iterable[Payload]) -> Iterator[Outcome]:
        """All of them, in order, one at a time: no more than one is held.

        Raises CodesparError when secrets cannot be had at all, and what a deed raises.
        """
        import asyncio

        ours = all(type(hook).__module__.startswith("codespar_cli.") for hook in self._integrations.values())
        with asyncio.Runner() as runner:
            for payload in payloads:
                outcome = _at_once(self.one(payload)) if ours else None
                if outcome is None:
                    outcome = runner.run(self.one(payload))
                yield self._done(payload, outcome)

    def _done(self, payload: Payload, outcome: Outcome) -> Outcome:
        if outcome.status not in {"handled", "ignored"} or outcome.error is not None:
            return outcome
        if self._diff and payload.recorded is not None:
            try:
                outcome = outcome._replace(changed=changes(payload.recorded, outcome.event))
            except ValueError as error:
                return outcome._replace(status="failed", event=None, error=f"answered {error}")
        return outcome if self._deed is None else self._deed(payload, outcome)

    def told(self, payload: Payload) -> tuple[Payload, str | None]:
        """With the headers that the caller adds, and who sent it; None where only its shape could tell."""
        headers = payload.headers.with_defaults(self._headers) if self._headers else payload.headers
        return payload._replace(headers=headers), payload.provider or self._provider or claimed_by(
            self._integrations, headers
        )

    async def one(self, payload: Payload) -> Outcome:
        """What reading it comes to; nothing else is done."""
        payload, name = self.told(payload)
        headers = payload.headers
        stranger = name is not None and name not in self._integrations
        delivery_id = None if stranger else self._delivery_id(name, payload.value, headers)
        # Before anything is made of them: bytes that do not parse are refused like any others.
        if self._verify and not stranger and (payload.trouble is None or payload.raw is not None):
            refusal = self._refusal(name, payload, headers)
            if refusal is not None:
                error = "; ".join(filter(None, (refusal, payload.error)))
                return Outcome(payload.source, "bad_signature", name, delivery_id=delivery_id, error=error)
        if payload.trouble is not None:
            return Outcome(payload.source, payload.trouble, name, delivery_id=delivery_id, error=payload.error)
        if stranger:
            return Outcome(payload.source, "ignored", name, error=self._not_active(name))
        if self._dry:
            return Outcome(payload.source, "would_replay", name, delivery_id=delivery_id)
        return await self._handled(payload, name, headers)

    # ── from whom ──

    def _not_active(self, name: str | None) -> str:
        known = ", ".join(f"`{known}`" for known in self._integrations) or "none"
        return f"`{visible((name or '')[:60])}` is not an active integration: {known}"

    def _delivery_id(self, name: str | None, payload: Any, headers: Headers) -> str | None:
        """As the connector tells it, which may be from the body; else the header's."""
        if name is None:
            return None
        hook = self._integrations[name]
        header = wire_of(hook).delivery_header
        found: Any = headers.get(header) if header else None
        if isinstance(hook, Identifying):
            try:
                found = hook.delivery_id(payload, headers)
            except BaseException as error:  # of a body that is none, or of another's plugin
                if hosts_own(error):
                    raise
        return (clean_line(found, 200) or None) if isinstance(found, str) else None

    # ── really from them ──

    def _refusal(self, name: str | None, payload: Payload, headers: Headers) -> str | None:
        """Why the signature does not hold, in a line; None when it does."""
        if name is None:
            return "no signature: no header of an active integration is there"
        hook = self._integrations[name]
        header = wire_of(hook).signature_header
        if header is not None and header in headers and payload.raw is None:
            return "no bytes to verify: the record keeps the body as parsed JSON"
        try:
            secrets = self._secrets_of(name, hook, payload.tenant)
        except ConfigError as error:
            return f"no secret to verify with: {error.message}{f', try: {error.hint}' if error.hint else ''}"
        refused = refusal(hook, name, payload.raw or b"", headers, secrets)
        return None if refused is None else refused.words

    def _secrets_of(self, name: str, hook: IntegrationHook, tenant: str | None) -> list[str]:
        """Those of the delivery's tenant, where it has its own."""
        whose = tenant or self._tenant
        if (name, whose) not in self._secrets:
            self._secrets[name, whose] = list(secrets_for(hook, whose))
        return self._secrets[name, whose]

    # ── what it says ──

    async def _handled(self, payload: Payload, name: str | None, headers: Headers) -> Outcome:
        failed_by, failure = name, None
        for candidate, hook in self._integrations.items() if name is None else [(name, self._integrations[name])]:
            event_header = wire_of(hook).event_header
            told = {event_header: self._event} if self._event and event_header else {}
            try:
                event: Any = await hook.handle_webhook(payload.value, headers.with_defaults(told) if told else headers)
            except BaseException as error:  # one handler's failure is one row
                if hosts_own(error):
                    raise
                words = clean_line(words_of(error), 200)
                failed_by, failure = candidate, f"{type(error).__name__}: {words}".rstrip(": ")
                continue
            if isinstance(event, IntegrationEvent):
                return Outcome(
                    payload.source,
                    "handled",
                    candidate,
                    event,
                    event.delivery_id or self._delivery_id(candidate, payload.value, headers),
                )
            if event is not None:
                failed_by, failure = (
                    candidate,
                    f"answered a {type(event).__name__}, expected an IntegrationEvent or None",
                )
        status: Status = "ignored" if failure is None else "failed"
        return Outcome(
            payload.source, status, failed_by, None, self._delivery_id(name, payload.value, headers), failure
        )
