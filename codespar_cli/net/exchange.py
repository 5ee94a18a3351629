"""One HTTP request and its answer, within a deadline for all of it, to an address that was looked at before.

No redirect is followed, no proxy asked, no cookie kept, and of an answer no more is read than asked for. Messages name
no more of an address than its host: the path of a webhook is often its password.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from codespar_cli.net.addresses import LookUp, Refused, look_up, vetted

_PORTS = {"http": 80, "https": 443}


class Target(NamedTuple):
    """Where a request goes: what a URL says, taken apart. `path` has the query with it."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Raises ValueError for what is no http or https URL, or carries user information; it never repeats it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts = None
            port = None
        if parts is None or parts.scheme not in _PORTS or not parts.hostname or any(ord(char) <= 32 for char in url):
            raise ValueError("expected an http or https URL")
        if "@" in parts.netloc:
            raise ValueError("expected a URL without user information")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", parts.hostname, port or _PORTS[parts.scheme], path)


class Answer(NamedTuple):
    """`headers` have lower-case names; `body` is cut off at what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class Unanswered(Exception):
    """There was no answer. The message is a line for people: `cannot be reached: connection refused`."""


def exchange(
    target: Target,
    *,
    method: str = "POST",
    headers: Mapping[str, str],
    body: bytes | None = None,
    limit_s: float = 10.0,
    allow_private: bool = False,
    read: int = 0,
    look: LookUp = look_up,
) -> Answer:
    """Ask once. `limit_s` is for everything but the look-up of the name; at most `read` bytes of the body are read.

    Raises:
        Unanswered: no connection, no answer in time, or none that is HTTP.
        Refused: the address may not be reached.
    """
    try:
        addresses = vetted(target.host, target.port, allow_private=allow_private, look=look)
    except (OSError, UnicodeError) as error:  # a label that is too long is the latter
        raise Unanswered(f"cannot be resolved: {_words(error)}") from None
    if not addresses:
        raise Unanswered("has no address")
    connection = _connection(target, addresses, limit_s)
    # A socket's timeout is for one read, and an answer may come a byte at a time.
    overdue = threading.Event()
    watch = threading.Timer(limit_s, _cut, (connection, overdue))
    watch.daemon = True
    watch.start()
    try:
        connection.request(method, target.path, body, dict(headers))
        response = connection.getresponse()
        return Answer(
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(read) if read else b"",
        )
    except (OSError, HTTPException, ValueError) as error:
        words = "no answer in time" if overdue.is_set() else _words(error)
        raise Unanswered(f"cannot be reached: {words}") from None
    finally:
        watch.cancel()
        connection.close()


def _connection(target: Target, addresses: list[str], limit_s: float) -> HTTPConnection:
    kind = HTTPSConnection if target.secure else HTTPConnection
    deadline = time.monotonic() + limit_s
    connection = kind(target.host, target.port, timeout=limit_s)

    def create(place: tuple[str, int], timeout: float | None = None, source: object = None) -> socket.socket:
        # The name stays for the certificate and the Host header; the connection goes to what was looked at.
        failure: OSError | None = None
        for address in addresses:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                return socket.create_connection((address, place[1]), left)
            except OSError as error:
                failure = error
        raise failure or TimeoutError

    connection._create_connection = create  # type: ignore[attr-defined]  # noqa: SLF001  http.client's own seam
    return connection


def _cut(connection: HTTPConnection, overdue: threading.Event) -> None:
    overdue.set()  # first: whoever reads sees the end at once
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


__all__ = ["Answer", "Refused", "Target", "Unanswered", "exchange"]
