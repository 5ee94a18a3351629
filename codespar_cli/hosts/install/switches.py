"""What stands beside the hooks and switches them off: a host's own switches, in every file that may throw them.

Claude Code: the settings type of npm @anthropic-ai/claude-agent-sdk 0.3.330. Gemini CLI: hooks/hookRegistry.js of npm
@google/gemini-cli-core 0.61.0. Codex: developers.openai.com/codex/hooks. Copilot: docs.github.com, hooks reference.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.entries import Found
from codespar_cli.hosts.install.findings import Finding, error, warning
from codespar_cli.hosts.install.settings_text import parse

ADMIN_ROOT = Path("/")
_MANAGED_CLAUDE = ("etc/claude-code", "Library/Application Support/ClaudeCode")


def switched_off(host: str, home: Path, here: Path, found: list[Found], root: Path = ADMIN_ROOT) -> Iterator[Finding]:
    """For hooks of the user at `home`, when the host works in the directory `here`. `root` is where the system's files are."""
    checks = {"claude": _claude, "codex": _codex, "gemini": _gemini, "copilot": _copilot}
    if host in checks:
        yield from checks[host](home, here, found, root)


def _claude(home: Path, here: Path, found: list[Found], root: Path) -> Iterator[Finding]:
    managed = [path for place in _MANAGED_CLAUDE for path in _managed(root / place)]
    own = [home / "settings.json", here / ".claude/settings.json", here / ".claude/settings.local.json"]
    for path in (*own, *managed):
        if json_settings(path).get("disableAllHooks") is True:
            yield error(f"{path}: `disableAllHooks` is true, so no hook runs", f"take it out of {path}")
    for path in managed:
        if json_settings(path).get("allowManagedHooksOnly") is True:
            yield error(
                f"{path}: `allowManagedHooksOnly` is true, so only the administrator's hooks run", f"cat {path}"
            )


def _managed(directory: Path) -> list[Path]:
    more = sorted((directory / "managed-settings.d").glob("*.json")) if directory.is_dir() else []
    return [directory / "managed-settings.json", *more]


def _codex(home: Path, here: Path, found: list[Found], root: Path) -> Iterator[Finding]:
    files = (home / "config.toml", here / ".codex/config.toml", root / "etc/codex/config.toml")
    for path in (*files, root / "etc/codex/requirements.toml"):
        features = _table(_toml(path), "features")
        # The older name is an alias; where both are given the newer one counts.
        if features.get("hooks", features.get("codex_hooks")) is False:
            yield error(f"{path}: `features.hooks` is false, so no hook runs", f"take it out of {path}")
    requirements = root / "etc/codex/requirements.toml"
    if _toml(requirements).get("allow_managed_hooks_only") is True:
        yield error(
            f"{requirements}: `allow_managed_hooks_only` is true, so only the administrator's hooks run",
            f"cat {requirements}",
        )


def _gemini(home: Path, here: Path, found: list[Found], root: Path) -> Iterator[Finding]:
    names = {str(one.handler.get("name") or one.handler.get("command")) for one in found}
    for path in (home / "settings.json", here / ".gemini/settings.json", root / "etc/gemini-cli/settings.json"):
        said = json_settings(path)
        config, older = _table(said, "hooksConfig"), _table(said, "hooks")
        if config.get("enabled", older.get("enabled")) is False or _table(said, "tools").get("enableHooks") is False:
            yield error(f"{path}: hooks are switched off", f'set `"hooksConfig": {{"enabled": true}}` in {path}')
        disabled = config.get("disabled", older.get("disabled"))
        for name in sorted(names & set(filter(_is_text, disabled if isinstance(disabled, list) else ()))):
            yield error(f"{path}: the hook `{name}` is switched off", f"start gemini and run /hooks enable {name}")
    if _table(_table(json_settings(home / "settings.json"), "security"), "folderTrust").get("enabled") is not False:
        yield warning("in a folder that you do not trust Gemini CLI runs no hook at all, your own included")


def _copilot(home: Path, here: Path, found: list[Found], root: Path) -> Iterator[Finding]:
    places = (home / "settings.json", home / "config.json", home / "hooks/codespar.json")
    repository = (".github/copilot/settings.json", ".github/copilot/settings.local.json", ".github/hooks/codespar.json")
    for path in (*places, *(here / name for name in repository)):
        if json_settings(path).get("disableAllHooks") is True:
            yield error(f"{path}: `disableAllHooks` is true, so no hook runs", f"take it out of {path}")
    yield warning(
        "a hook that takes longer than its timeout lets the call pass in Copilot, and nothing switches that off"
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _table(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def json_settings(path: Path) -> dict[str, Any]:
    """What cannot be read has no switch in it: the host does not read it either."""
    try:
        value = parse(path.read_text(encoding="utf-8-sig")).root.value
    except (OSError, ValueError, ConfigError):
        return {}
    return value if isinstance(value, dict) else {}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
