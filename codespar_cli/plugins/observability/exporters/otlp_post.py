"""One POST within a deadline, without a thread of its own: it also runs while the interpreter ends.

Nothing is followed, no proxy is asked, and of the answer at most 64 KiB are read, however slowly they come. Messages
name no more of an address than its host.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeAlias

from codespar_cli.core.clock import system_clock
from codespar_cli.net.addresses import Refused, vetted
from codespar_cli.net.exchange import Target
from codespar_cli.plugins.observability.exporters.otlp_settings import OtlpSettings, Signal

_MOST = 65_536
_RETRYABLE = frozenset({429, 502, 503, 504})


class Sent(NamedTuple):
    """What came of it. `failure` is a line for people, None when it arrived; `again` says that a retry may help.

    `rejected` is the body of an answer that says what was not taken (OTLP, "Partial Success").
    """

    failure: str | None = None
    again: bool = False
    retry_after_s: float | None = None
    answer: bytes = b""


_Socket: TypeAlias = socket.socket | ssl.SSLSocket


def post(signal: Signal, body: bytes, settings: OtlpSettings, within_s: float) -> Sent:
    """Raises nothing that a collector could cause."""
    deadline = time.monotonic() + max(within_s, 0.001)
    headers = {"content-type": "application/x-protobuf", "user-agent": "codespar", **signal.headers}
    if settings.gzip:
        body = gzip.compress(body, 6)
        headers["content-encoding"] = "gzip"
    try:
        with _connected(signal.target, settings, deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_request(signal.target, headers, body))
            return _judged(_received(connection, deadline))
    except (OSError, ValueError, Refused) as error:
        return Sent(f"{_name(signal.target)}: {_words(error)}", again=not isinstance(error, Refused))


def _connected(target: Target, settings: OtlpSettings, deadline: float) -> _Socket:
    failure: OSError | None = None
    for address in vetted(target.host, target.port, allow_private=True):
        try:
            connection = socket.create_connection((address, target.port), _left(deadline))
        except OSError as error:
            failure = error
            continue
        if not target.secure:
            return connection
        try:
            context = ssl.create_default_context(cafile=settings.certificate)
            return context.wrap_socket(connection, server_hostname=target.host)
        except BaseException:
            connection.close()
            raise
    raise failure or OSError("its name has no address")


def _request(target: Target, headers: dict[str, str], body: bytes) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    lines = [f"POST {target.path} HTTP/1.1", f"host: {host}:{target.port}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("ascii", "replace") + b"\r\n\r\n" + body


def _received(connection: _Socket, deadline: float) -> bytes:
    """The answer as far as it is needed: to its end, to its declared length, or to where it is too much."""
    found = bytearray()
    while len(found) < _MOST:
        connection.settimeout(_left(deadline))
        chunk = connection.recv(16_384)
        if not chunk:
            break
        found += chunk
        head, end, body = bytes(found).partition(b"\r\n\r\n")
        if end and len(body) >= _declared(head):
            break
    return bytes(found)


def _declared(head: bytes) -> int:
    length = _header(head, b"content-length")
    if length is None or not length.isdigit():
        return _MOST
    return min(int(length[:9]), _MOST)


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _judged(received: bytes) -> Sent:
    head, _, body = received.partition(b"\r\n\r\n")
    words = head.split(b"\r\n")[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit() or len(words[1]) != 3:
        raise ValueError("no answer that is HTTP")
    status = int(words[1])
    if 200 <= status < 300:
        chunked = _header(head, b"transfer-encoding") is not None
        return Sent(answer=b"" if chunked else body)
    again = status in _RETRYABLE
    return Sent(
        f"the collector answered {status}", again, _retry_after(_header(head, b"retry-after")) if again else None
    )


def _retry_after(value: bytes | None) -> float | None:
    """Seconds, or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    text = value.decode("latin-1")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - system_clock()).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _name(target: Target) -> str:
    return f"{target.host}:{target.port}"


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
