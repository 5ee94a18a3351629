"""Which headers of a delivery are stored with it: enough to read it again and to check its signature again, no more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from codespar_cli.core.administration.webhooks import Wire

# In any part of a name: what opens something for whoever reads it. A signature opens nothing.
_CREDENTIALS = ("auth", "cookie", "token", "secret", "password", "api-key", "apikey", "credential", "session", "jwt")
_ALWAYS = frozenset({"content-type", "user-agent"})
# About the connection and the way here; kept of nobody, whatever a connector calls its headers.
_WAY = (
    "accept accept-charset accept-encoding accept-language cache-control connection content-encoding content-length date"
    " expect forwarded from host keep-alive origin pragma referer te trailer transfer-encoding upgrade via x-real-ip"
)
_ON_THE_WAY = frozenset(_WAY.split())
_WAY_STARTS = ("x-forwarded-", "sec-", "cf-", "x-envoy-", "x-amzn-", "x-b3-", "proxy-")
_MOST = 64
_LONGEST = 4096


def kept_headers(
    pairs: Iterable[tuple[bytes | str, bytes | str]], wire: Wire, secrets: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Names in lower case, in the order in which they came.

    Kept are the headers that `wire` names, those that begin like one of them (`X-GitHub-Event` speaks for every
    `X-GitHub-…`), the content type and the user agent. A connector that names none may read any header: then all but
    those of the connection are kept. Never kept: what is called a token, a cookie or an authorization, be it the wire's
    own signature header; that header under any name where it holds the secret itself (`shared_token`), also of a delivery
    that nobody verified; and any header that holds one of `secrets`.
    """
    hidden = {spelled for secret in secrets if secret.strip() for spelled in (secret, _as_sent(secret))}
    kept: list[tuple[str, str]] = []
    for raw_name, raw_value in pairs:
        name = _kept_name(raw_name, wire)
        if name is None:
            continue
        value = _text(raw_value)
        if not any(secret in value for secret in hidden):
            kept.append((name, value[:_LONGEST]))
    return tuple(kept[:_MOST])


@lru_cache(maxsize=1024)
def _kept_name(raw: bytes | str, wire: Wire) -> str | None:
    """The name in lower case, or None for a header that is not kept."""
    named = _named(wire)
    families = tuple(name[: name.rindex("-") + 1] for name in named if "-" in name)
    name = _text(raw).lower()
    wanted = name in named or name in _ALWAYS or name.startswith(families) if named else True
    is_secret = wire.shared_token and name == (wire.signature_header or "").lower()
    return name if wanted and not is_secret and _is_harmless(name) else None


def _named(wire: Wire) -> frozenset[str]:
    names = (wire.signature_header, wire.event_header, wire.delivery_header, wire.time_header)
    return frozenset(name.lower() for name in names if name)


def _is_harmless(name: str) -> bool:
    return (
        name not in _ON_THE_WAY and not name.startswith(_WAY_STARTS) and not any(word in name for word in _CREDENTIALS)
    )


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _as_sent(secret: str) -> str:
    """Its UTF-8 as the bytes of a header are read here."""
    return secret.encode("utf-8", "surrogatepass").decode("latin-1")
