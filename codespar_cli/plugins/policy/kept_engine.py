"""The engine over rules files that are read once: compiled by the first who needs them, kept until the file changes.

For processes that answer one call and end. What is kept is sealed (storage/sealed_cache.py) and says which file it was
made of; the answers are those of the same engine over the same rules.
"""

from __future__ import annotations

import os

from codespar_cli.core.hashing import sha256
from codespar_cli.errors import ConfigError, MissingExtra
from codespar_cli.plugins.policy.engine import PolicyEngine, rules_files
from codespar_cli.plugins.policy.language.kept_policy import plain_of, policy_of
from codespar_cli.plugins.policy.language.zones import zones_file
from codespar_cli.plugins.policy.stores.store_address import SQLITE, StoreAddress
from codespar_cli.storage.file_facts import Unknown, facts_of, is_settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from codespar_cli.core.clock import Clock
    from codespar_cli.core.services import Services
    from codespar_cli.plugins.policy.language.policy import Policy
    from codespar_cli.storage.sealed_cache import SealedCache

_CACHE = "cache"
# Whoever opens the store alone reads all of its log, and then writes a few pages to it: many short logs cost less.
_LOG_PAGES = 96


def is_plain(options: Mapping[str, Any]) -> bool:
    """Whether an engine with these options needs nothing but its rules files and the state directory."""
    return options.get("store", SQLITE) == SQLITE and not options.get("notify")


def plain_engine(
    options: Mapping[str, Any], cache: SealedCache, *, config_dir: str, state_dir: str, tenant: str, clock: Clock
) -> PolicyEngine:
    """The engine of options that are plain. Raises ConfigError."""
    load = keeping(cache)
    policies = {key: load(os.path.join(config_dir, path), key=key) for key, path in rules_files(options).items()}
    address = StoreAddress.sqlite(state_dir, options.get("durability", "full"), log_pages=_LOG_PAGES)
    return PolicyEngine.of_policies(policies, options, address, tenant=tenant, clock=clock)


def from_options(options: Mapping[str, Any], services: Services) -> PolicyEngine:
    """As `PolicyEngine.from_options`. Raises ConfigError."""
    return PolicyEngine.over(options, services, keeping(cache_in(os.fspath(services.state_dir))))


def cache_in(state_dir: str) -> SealedCache:
    import codespar_cli
    from codespar_cli.storage.sealed_cache import SealedCache

    return SealedCache(os.path.join(state_dir, _CACHE), codespar_cli.__version__)


def keeping(cache: SealedCache) -> Callable[..., Policy]:
    """A `load(path, key=…)` that reads a file of rules once for all processes. It raises ConfigError."""

    def load(path: str | Path, *, key: str) -> Policy:
        place = os.fspath(path)
        name = f"rules-{sha256(place.encode('utf-8', 'surrogateescape')).hex()[:32]}"

        def look() -> Policy | None:
            return _kept(cache.get(name), place)

        found = look()
        return cache.once(look, lambda: _made(cache, name, place, key)) if found is None else found

    return load


def _kept(entry: Any, path: str) -> Policy | None:
    """The policy of an entry, if it is of the file that is there now. Raises the ConfigError that was kept."""
    if entry is None:
        return None
    try:
        place, facts, zones, error, plain = entry
        if place != path or facts is None or facts != facts_of(path) or zones != _zones(zones is not None):
            return None
        if error is None:
            return policy_of(plain)
    except (ValueError, TypeError, Unknown):
        return None
    raise ConfigError(**error)


def _made(cache: SealedCache, name: str, path: str, key: str) -> Policy:
    from pathlib import Path

    from codespar_cli.plugins.policy.language.policy_reader import compile_with_nodes, read_rules

    before = _facts(path)
    data = read_rules(Path(path), key=key)
    # Of a file that changed while it was read, or so lately that its times may not tell the next change, nothing is kept.
    keeps = before is not None and is_settled(before) and before == _facts(path)
    try:
        policy, root = compile_with_nodes(data, path)
    except MissingExtra:
        raise  # which no change of the file would mend
    except ConfigError as error:
        if keeps:
            cache.put(name, (path, before, None, _told(error), None))
        raise
    if keeps:
        cache.put(name, (path, before, _zones(policy.zone.version is not None), None, plain_of(policy, root)))
    return policy


def _told(error: ConfigError) -> dict[str, Any]:
    names = ("message", "key", "hint", "code", "file", "line")
    return {name: getattr(error, name) for name in names}


def _zones(wanted: bool) -> Any:
    """What tells one version of the time zones from another, where a policy has a zone that may change."""
    return facts_of(zones_file()) if wanted else None


def _facts(path: str) -> Any:
    try:
        return facts_of(path)
    except Unknown:
        return None
