"""Whether a delivery is from whom it says: one judgement for the receiver, the replay and the doctor.

The signature is checked over the raw bytes before anything is made of them. Where the provider signs a time, how old the
delivery is counts too, on receipt only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core.administration.webhooks import Timed, Verifying, Wire
from codespar_cli.core.blame import hosts_own
from codespar_cli.core.headers import Headers

Cause: TypeAlias = Literal["not_signed", "header_missing", "no_secret", "bad_signature", "broken", "outside_window"]


class Refusal(NamedTuple):
    """Why a delivery is not taken for genuine: a code, and a line for the operator. The sender is told neither."""

    cause: Cause
    words: str


_UNKNOWN_WIRE = Wire()


def wire_of(hook: object) -> Wire:
    """The connector's own, or one that says nothing."""
    wire = getattr(hook, "wire", None)
    return wire if isinstance(wire, Wire) else _UNKNOWN_WIRE


def secrets_for(hook: object, tenant: str | None) -> tuple[str, ...]:
    """Those that a delivery to this tenant is verified with: the tenant's own where it has a table, else the provider's.

    Raises ConfigError, and what resolving raises.
    """
    if not isinstance(hook, Verifying):
        return ()
    return tuple(hook.secrets(tenant) if tenant in getattr(hook, "tenants", ()) else hook.secrets())


def refusal(hook: object, name: str, raw: bytes, headers: Headers, secrets: Sequence[str]) -> Refusal | None:
    """Why the signature does not hold; None when it does. `secrets` are tried all, newest first."""
    header = wire_of(hook).signature_header
    verify: Any = getattr(hook, "verify_signature", None)  # `isinstance` of a protocol costs more than the hash
    if header is None or not callable(verify):
        return Refusal("not_signed", f"no signature: `{name}` cannot verify any")
    if header not in headers:
        return Refusal("header_missing", f"no signature: the header {header} is missing")
    if not secrets:
        return Refusal("no_secret", f"no secret is configured: `[integrations.{name}] secret`")
    try:
        genuine = verify(raw, headers[header], list(secrets)) is True
    except BaseException as error:  # another's plugin: it cannot make a bad signature good
        if hosts_own(error):
            raise
        return Refusal("broken", f"the signature cannot be verified: {type(error).__name__}")
    return None if genuine else Refusal("bad_signature", "bad signature")


def staleness(hook: object, payload: Any, headers: Headers, now: datetime) -> Refusal | None:
    """Why the signed time does not hold; None when it does, or when the provider signs none."""
    skew = wire_of(hook).skew
    if skew is None or not isinstance(hook, Timed):
        return None
    try:
        sent = hook.signed_at(payload, headers)
        off = None if sent is None else now - sent
    except BaseException as error:
        if hosts_own(error):
            raise
        return Refusal("broken", f"the signed time cannot be read: {type(error).__name__}")
    if off is None:
        return Refusal("outside_window", "it carries no signed time")
    if abs(off) <= skew:
        return None
    direction = "old" if off.total_seconds() > 0 else "ahead"
    return Refusal(
        "outside_window",
        f"its signed time is {abs(off).total_seconds():.0f} s {direction}, at most {skew.total_seconds():.0f} s are accepted",
    )
