"""Who codespar is to the server: a token that lies somewhere, or an AppRole that is given one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from codespar_cli.core.hidden import Hidden
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError, SecretError
from codespar_cli.plugins.secrets.hashicorp_server import Answer, Wires, refusal

DEFAULT_TOKEN = "env:VAULT_TOKEN"  # noqa: S105  where it is, not what it is
_CUSTOMARY = ("VAULT_TOKEN", "BAO_TOKEN")
"""Where the servers' own tools look for a token: it opens the same secrets, whichever one codespar was given."""
_TOKEN = re.compile(r"[!-~]{1,8192}")


class AppRole(NamedTuple):
    """References to both halves, and where the method is mounted."""

    role_id: str
    secret_id: str
    mount: str


class Identity:
    """Gives the token. It is kept in memory, re-read or asked for anew when the server refuses it."""

    def __init__(self, require: Callable[[str, str], str], source: str | AppRole, wires: Wires) -> None:
        self._require = require
        self._source = source
        self._wires = wires
        self._lock = Lock()
        self._kept: Hidden[str] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services, wires: Wires) -> Identity:
        def require(reference: str, key: str) -> str:
            return services.require(reference, key=f"secrets.{key}")

        approle = options.get("approle")
        if approle is None:
            return cls(require, options.get("token", DEFAULT_TOKEN), wires)
        if "token" in options:
            raise ConfigError("expected one of `token` and `approle`", key="token")
        return cls(require, AppRole(approle["role_id"], approle["secret_id"], approle.get("mount", "approle")), wires)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold a token, or a half of the AppRole."""
        source = self._source
        references = (source.role_id, source.secret_id) if isinstance(source, AppRole) else (source,)
        named = (one.removeprefix("env:") for one in references if one.startswith("env:"))
        return tuple(dict.fromkeys((*_CUSTOMARY, *named)))

    def token(self) -> Hidden[str]:
        """Raises ConfigError where a reference has no value, SecretError where the server refuses the role."""
        with self._lock:
            if self._kept is None:
                self._kept = self._found()
            return self._kept

    def renewed(self, refused: Hidden[str]) -> bool:
        """Whether there is a token other than the one that was refused."""
        with self._lock:
            if self._kept == refused:
                self._kept = self._found()
            return self._kept != refused

    def _found(self) -> Hidden[str]:
        if isinstance(self._source, AppRole):
            return self._logged_in(self._source)
        return _sound(Hidden(self._require(self._source, "token")), f"`{self._source}`", "secrets.token")

    def _logged_in(self, role: AppRole) -> Hidden[str]:
        path = f"auth/{role.mount}/login"
        body: Hidden[dict[str, Any]] = Hidden(
            {
                "role_id": self._require(role.role_id, "approle.role_id"),
                "secret_id": self._require(role.secret_id, "approle.secret_id"),
            }
        )
        answer = self._wires.send("post", path, token=None, body=body)
        if answer.status in {400, 401, 403}:
            raise _not_let_in(self._wires.place.address, role)
        if answer.status != 200:
            raise refusal(self._wires.place, answer, path)
        return _sound(_client_token(answer), "what the server gave", "secrets.approle")

    def __repr__(self) -> str:
        return f"<Identity {'by AppRole' if isinstance(self._source, AppRole) else f'from {self._source}'}>"


def _client_token(answer: Answer) -> Hidden[str]:
    given = answer.body.get("auth")
    token = given.get("client_token") if isinstance(given, Mapping) else None
    return Hidden(token if isinstance(token, str) else "")


def _sound(token: Hidden[str], source: str, key: str) -> Hidden[str]:
    # A line break in a header would make two of it, and the library's error would quote it.
    if not _TOKEN.fullmatch(token.reveal()):
        raise ConfigError(
            f"{key}: {source} is no token: expected printable ASCII characters without blanks",
            key=key,
            code="token_malformed",
        )
    return token


def _not_let_in(address: str, role: AppRole) -> SecretError:
    return SecretError(
        f"{address} refuses the AppRole in `{role.role_id}` and `{role.secret_id}`",
        code="login_refused",
        hint=f"bao write -f auth/{role.mount}/role/NAME/secret-id makes a new secret id",
    )
