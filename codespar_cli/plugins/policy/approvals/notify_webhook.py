"""A notifier that posts to a webhook, signed as the Standard Webhooks specification says (standardwebhooks.com).

No redirect is followed, nothing of the answer is read but its status, and no message names more of the address than its
host: the path of a webhook is often its password.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from codespar_cli.errors import CodesparError
from codespar_cli.plugins.policy.approvals.approval import Approval
from codespar_cli.plugins.policy.approvals.notice import Undelivered, announcement

if TYPE_CHECKING:
    from http.client import HTTPConnection

ATTEMPT_S = 3.0
PAUSES_S = (0.0, 0.5, 2.0)
"""How long to wait before each attempt."""
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)
_AGAIN = frozenset({408, 425, 429})


class _Failed(Exception):
    """One attempt. `again` says that another may do."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Webhook:
    """`secret` is asked for at each delivery, so that a rotated one is used at once."""

    def __init__(
        self,
        url: str,
        secret: Callable[[], str | None],
        *,
        now: Callable[[], float] = time.time,
        pauses_s: tuple[float, ...] = PAUSES_S,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self._secure = parts.scheme == "https"
        self._port = parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._secret = secret
        self._now = now
        self._pauses_s = pauses_s
        self._attempt_s = attempt_s

    def problem(self) -> str | None:
        """Nothing that could be told without opening a vault or a connection."""
        return None

    def deliver(self, approval: Approval) -> None:
        """Post it, a few times if need be. Raises Undelivered."""
        key = self._key()
        body = json.dumps(announcement(approval), separators=(",", ":")).encode()
        failure = "was never tried"
        for pause in self._pauses_s:
            threading.Event().wait(pause)
            try:
                self._post(approval.token, body, key)
            except _Failed as error:
                failure = str(error)
                if not error.again:
                    break
            else:
                return
        raise Undelivered(f"the webhook at {self.host} {failure}")

    def _key(self) -> bytes:
        try:
            secret = self._secret()
        except CodesparError as error:
            raise Undelivered(f"the webhook's secret cannot be had: {error.message}") from None
        if not secret:
            raise Undelivered("the webhook's secret is not set")
        try:
            key = key_of(secret)
        except ValueError as error:
            raise Undelivered(f"the webhook's secret cannot be used: {error}") from None
        return key

    def _post(self, id: str, body: bytes, key: bytes) -> None:
        from http.client import HTTPException

        timestamp = int(self._now())  # of this attempt: receivers refuse old ones
        headers = {
            "content-type": "application/json",
            "user-agent": "codespar",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(key, id, timestamp, body),
        }
        connection = self._connection()
        # A timeout is for one read, and an answer may come a byte at a time.
        watch = threading.Timer(self._attempt_s, _cut, (connection,))
        watch.daemon = True
        watch.start()
        try:
            connection.request("POST", self._target, body, headers)
            status = connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            raise _Failed(f"cannot be reached: {_words(error)}", again=True) from None
        finally:
            watch.cancel()
            connection.close()
        if not 200 <= status < 300:
            raise _Failed(f"answered {status}", again=status >= 500 or status in _AGAIN)

    def _connection(self) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if self._secure:
            return HTTPSConnection(self.host, self._port, timeout=self._attempt_s)
        return HTTPConnection(self.host, self._port, timeout=self._attempt_s)


def sign(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message; `timestamp` in seconds since the epoch."""
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a `whsec_…` secret. Raises ValueError, which never repeats it."""
    expected = "expected `whsec_` and base64 of 24 to 64 bytes"
    try:
        key = base64.b64decode(secret.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(expected) from None
    if len(key) not in _SECRET_BYTES:
        raise ValueError(expected)
    return key


def _cut(connection: HTTPConnection) -> None:
    import socket

    try:
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _words(error: Exception) -> str:
    verified = getattr(error, "verify_message", None)
    if verified:
        return f"its certificate is not trusted: {verified}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or type(error).__name__).lower()
