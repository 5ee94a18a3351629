"""What stands beside the hooks and switches them off: a host's own switches, in every file that may throw them.

Claude Code: the settings type of npm @anthropic-ai/claude-agent-sdk 0.3.330. Gemini CLI: hooks/hookRegistry.js of npm
@google/gemini-cli-core 0.61.0. Codex: developers.openai.com/codex/hooks. Copilot: docs.github.com, hooks reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error, warning
from codespar_cli.hosts.install.said_settings import json_settings, toml_settings

ADMIN_ROOT = Path("/")
_MANAGED_CLAUDE = ("etc/claude-code", "Library/Application Support/ClaudeCode")


def switched_off(host: str, home: Path, here: Path, found: list[Found], root: Path = ADMIN_ROOT) -> Iterator[Finding]:
    """For hooks of the user at `home`, when the host works in the directory `here`. `root` is where the system's files are."""
    checks = {"claude": _claude, "codex": _codex, "gemini": _gemini, "copilot": _copilot}
    if host in checks:
        said = Said()
        yield from checks[host](said, _Places(home, here, root), found)
        yield from said.unread()


class Said:
    """What settings files say, each read once. One that is there and cannot be read says nothing, and is told of."""

    def __init__(self) -> None:
        self._found: dict[Path, dict[str, Any]] = {}
        self._unread: list[Finding] = []

    def json(self, path: Path) -> dict[str, Any]:
        return self._read(path, json_settings)

    def toml(self, path: Path) -> dict[str, Any]:
        return self._read(path, toml_settings)

    def unread(self) -> list[Finding]:
        """Never silence: what we cannot read a host may."""
        return self._unread

    def _read(self, path: Path, reading: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        if path not in self._found:
            try:
                self._found[path] = reading(path)
            except ConfigError as problem:
                self._found[path] = {}
                self._unread.append(error(problem.message, problem.hint))
        return self._found[path]


class _Places(NamedTuple):
    home: Path
    here: Path
    root: Path


def _claude(said: Said, at: _Places, found: list[Found]) -> Iterator[Finding]:
    managed = [path for place in _MANAGED_CLAUDE for path in _managed(at.root / place)]
    own = [at.home / "settings.json", at.here / ".claude/settings.json", at.here / ".claude/settings.local.json"]
    for path in (*own, *managed):
        if said.json(path).get("disableAllHooks") is True:
            yield error(f"{path}: `disableAllHooks` is true, so no hook runs", f"take it out of {path}")
    for path in managed:
        if said.json(path).get("allowManagedHooksOnly") is True:
            yield error(
                f"{path}: `allowManagedHooksOnly` is true, so only the administrator's hooks run", f"cat {path}"
            )


def _managed(directory: Path) -> list[Path]:
    more = sorted((directory / "managed-settings.d").glob("*.json")) if directory.is_dir() else []
    return [directory / "managed-settings.json", *more]


def _codex(said: Said, at: _Places, found: list[Found]) -> Iterator[Finding]:
    files = (at.home / "config.toml", at.here / ".codex/config.toml", at.root / "etc/codex/config.toml")
    for path in (*files, at.root / "etc/codex/requirements.toml"):
        features = _table(said.toml(path), "features")
        # The older name is an alias; where both are given the newer one counts.
        if features.get("hooks", features.get("codex_hooks")) is False:
            yield error(f"{path}: `features.hooks` is false, so no hook runs", f"take it out of {path}")
    requirements = at.root / "etc/codex/requirements.toml"
    if said.toml(requirements).get("allow_managed_hooks_only") is True:
        yield error(
            f"{requirements}: `allow_managed_hooks_only` is true, so only the administrator's hooks run",
            f"cat {requirements}",
        )


def _gemini(said: Said, at: _Places, found: list[Found]) -> Iterator[Finding]:
    names = {str(one.handler.get("name") or one.handler.get("command")) for one in found}
    for path in (
        at.home / "settings.json",
        at.here / ".gemini/settings.json",
        at.root / "etc/gemini-cli/settings.json",
    ):
        settings = said.json(path)
        config, older = _table(settings, "hooksConfig"), _table(settings, "hooks")
        if (
            config.get("enabled", older.get("enabled")) is False
            or _table(settings, "tools").get("enableHooks") is False
        ):
            yield error(f"{path}: hooks are switched off", f'set `"hooksConfig": {{"enabled": true}}` in {path}')
        disabled = config.get("disabled", older.get("disabled"))
        for name in sorted(names & set(filter(_is_text, disabled if isinstance(disabled, list) else ()))):
            yield error(f"{path}: the hook `{name}` is switched off", f"start gemini and run /hooks enable {name}")
    if _table(_table(said.json(at.home / "settings.json"), "security"), "folderTrust").get("enabled") is not False:
        yield warning("in a folder that you do not trust Gemini CLI runs no hook at all, your own included")


def _copilot(said: Said, at: _Places, found: list[Found]) -> Iterator[Finding]:
    places = (at.home / "settings.json", at.home / "config.json", at.home / "hooks/codespar.json")
    repository = (".github/copilot/settings.json", ".github/copilot/settings.local.json", ".github/hooks/codespar.json")
    for path in (*places, *(at.here / name for name in repository)):
        if said.json(path).get("disableAllHooks") is True:
            yield error(f"{path}: `disableAllHooks` is true, so no hook runs", f"take it out of {path}")
    yield warning(
        "a hook that takes longer than its timeout lets the call pass in Copilot, and nothing switches that off"
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _table(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
