"""One HashiCorp Vault or OpenBao server: one request at a time, a bounded wait, and errors that say which kind.

TLS is always verified. Redirects are not followed: the token would go where the file does not say. Proxies, `.netrc`
and certificates named by environment variables play no part.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple

from codespar_cli.core.handover import within
from codespar_cli.core.hidden import Hidden
from codespar_cli.errors import CodesparError, ConfigError, MissingExtra, SecretError, StoreUnreachable

MAX_BODY = 16 << 20
_CHUNK = 1 << 16


class Place(NamedTuple):
    """Where the server is: `https://host:port`, its namespace if any, and the file of its authority if it is private."""

    address: str
    namespace: str | None = None
    ca: str | None = None
    timeout_s: float = 5.0


class Answer(NamedTuple):
    """What the server said: the status, and the JSON object or an empty one."""

    status: int
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"

    @property
    def data(self) -> Mapping[str, Any]:
        data = self.body.get("data")
        return data if isinstance(data, Mapping) else {}

    @property
    def errors(self) -> tuple[str, ...]:
        errors = self.body.get("errors")
        return tuple(str(error) for error in errors) if isinstance(errors, list) else ()


class Wires:
    """Connections to one server, of this process alone: what a fork inherits would mix up the answers."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = Lock()
        self._made: tuple[int, Any] | None = None

    def send(
        self,
        method: str,
        path: str,
        *,
        token: Hidden[str] | None,
        body: Hidden[dict[str, Any]] | None = None,
        params: Mapping[str, Any] | None = None,
        kind: str = "application/json",
    ) -> Answer:
        """One request and its whole answer, whatever its status.

        Raises:
            MissingExtra: hvac is not installed.
            StoreUnreachable: no answer, or none in time.
            SecretError: the certificate is not trusted, or what came is no answer of such a server.
        """
        place, deadline = self.place, time.monotonic() + self.place.timeout_s
        adapter = self._adapter()

        def act() -> tuple[int, Hidden[bytes]]:
            # What is secret is opened here, on a thread whose frames no error keeps.
            headers = {"Content-Type": kind} | ({"X-Vault-Token": token.reveal()} if token else {})
            data = None if body is None else json.dumps(body.reveal()).encode()
            with adapter.request(
                method, f"/v1/{path}", headers=headers, data=data, params=params, raise_exception=False, stream=True
            ) as response:
                return response.status_code, Hidden(_body(response, deadline))

        try:
            status, data = within(place.timeout_s, act, lambda late: None)
        except Exception as error:  # it holds the request with its token, and is not kept
            problem = _trouble(place, error)
        else:
            return Answer(status, _parsed(place, status, data))
        raise problem

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None and made[0] == os.getpid():
            made[1].close()

    def _adapter(self) -> Any:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), _new_adapter(self.place))
            return self._made[1]

    def __repr__(self) -> str:
        return f"<Wires to {self.place.address}>"


def _new_adapter(place: Place) -> Any:
    try:
        import requests
        from hvac.adapters import RawAdapter
    except ImportError:
        raise MissingExtra("the secrets backend `hashicorp`", "hashicorp") from None
    session = requests.Session()
    session.trust_env = False
    session.verify = place.ca or True
    return RawAdapter(
        base_uri=place.address,
        verify=session.verify,
        timeout=place.timeout_s,
        allow_redirects=False,
        session=session,
        namespace=place.namespace,
    )


def _body(response: Any, deadline: float) -> bytes:
    found = bytearray()
    for chunk in response.iter_content(_CHUNK):
        found += chunk
        if len(found) > MAX_BODY:
            raise OverflowError
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(found)


def _trouble(place: Place, error: Exception) -> CodesparError:
    """What went wrong, in our words: the library's quote addresses, headers and bodies."""
    if isinstance(error, CodesparError):
        return error
    import requests

    reach = f"curl {place.address}/v1/sys/health"
    if isinstance(error, TimeoutError | requests.exceptions.Timeout):
        return StoreUnreachable(f"{place.address} did not answer within {place.timeout_s:g} s", hint=reach)
    if isinstance(error, requests.exceptions.SSLError):
        return SecretError(
            f"the certificate of {place.address} is not trusted",
            code="tls_untrusted",
            hint='ca = "FILE" in [secrets] names the authority that signed it',
        )
    if isinstance(error, OverflowError):
        return _nonsense(place, f"more than {MAX_BODY >> 20} MiB")
    if isinstance(error, OSError):  # also every exception of requests
        return StoreUnreachable(f"{place.address} cannot be reached", hint=reach)
    return StoreUnreachable(f"{place.address} cannot be asked: {type(error).__name__}", hint=reach)


def _parsed(place: Place, status: int, data: Hidden[bytes]) -> Mapping[str, Any]:
    if not data.reveal().strip():
        return {}
    try:
        found = json.loads(data.reveal())
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, Mapping):
        return found
    del found
    if status >= 400:
        return {}  # a gateway's page: the status says enough
    raise _nonsense(place, "something that is no JSON object")


def _nonsense(place: Place, found: str) -> SecretError:
    return SecretError(
        f"{place.address} does not answer as HashiCorp Vault or OpenBao does: found {found}",
        code="unexpected_answer",
        hint=f"curl {place.address}/v1/sys/health",
    )


def refusal(place: Place, answer: Answer, path: str) -> CodesparError:
    """The error for a status that is no success; what the server wrote is read, but not repeated."""
    status, where = answer.status, f"{place.address}, path `{path}`"
    said = " ".join(answer.errors).lower()
    if 300 <= status < 400:
        return SecretError(
            f"{where}: redirected, and redirects are not followed",
            code="redirected",
            hint="address = the active node's own, in [secrets]",
        )
    if status in {401, 403}:
        return SecretError(
            f"{where}: permission denied",
            code="permission_denied",
            hint=f"the token's policy needs this path, and the token must be valid: bao token capabilities {path}",
        )
    if status == 404:
        return ConfigError(
            f"{where}: nothing is mounted there", code="no_such_mount", hint="bao secrets list, then set mount"
        )
    if status in {501, 503} or "sealed" in said:
        state = "not initialized" if status == 501 or "not initialized" in said else "sealed"
        return StoreUnreachable(
            f"{place.address} is {state}", code="sealed", hint=f"bao operator unseal -address={place.address}"
        )
    if status == 429:
        return StoreUnreachable(f"{place.address} asks to slow down", code="rate_limited", hint="try again later")
    if status >= 500:
        return StoreUnreachable(
            f"{where}: the server failed with status {status}", code="server_failed", hint="see the server's log"
        )
    return SecretError(f"{where}: refused with status {status}", code="refused", hint="see the server's audit log")
