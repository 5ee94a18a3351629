"""A delivery on its way to an address that somebody named: its bytes, its headers, and its signature where one is made anew.

The bytes are the original ones. Only a provider that signs the time of sending inside the body (Linear) has that one
number renewed, and only when it is signed anew: a receiver would refuse the old one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from codespar_cli.core.administration.webhooks import FORM, JSON, Signing, Stamping, Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.webhook_body import decode, is_form
from codespar_cli.net import standard_webhooks
from codespar_cli.webhooks.authenticity import wire_of

_STANDARD = "whsec_"
_ALWAYS = ("content-type", "user-agent")
# Credentials of whoever sent it then, in any part of a name.
_CREDENTIALS = ("auth", "cookie", "token", "secret", "password", "api-key", "apikey", "credential", "session", "jwt")
_ID = re.compile(r"[!-~]{1,200}")
_NO_TEXT = re.compile(r"[^\t -~\x80-\xff]")


class Message(NamedTuple):
    """What goes over the wire."""

    raw: bytes
    headers: Mapping[str, str]


def kept_for_target(hook: object, headers: Headers) -> dict[str, str]:
    """The headers worth sending: the provider's own, the content type, the user agent. No credential, nothing about the
    connection it came over."""
    wire = wire_of(hook)
    names = {name.lower() for name in _named(wire)}
    families = tuple(name[: name.rindex("-") + 1] for name in names if "-" in name)
    return {
        name: value
        for name, value in headers.items()
        if (name in names or name in _ALWAYS or name.startswith(families))
        and not any(word in name for word in _CREDENTIALS)
        and _NO_TEXT.search(value) is None
    }


def resigned(hook: object, message: Message, secret: str, at: datetime, delivery_id: str | None) -> Message:
    """The message as if it were sent at `at`, signed with `secret`.

    A secret that begins with `whsec_` signs as Standard Webhooks do, for whatever provider; any other in the provider's
    own way. A provider that signs nothing has a token in its header. Raises ValueError, which never repeats the secret.
    """
    raw, headers = message.raw, dict(message.headers)
    wire = wire_of(hook)
    if secret.startswith(_STANDARD):
        name = delivery_id if delivery_id and _ID.fullmatch(delivery_id) else f"msg_{uuid.uuid4().hex}"
        return Message(raw, headers | standard_webhooks.headers(secret, name, int(at.timestamp()), raw))
    if wire.signature_header is None:
        raise ValueError("its provider signs nothing, expected a secret that begins with `whsec_`")
    if not secret.strip():
        raise ValueError("the secret is empty")
    if _is_signing(hook):
        if isinstance(hook, Stamping):
            raw = hook.stamped(raw, at)
        headers |= _renewed_times(wire, headers, at)
        signature = hook.sign(raw, secret) if isinstance(hook, Signing) else ""
    else:
        signature = secret
        if _NO_TEXT.search(signature):
            raise ValueError("the secret holds characters that no header can")
    headers = {name: value for name, value in headers.items() if name.lower() != wire.signature_header.lower()}
    return Message(raw, headers | {wire.signature_header: signature})


def fresh(hook: object, raw: bytes, event: str | None, at: datetime) -> Message:
    """A first delivery of this body, with the headers its provider would send: event, id, time, content type.

    Raises ValueError for an event's name that no header can hold.
    """
    if event and _NO_TEXT.search(event):
        raise ValueError("the event's name holds characters that no header can")
    wire = wire_of(hook)
    headers = {"content-type": _content_type(raw), "user-agent": "codespar-webhook-send"}
    if wire.event_header and event:
        headers[wire.event_header] = event
    if wire.delivery_header:
        headers[wire.delivery_header] = str(uuid.uuid4())
    if wire.time_header:
        headers[wire.time_header] = str(int(at.timestamp()))
    return Message(raw, headers)


def _renewed_times(wire: Wire, headers: Mapping[str, str], at: datetime) -> dict[str, str]:
    """Whatever tells when it was sent, in the unit it was told in: seconds, or milliseconds."""
    found = {}
    for name, value in headers.items():
        if name.lower().endswith("-timestamp") or name.lower() == (wire.time_header or "").lower():
            seconds = at.timestamp()
            found[name] = str(int(seconds * 1000 if len(value) >= 13 and value.isdigit() else seconds))
    return found


def _is_signing(hook: object) -> bool:
    return isinstance(hook, Signing) and callable(hook.sign)


def _content_type(raw: bytes) -> str:
    try:
        return FORM if is_form(decode(raw)) else JSON
    except ValueError:
        return JSON


def _named(wire: Wire) -> list[str]:
    names = (wire.signature_header, wire.event_header, wire.delivery_header, wire.time_header)
    return [name for name in names if name]
