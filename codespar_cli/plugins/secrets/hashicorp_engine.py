"""The KV engine of one server, version 2: paths under one mount, with the token, each answer a success or an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from codespar_cli.core.config import absolute_path
from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hidden import Hidden
from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.secrets.hashicorp_login import Identity
from codespar_cli.plugins.secrets.hashicorp_server import Answer, Place, Wires, refusal

_MERGE = "application/merge-patch+json"


class Engine:
    """What it answers with is the server's; only a missing secret, 404 with nothing to complain of, is let through."""

    def __init__(self, wires: Wires, identity: Identity, mount: str) -> None:
        self.mount = mount
        self._wires = wires
        self._identity = identity
        self._is_version_2 = False

    @classmethod
    def from_options(cls, options: Mapping[str, Any], services: Services) -> Engine:
        """Raises ConfigError."""
        wires = Wires(_place(options, services))
        return cls(wires, Identity.from_options(options, services, wires), options.get("mount", "secret"))

    @property
    def address(self) -> str:
        return self._wires.place.address

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold what lets us in."""
        return self._identity.variables

    def close(self) -> None:
        self._wires.close()

    def read(self, part: str, path: str, *, version: int | None = None) -> Answer | None:
        """The answer, also a 404 that tells of a deleted version; None when the engine knows no such path."""
        where = self._where(part, path)
        answer = self._ask("get", where, params=None if version is None else {"version": version})
        return self._found(answer, where)

    def names(self, path: str) -> list[str]:
        """What lies directly under a path of the metadata; folders are left out."""
        where = self._where("metadata", path)
        # `list=true` is the documented spelling of LIST for clients and proxies that know no such method.
        answer = self._found(self._ask("get", f"{where}/", params={"list": "true"}), where)
        keys = None if answer is None else answer.data.get("keys")
        return [key for key in keys if isinstance(key, str) and not key.endswith("/")] if isinstance(keys, list) else []

    def write(self, part: str, path: str, body: Hidden[dict[str, Any]]) -> Answer:
        """Whatever the server answers: see `succeeded`. A mount of version 1 would take it, and is refused before."""
        self.require_version_2()
        return self._ask("post", self._where(part, path), body=body)

    def patch(self, part: str, path: str, body: Hidden[dict[str, Any]]) -> Answer:
        return self._ask("patch", self._where(part, path), body=body, kind=_MERGE)

    def succeeded(self, answer: Answer, path: str) -> Answer:
        """The answer itself, when it is a success. Raises what its status means."""
        if answer.status not in {200, 204}:
            raise refusal(self._wires.place, answer, f"{self.mount}/{path}")
        return answer

    def require_version_2(self) -> None:
        """Look once. Raises as `look`: version 1 would call every secret absent, and take what is written."""
        if not self._is_version_2:
            self.look()

    def look(self) -> None:
        """Ask the server what is mounted. Raises ConfigError for anything but KV version 2."""
        where = f"sys/internal/ui/mounts/{quote(self.mount)}"
        answer = self._ask("get", where)
        if answer.status != 200:
            raise refusal(self._wires.place, answer, where)
        options = answer.data.get("options")
        version = options.get("version") if isinstance(options, Mapping) else None
        if answer.data.get("type") != "kv" or str(version) != "2":
            found = "KV version 1" if answer.data.get("type") in {"kv", "generic"} else "another engine"
            raise ConfigError(
                f"{self.address}: `{self.mount}` is {found}, expected KV version 2",
                key="secrets.mount",
                code="wrong_engine",
                hint=f"bao kv enable-versioning {self.mount}",
            )
        self._is_version_2 = True

    def _where(self, part: str, path: str) -> str:
        return f"{quote(self.mount)}/{part}/{path}"

    def _found(self, answer: Answer, where: str) -> Answer | None:
        if answer.status == 200 or (answer.status == 404 and answer.data):
            return answer
        if answer.status != 404 or answer.errors:
            raise refusal(self._wires.place, answer, where)
        self.require_version_2()
        return None

    def _ask(self, method: str, where: str, **more: Any) -> Answer:
        token = self._identity.token()
        answer = self._wires.send(method, where, token=token, **more)
        if answer.status == 403 and self._identity.renewed(token):
            answer = self._wires.send(method, where, token=self._identity.token(), **more)
        return answer


def _place(options: Mapping[str, Any], services: Services) -> Place:
    ca = options.get("ca")
    path = None if ca is None else absolute_path(ca, services.config_dir, "ca")
    if path is not None and not path.is_file():
        raise ConfigError(f"`{ca}` is not there, expected the file of a certificate authority", key="ca")
    timeout = options.get("timeout")
    if "address" not in options:
        raise ConfigError("missing key `address`", hint='address = "https://vault.example.com:8200"')
    return Place(
        address=options["address"].rstrip("/"),
        namespace=options.get("namespace"),
        ca=None if path is None else str(path),
        timeout_s=5.0 if timeout is None else parse_duration(timeout).total_seconds(),
    )
