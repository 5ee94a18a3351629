"""What replaying and receiving webhooks ask of a connector beyond `IntegrationHook`. All of it is optional.

A connector that offers `wire` can be recognised by its headers; one that offers `secrets` and `verify_signature` can
be verified; one that offers `sign` can stand in for its provider. One that offers none of it is asked by shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol, runtime_checkable


class Wire(NamedTuple):
    """How a provider's deliveries look on the wire. Header names in the provider's own spelling.

    The signature is the lower-case hex of an HMAC-SHA-256 over the raw body, after `signature_prefix`. Only `skew` is
    about a signed time: None means that the provider signs none and a replay cannot be told by its age. `max_body` is
    in bytes, `ack` is the status the provider wants to see for a delivery that was taken.
    """

    signature_header: str | None = None
    signature_prefix: str = ""
    event_header: str | None = None
    delivery_header: str | None = None
    time_header: str | None = None
    skew: timedelta | None = None
    max_body: int = 1 << 20
    content_types: tuple[str, ...] = ("application/json",)
    ack: int = 200

    @property
    def signed(self) -> bool:
        return self.signature_header is not None


@runtime_checkable
class Verifying(Protocol):
    """`secrets` resolves the configured references each time it is asked, newest first, and keeps nothing."""

    wire: Wire

    def secrets(self) -> Sequence[str]: ...

    def verify_signature(self, payload: bytes | str, signature: str, secret: str | Sequence[str]) -> bool: ...


@runtime_checkable
class Signing(Protocol):
    """Makes what the provider would send, for trying out a receiver."""

    wire: Wire

    def secrets(self) -> Sequence[str]: ...

    def sign(self, payload: bytes | str, secret: str) -> str: ...
