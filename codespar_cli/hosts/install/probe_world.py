"""A place for one trial of a hook: a configuration of ours, a state of its own, nothing of the user's."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

_PLUGINS = 'version = 1\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\n'
_POLICY = "version: 1\ntimezone: UTC\ncurrency: USD\ndefault: allow\nrules:\n"
_NO_RULES = "version: 1\ntimezone: UTC\ncurrency: USD\ndefault: allow\nrules: []\n"
_BROKEN = 'version = 1\n[policy\nbackend = "engine"\n'
_DROPPED = ("CODESPAR_TENANT", "CODESPAR_CONFIG", "CODESPAR_STATE_DIR", "CODESPAR_DEBUG")


class ProbeWorld:
    """`reason` is what a deny must say here: drawn by lot, so that no other hook's deny is taken for ours.

    The configuration lies beside the directory that calls are made in: in it, it would be a project's, and the user's own be
    asked as well.
    """

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="codespar-probe-"))
        self.directory = self._place / "project"
        self.directory.mkdir()
        self.reason = f"a probe is denied {secrets.token_hex(8)}"
        own = self._place / "own"
        own.mkdir()
        self._config = own / "plugins.toml"
        self._rules = own / "policy.yaml"

    def close(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    def allow(self) -> None:
        self._write(_PLUGINS, _NO_RULES)

    def deny(self) -> None:
        rule = f"  - {{id: probe, effect: deny, tools: ['**'], reason: {self.reason}}}\n"
        self._write(_PLUGINS, _POLICY + rule)

    def break_it(self) -> None:
        self._write(_BROKEN, _NO_RULES)

    @property
    def state_dir(self) -> str:
        return str(self._place / "state")

    def environ(self, of_host: Mapping[str, str]) -> dict[str, str]:
        """What a host would start a hook with, but for whose policy it is."""
        kept = {name: value for name, value in of_host.items() if name not in _DROPPED}
        return {**kept, "CODESPAR_CONFIG": str(self._config), "CODESPAR_STATE_DIR": self.state_dir}

    def _write(self, plugins: str, rules: str) -> None:
        self._rules.write_text(rules, encoding="utf-8")
        self._config.write_text(plugins, encoding="utf-8")
