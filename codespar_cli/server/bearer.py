"""A token that every request carries: `Authorization: Bearer TOKEN` (RFC 6750, 2.1)."""

from __future__ import annotations

import hmac

from codespar_cli.errors import ConfigError
from codespar_cli.server.requests import Request

LEAST_TOKEN = 16
CHALLENGE = (("www-authenticate", "Bearer"),)


class Bearer:
    """Compared in constant time: how long it takes says nothing about how much of a guess was right."""

    def __init__(self, token: str) -> None:
        self._expected = token.encode()

    def admits(self, request: Request) -> bool:
        given = request.values(b"authorization")
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._expected)


def checked_token(token: str, *, key: str) -> str:
    """The token as it is. Raises ConfigError, which never shows it, for one that is short or that no header can hold."""
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"{key}: expected a token of at least {LEAST_TOKEN} visible ASCII characters",
            key=key,
            hint="openssl rand -hex 32",
        )
    return token
