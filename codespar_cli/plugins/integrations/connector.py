"""The shape of a connector: data about the wire, a table of severities, and two functions.

A provider's file says which headers carry what (`wire`), which of its words mean which severity (`severities`), how to
tell an event's type (`event_type`) and what a payload of that type says (`facts`). Everything the providers have in
common is here and happens once: bodies are unwrapped, text is made harmless, links are checked, signatures compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.headers import NO_HEADERS, Headers
from codespar_cli.core.hooks import Health, IntegrationEvent, Severity
from codespar_cli.core.services import Services
from codespar_cli.core.sizes import parse_size
from codespar_cli.core.webhook_body import parse_body
from codespar_cli.plugins.integrations import fields
from codespar_cli.plugins.integrations.api import Api
from codespar_cli.plugins.integrations.credentials import Credentials, Resolve
from codespar_cli.plugins.integrations.signature import sign, verify

MAX_DETAIL = 8192
MAX_STACK_TRACE = 16_384
# Key of the table in plugins.toml -> the field of `Wire` that it sets, and how its text is read.
_WIRE_OPTIONS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "max_body": ("max_body", parse_size),
    "skew": ("skew", parse_duration),
    "header": ("signature_header", str),
}


class Facts(NamedTuple):
    """What a payload says, as found: any value may be of any type, and `Connector` makes it fit.

    Of `titles`, `urls` and `times` the first usable one counts; of `words`, the first that the severity table knows.
    """

    titles: Iterable[Any]
    words: Iterable[Any] = ()
    urls: Iterable[Any] = ()
    times: Iterable[Any] = ()
    detail: Any = None
    external_id: Any = None
    actor: Any = None
    project: Any = None
    files: Iterable[Any] = ()
    stack_trace: Any = None
    native: Mapping[str, Any] = MappingProxyType({})


class Connector(ABC):
    """One provider. Cheap to create; secrets are resolved when a signature is checked, and not kept."""

    id: ClassVar[str]
    name: ClassVar[str]
    severities: ClassVar[Mapping[str, Severity]]
    wire: Wire

    def __init__(
        self,
        *,
        secret: str | Sequence[str] = (),
        resolve: Resolve = lambda reference: None,
        severity: Mapping[str, Severity] | None = None,
        wire: Mapping[str, Any] = MappingProxyType({}),
        tenants: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        api: Api | None = None,
    ) -> None:
        """`secret` holds references (`secret:KEY`, `env:NAME`, `file:PATH`), never values; `severity` overrides words of
        the table, `wire` fields of the class's own. `tenants` are tables of other tenants, with a `secret` each."""
        self._credentials = Credentials(self.id, secret, resolve, tenants)
        self._severities = {**self.severities, **{word.lower(): level for word, level in (severity or {}).items()}}
        self.wire = self.wire._replace(**wire)
        self._api = api

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> Self:
        return cls(
            secret=options.get("secret", ()),
            resolve=services.resolve,
            severity=options.get("severity"),
            wire={field: read(options[key]) for key, (field, read) in _WIRE_OPTIONS.items() if key in options},
            tenants=options.get("tenants", {}),
            api=cls.api_of(options, services),
        )

    @classmethod
    def api_of(cls, options: Mapping[str, Any], services: Services) -> Api | None:
        """How to ask the provider's API whether it answers; None where no credential for it is configured.

        Raises ConfigError for an address that this file may not name.
        """
        return None

    # ── what a provider's file says ──

    def view(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the three below read: the payload, or what a connector makes of it once."""
        return payload

    @abstractmethod
    def event_type(self, payload: Mapping[str, Any], headers: Headers) -> str | None:
        """`resource.action` in the provider's own words, from the headers or else the shape; None when not mine."""

    @abstractmethod
    def facts(self, event_type: str, payload: Mapping[str, Any]) -> Facts | None:
        """What a payload of this type says; None when it lacks what every payload of the type has."""

    # ── the contract ──

    async def handle_webhook(self, payload: Any, headers: Mapping[str, str] = NO_HEADERS) -> IntegrationEvent | None:
        """The event in a payload, or None for "not mine, or nothing to say".

        `payload` is the parsed body. The raw body is taken too, as bytes or text, bare or form-encoded; one that does
        not parse gives None. Nothing that came from outside makes this raise.
        """
        found = Headers.of(headers)
        body = _unwrapped(payload)
        if not isinstance(body, Mapping):
            return None
        body = self.view(body)
        event_type = self.event_type(body, found)
        facts = self.facts(event_type, body) if event_type else None
        return (
            None
            if not event_type or facts is None
            else self._event(event_type, facts, self.delivery_id(body, found), found)
        )

    def verify_signature(self, payload: bytes | str, signature: str, secret: str | Sequence[str]) -> bool:
        """Whether the provider, or whoever knows one of these secrets, sent exactly these bytes.

        Over the raw body as received, in constant time; any of several secrets will do, an empty one verifies nothing.
        Raises TypeError for a parsed body.
        """
        return verify(payload, signature, secret, prefix=self.wire.signature_prefix)

    def sign(self, payload: bytes | str, secret: str) -> str:
        """The signature header's value that the provider would send. Raises ValueError for an unusable secret."""
        return sign(payload, secret, prefix=self.wire.signature_prefix)

    def secrets(self, tenant: str | None = None) -> tuple[str, ...]:
        """The values of the configured references that have one, newest first; of a tenant's own table when it has one.

        Raises ConfigError when there are references and none has a value, and what resolving raises.
        """
        return self._credentials.values(tenant)

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that have a table, and so an address, of their own."""
        return self._credentials.tenants

    def delivery_id(self, payload: Any, headers: Mapping[str, str]) -> str | None:
        """What stays the same when the provider sends the same delivery again."""
        header = self.wire.delivery_header
        return fields.line(Headers.of(headers).get(header), 200) if header else None

    def health(self) -> Health:
        """Opens no store, no file and no connection: of the secrets only environment variables are looked at."""
        return self._credentials.health()

    @property
    def connects(self) -> bool:
        """Whether a credential for the provider's API is configured, so that `health_check` asks it."""
        return self._api is not None

    async def health_check(self) -> Health:
        """Like `health`, but every secret is really fetched, and the provider's API asked where credentials for it are
        configured. Raises what resolving raises."""
        found = self._credentials.check()
        if self._api is None or found.state == "error":
            return found
        answered = await self._api.answer()
        return answered if found.state == "ok" or answered.state == "error" else found

    # ── making facts fit ──

    def severity(self, words: Iterable[Any]) -> Severity:
        """Ours for the first of the provider's words that the table, or the user's override, knows; else info."""
        for word in words:
            level = self._severities.get(word[:200].lower()) if isinstance(word, str) else None
            if level is not None:
                return level
        return "info"

    def _event(self, event_type: str, facts: Facts, delivery_id: str | None, headers: Headers) -> IntegrationEvent:
        wire = self.wire
        sent_at = headers.get(wire.time_header) if wire.time_header else None
        titles = (fields.line(title) for title in facts.titles)
        urls = (fields.web_url(url) for url in facts.urls)
        times = (fields.moment(time) for time in (*facts.times, sent_at))
        return IntegrationEvent(
            source=self.id,
            event_type=event_type,
            severity=self.severity(facts.words),
            title=next((title for title in titles if title), None) or event_type,
            detail=fields.block(facts.detail, MAX_DETAIL),
            url=next((url for url in urls if url), None),
            occurred_at=next((time for time in times if time), None),
            delivery_id=delivery_id,
            external_id=fields.line(facts.external_id, 200),
            actor=fields.line(facts.actor, 200),
            project=fields.line(facts.project, 200),
            affected_files=fields.lines(facts.files),
            stack_trace=fields.block(facts.stack_trace, MAX_STACK_TRACE),
            native=dict(facts.native),
        )


def compose(event: str | None, action: Any) -> str | None:
    """`event.action`; the bare event when there is no action. None when the event's name is no name."""
    name, verb = fields.line(event, 100), fields.line(action, 100) if isinstance(action, str) else None
    if name is None or any(char.isspace() or char == "," for char in name):
        return None
    return f"{name}.{verb}" if verb else name


def _unwrapped(payload: Any) -> Any:
    # A framework that has parsed a form hands over {"payload": "<json>"}.
    if isinstance(payload, Mapping) and len(payload) == 1 and isinstance(payload.get("payload"), str):
        payload = payload["payload"]
    try:
        if isinstance(payload, str):
            payload = payload.encode("utf-8")
        return parse_body(bytes(payload)) if isinstance(payload, bytes | bytearray | memoryview) else payload
    except ValueError:
        return None
