"""Payloads through the handlers of the active integrations, once more, without any other effect.

For each payload: who it is from (the record says, the caller says, its headers say, else its shape), whether that
provider really sent it when asked to verify, and what its handler makes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core.administration.webhooks import Verifying
from codespar_cli.core.blame import hosts_own, words_of
from codespar_cli.core.headers import NO_HEADERS, Headers
from codespar_cli.core.hooks import IntegrationEvent, IntegrationHook
from codespar_cli.core.text import clean_line, visible
from codespar_cli.errors import CodesparError, ConfigError, IntegrityError, NotFoundError
from codespar_cli.webhooks.authenticity import refusal, wire_of
from codespar_cli.webhooks.payload import Payload

Status: TypeAlias = Literal["handled", "ignored", "failed", "bad_signature", "missing", "unreadable", "malformed"]
Integrations: TypeAlias = Mapping[str, IntegrationHook]


class Outcome(NamedTuple):
    """What became of one payload. `ignored` means that no handler took it; `error` is a line, without secrets."""

    source: str
    status: Status
    provider: str | None = None
    event: IntegrationEvent | None = None
    delivery_id: str | None = None
    error: str | None = None


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
    ) -> None:
        self._integrations = integrations
        self._provider = provider
        self._event = event
        self._headers = headers
        self._verify = verify
        self._secrets: dict[str, list[str]] = {}

    def run(self, payloads: Iterable[Payload]) -> list[Outcome]:
        """All of them, in order. Raises CodesparError only when secrets cannot be had at all."""
        import asyncio

        async def each() -> list[Outcome]:
            return [await self.one(payload) for payload in payloads]

        return asyncio.run(each())

    async def one(self, payload: Payload) -> Outcome:
        headers = payload.headers.with_defaults(self._headers)
        name = payload.provider or self._provider or self._claimed_by(headers)
        stranger = name is not None and name not in self._integrations
        delivery_id = None if stranger else self._delivery_id(name, headers)
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
        return await self._handled(payload, name, headers)

    # ── from whom ──

    def _claimed_by(self, headers: Headers) -> str | None:
        """The provider whose own header is there: the event's name before a signature, which some share."""
        for field in ("event_header", "signature_header"):
            for name, hook in self._integrations.items():
                header = getattr(wire_of(hook), field)
                if header is not None and header in headers:
                    return name
        return None

    def _not_active(self, name: str | None) -> str:
        known = ", ".join(f"`{known}`" for known in self._integrations) or "none"
        return f"`{visible((name or '')[:60])}` is not an active integration: {known}"

    def _delivery_id(self, name: str | None, headers: Headers) -> str | None:
        header = wire_of(self._integrations[name]).delivery_header if name else None
        return (clean_line(headers.get(header, ""), 200) or None) if header else None

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
            secrets = self._secrets_of(name, hook)
        except ConfigError as error:
            return f"no secret to verify with: {error.message}{f', try: {error.hint}' if error.hint else ''}"
        refused = refusal(hook, name, payload.raw or b"", headers, secrets)
        return None if refused is None else refused.words

    def _secrets_of(self, name: str, hook: IntegrationHook) -> list[str]:
        if name not in self._secrets:
            self._secrets[name] = list(hook.secrets()) if isinstance(hook, Verifying) else []
        return self._secrets[name]

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
                    event.delivery_id or self._delivery_id(candidate, headers),
                )
            if event is not None:
                failed_by, failure = (
                    candidate,
                    f"answered a {type(event).__name__}, expected an IntegrationEvent or None",
                )
        status: Status = "ignored" if failure is None else "failed"
        return Outcome(payload.source, status, failed_by, None, self._delivery_id(name, headers), failure)


def failure_of(outcomes: Iterable[Outcome]) -> CodesparError | None:
    """The error a replay ends with, the gravest first; None when at least one payload was handled and none failed."""
    found = list(outcomes)
    count = Counter(outcome.status for outcome in found)
    if bad := count["bad_signature"]:
        return IntegrityError(f"{bad} of {_payloads(len(found))} could not be verified", code="bad_signature")
    if failed := count["failed"] + count["unreadable"]:
        return CodesparError(f"{failed} of {_payloads(len(found))} failed", code="replay_failed")
    if count["missing"]:
        missing = next(outcome.source for outcome in found if outcome.status == "missing")
        return NotFoundError(f"no such file: `{visible(missing)}`")
    if count["malformed"] == len(found) > 0:
        verb = "is" if len(found) == 1 else "are"
        return NotFoundError(f"{len(found)} of {_payloads(len(found))} {verb} not readable JSON", code="malformed")
    if not count["handled"]:
        return NotFoundError(
            f"no integration took any of {_payloads(len(found))}" if found else "there is no payload to replay",
            code="not_handled",
            hint="codespar plugins status shows which are active",
        )
    return None


def _payloads(count: int) -> str:
    return f"{count} payload{'' if count == 1 else 's'}"
