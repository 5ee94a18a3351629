"""One payload to be replayed, and the record form in which deliveries are kept in files."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core import strict_json
from codespar_cli.core.headers import NO_HEADERS, Headers
from codespar_cli.core.webhook_body import parse_body

Trouble: TypeAlias = Literal["missing", "unreadable", "malformed"]

# `{"headers", "body" | "body_b64", "provider", "received_at"}`, and what exports of a record may add.
_RECORD_KEYS = {"id", "headers", "body", "body_b64", "provider", "received_at", "event_type", "tenant", "delivery_id"}


class Payload(NamedTuple):
    """`raw` are the bytes that were signed, None where a record only kept the parsed body.

    `trouble` says in one word why there is no payload, `error` in a line.
    """

    source: str
    value: Any = None
    raw: bytes | None = None
    headers: Headers = NO_HEADERS
    provider: str | None = None
    trouble: Trouble | None = None
    error: str | None = None


def payload_of(source: str, text: str, raw: bytes | None = None) -> Payload:
    """The payload in one document: a record of a delivery, or the bare body of one, whose exact bytes are `raw`."""
    try:
        exact = text.encode() if raw is None else raw
        if text.startswith("payload="):
            return Payload(source, parse_body(exact), exact)
        value = strict_json.loads(text)
        return _from_record(source, value) if is_record(value) else Payload(source, value, exact)
    except ValueError as error:
        return Payload(source, trouble="malformed", error=str(error))


def is_record(value: Any) -> bool:
    """Whether this is a record rather than a provider's body that happens to have such a key."""
    if not isinstance(value, Mapping) or not ("body" in value or "body_b64" in value):
        return False
    return "headers" in value or value.keys() <= _RECORD_KEYS


def _from_record(source: str, record: Mapping[str, Any]) -> Payload:
    """Raises ValueError for a record that is not one."""
    provider, headers = record.get("provider"), record.get("headers") or {}
    if not (provider is None or isinstance(provider, str)):
        raise ValueError("record: expected a name in `provider`")
    if not isinstance(headers, Mapping | list):
        raise ValueError("record: expected an object in `headers`")  # noqa: TRY004  a file's fault, not a caller's
    pairs = [_pair(item) for item in headers] if isinstance(headers, list) else headers
    raw, value = _body(record)
    if raw is not None:
        value = parse_body(raw)
    return Payload(source, value, raw, Headers.of(pairs), provider or None)


def _body(record: Mapping[str, Any]) -> tuple[bytes | None, Any]:
    if "body" in record and "body_b64" in record:
        raise ValueError("record: expected `body` or `body_b64`, found both")
    if "body" in record:
        body = record["body"]
        if not isinstance(body, str):
            return None, body
        try:
            return body.encode(), None
        except UnicodeEncodeError:
            raise ValueError("record: `body` is not text that UTF-8 can hold") from None
    encoded = record["body_b64"]
    try:
        return b64decode(encoded, validate=True), None
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("record: `body_b64` is not base64") from None


def _pair(item: Any) -> Any:
    # HAR and several exporters write {"name": …, "value": …}; others write [name, value].
    return (item.get("name"), item.get("value")) if isinstance(item, Mapping) else item
