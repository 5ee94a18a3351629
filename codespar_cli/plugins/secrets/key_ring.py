"""The master keys a process holds: the current one, and while rotating the one before it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from pathlib import Path

from codespar_cli.errors import MasterKeyWrong
from codespar_cli.plugins.secrets.key_hierarchy import MasterKey, VaultKeys
from codespar_cli.plugins.secrets.master_key import KeyReference, load_master_key
from codespar_cli.plugins.secrets.vault_rows import Header


class KeyRing:
    """Loads keys when asked, never keeps them. The header's check value says which one is meant; none is guessed."""

    def __init__(
        self,
        reference: KeyReference,
        *,
        environ: Mapping[str, str],
        config_dir: Path,
        previous: KeyReference | None = None,
    ) -> None:
        self.reference = reference
        # Behind a function, so that `vars` shows no key.
        self._variables: Callable[[], Mapping[str, str]] = lambda: environ
        self._config_dir = config_dir
        self._previous = previous

    def with_previous(self, previous: KeyReference) -> KeyRing:
        """The same ring, with the key before this one at `previous`, which must be there: it was asked for by name."""
        self._load(previous)
        return KeyRing(self.reference, environ=self._variables(), config_dir=self._config_dir, previous=previous)

    def current(self) -> MasterKey:
        """Raises MasterKeyMissing, MasterKeyMalformed."""
        return self._load(self.reference)

    def keys_for(self, header: Header) -> VaultKeys:
        """The keys that fit this vault. Raises MasterKeyWrong when neither key does."""
        current = self.current()
        keys = current.keys_for(header.vault_id)
        if _fits(keys, header):
            return keys
        previous = self._load_previous()
        if previous is not None:
            keys = previous.keys_for(header.vault_id)
            if _fits(keys, header):
                return keys
        tried = current.source if previous is None else f"{current.source}` nor the one in `{previous.source}"
        raise MasterKeyWrong(
            f"this vault was not made with the master key in `{tried}`"
            if previous is None
            else f"this vault was made neither with the master key in `{tried}`",
            hint="set the key it was made with; after a change of keys run: codespar secrets rotate --previous REF",
        )

    def _load_previous(self) -> MasterKey | None:
        if self._previous is not None:
            return self._load(self._previous)
        implied = self.reference.previous
        if implied is None or not self._variables().get(implied.place):
            return None
        return self._load(implied)

    def _load(self, reference: KeyReference) -> MasterKey:
        return load_master_key(reference, environ=self._variables(), config_dir=self._config_dir)


def _fits(keys: VaultKeys, header: Header) -> bool:
    return hmac.compare_digest(keys.check_value, header.check_value)
