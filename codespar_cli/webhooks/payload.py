"""One payload to be replayed, and the record form in which deliveries are kept in files."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple, TypeAlias

from codespar_cli.core import strict_json
from codespar_cli.core.clock import parse_moment
from codespar_cli.core.headers import NO_HEADERS, Headers
from codespar_cli.core.text import nearest, visible
from codespar_cli.core.webhook_body import is_form, parse_body

Trouble: TypeAlias = Literal["missing", "unreadable", "malformed"]

# `{"headers", "body" | "body_b64", "provider", "received_at"}`, and what exports of a record may add.
_RECORD_KEYS = {"id", "headers", "body", "body_b64", "provider", "received_at", "event_type", "tenant", "delivery_id"}
_RECORDED = ("event_type", "severity", "title", "detail", "url")
_WRAPPED = re.compile(r"[ \t\r\n]+")


class Payload(NamedTuple):
    """`raw` are the bytes that were signed, None where a record only kept the parsed body.

    `trouble` says in one word why there is no payload, `error` in a line. Bytes and headers stay when the bytes make no
    sense: a signature is checked before anybody asks whether they do. `recorded` is what an earlier reading came to, by
    the fields of the event: empty for "no event", None where nothing says. `delivery` is the inbox's number of it, `verified` what it says
    of its signature on receipt; None for a payload that is not of the inbox.
    """

    source: str
    value: Any = None
    raw: bytes | None = None
    headers: Headers = NO_HEADERS
    provider: str | None = None
    trouble: Trouble | None = None
    error: str | None = None
    tenant: str | None = None
    delivery: int | None = None
    recorded: Mapping[str, Any] | None = None
    received_at: datetime | None = None
    verified: bool | None = None


def payload_of(source: str, text: str, raw: bytes | None = None) -> Payload:
    """The payload in one document: a record of a delivery, or the bare body of one, whose exact bytes are `raw`."""
    exact = text.encode() if raw is None else raw
    try:
        value = parse_body(exact) if is_form(text) else strict_json.loads(text)
    except ValueError as error:
        return Payload(source, raw=exact, trouble="malformed", error=str(error))
    return _from_record(source, value) if is_record(value) else Payload(source, value, exact)


def is_record(value: Any) -> bool:
    """Whether this is a record rather than a provider's body that happens to have a key `body`.

    Headers beside a body, or a body in base64, are nobody else's. Without them it must hold nothing but a record's keys;
    or say who sent it, or when, beside a body that is a document of its own: `body` is prose in a provider's payload.
    """
    if not isinstance(value, Mapping) or not ("body" in value or "body_b64" in value):
        return False
    if "headers" in value or "body_b64" in value or value.keys() <= _RECORD_KEYS:
        return True
    return ("provider" in value or "received_at" in value) and _is_document(value["body"])


def _is_document(body: Any) -> bool:
    return isinstance(body, Mapping) or (isinstance(body, str) and body.lstrip().startswith(("{", "[", "payload=")))


def _from_record(source: str, record: Mapping[str, Any]) -> Payload:
    provider, headers = record.get("provider"), record.get("headers") or {}
    pairs = [_pair(item) for item in headers] if isinstance(headers, list) else headers
    name = provider if isinstance(provider, str) and provider else None
    payload = Payload(
        source,
        headers=Headers.of(pairs),
        provider=name,
        recorded=_recorded(record),
        received_at=_moment(record.get("received_at")),
        tenant=tenant if isinstance(tenant := record.get("tenant"), str) else None,
    )
    try:
        raw, value = _body(record)
        payload = payload._replace(raw=raw)
        _check(record)
        return payload._replace(value=value if raw is None else parse_body(raw))
    except ValueError as error:
        return payload._replace(trouble="malformed", error=str(error))


def _moment(text: Any) -> datetime | None:
    try:
        return parse_moment(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def _recorded(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What an exporter wrote beside the delivery: the whole event, or single fields of it. Only known next to headers:
    a provider's body has fields of the same names."""
    event = record.get("event")
    if "headers" in record and isinstance(event, Mapping):
        return event
    return {key: record[key] for key in _RECORDED if key in record and "headers" in record} or None


def _check(record: Mapping[str, Any]) -> None:
    """Raises ValueError for a record that is not one. With its headers there, what else an exporter adds is no matter."""
    unknown = next((key for key in record if key not in _RECORD_KEYS), None)
    if unknown is not None and "headers" not in record:
        close = nearest(unknown[:60], _RECORD_KEYS)
        raise ValueError(
            f"record: unknown key `{visible(unknown[:60])}`" + (f", did you mean `{close}`?" if close else "")
        )
    if not isinstance(record.get("provider"), str | None):
        raise ValueError("record: expected a name in `provider`")  # noqa: TRY004  a file's fault, not a caller's
    if not isinstance(record.get("headers") or {}, Mapping | list):
        raise ValueError("record: expected an object in `headers`")  # noqa: TRY004


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
        # `base64` wraps its lines; anything else that is not of the alphabet is a mistake.
        return b64decode(_WRAPPED.sub("", encoded), validate=True), None
    except (binascii.Error, ValueError, TypeError):
        raise ValueError("record: `body_b64` is not base64") from None


def _pair(item: Any) -> Any:
    # HAR and several exporters write {"name": …, "value": …}; others write [name, value].
    return (item.get("name"), item.get("value")) if isinstance(item, Mapping) else item
