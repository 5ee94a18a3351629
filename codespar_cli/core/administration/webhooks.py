"""What replaying and receiving webhooks ask of a connector beyond `IntegrationHook`. All of it is optional.

A connector that offers `wire` can be recognised by its headers; one that offers `secrets` and `verify_signature` can
be verified; one that offers `signed_at`, told how old a delivery is; one that offers `delivery_id`, told its id where no
header has it; one that offers `sign` can stand in for its provider. One that offers none of it is asked by shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, runtime_checkable

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


class Wire(NamedTuple):
    """How a provider's deliveries look on the wire. Header names in the provider's own spelling.

    The signature is the lower-case hex of an HMAC-SHA-256 over the raw body, after `signature_prefix`, unless the
    connector's `verify_signature` knows better. Only `skew` is about a signed time: None means that the provider signs
    none and a delivery cannot be told by its age. With `shared_token` the signature's header holds the secret itself, and
    is never stored. `max_body` is in bytes, `ack` is the status the provider wants to see
    for a delivery that was taken.
    """

    signature_header: str | None = None
    signature_prefix: str = ""
    event_header: str | None = None
    delivery_header: str | None = None
    time_header: str | None = None
    skew: timedelta | None = None
    max_body: int = 1 << 20
    content_types: tuple[str, ...] = (JSON,)
    ack: int = 200
    shared_token: bool = False

    @property
    def signed(self) -> bool:
        return self.signature_header is not None


@runtime_checkable
class Verifying(Protocol):
    """`secrets` resolves the configured references each time it is asked, newest first, and keeps nothing.

    `tenant` asks for that tenant's own; None for those of the provider's table.
    """

    wire: Wire

    def secrets(self, tenant: str | None = None) -> Sequence[str]: ...

    def verify_signature(self, payload: bytes | str, signature: str, secret: str | Sequence[str]) -> bool: ...


@runtime_checkable
class Timed(Protocol):
    """`signed_at` is when the provider says it sent this, in what it signed; None where it does not say."""

    wire: Wire

    def signed_at(self, payload: Any, headers: Mapping[str, str]) -> datetime | None: ...


@runtime_checkable
class Identifying(Protocol):
    """`delivery_id` is what stays the same when the provider sends the same delivery again; None where there is no such
    thing, and the body has to stand for it."""

    def delivery_id(self, payload: Any, headers: Mapping[str, str]) -> str | None: ...


@runtime_checkable
class Signing(Protocol):
    """Makes what the provider would send, for trying out a receiver."""

    wire: Wire

    def secrets(self, tenant: str | None = None) -> Sequence[str]: ...

    def sign(self, payload: bytes | str, secret: str) -> str: ...


@runtime_checkable
class Stamping(Protocol):
    """For a provider that writes the time of sending into what it signs: the same body as if it were sent at `at`, every
    other byte as it was. Raises ValueError for a body that has no such time."""

    def stamped(self, raw: bytes, at: datetime) -> bytes: ...
