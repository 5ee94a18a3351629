"""The master keys a process holds: the current one, and while rotating the one before it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from pathlib import Path

from codespar_cli.core.hidden import without_frames
from codespar_cli.errors import MasterKeyMalformed, MasterKeyMissing, MasterKeyWrong
from codespar_cli.plugins.secrets.key_hierarchy import MasterSecret, VaultKeys
from codespar_cli.plugins.secrets.master_key import PREVIOUS_HINT, PREVIOUS_VARIABLE, KeyReference, load_master_key
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
        self._load_earlier(previous)
        return KeyRing(self.reference, environ=self._variables(), config_dir=self._config_dir, previous=previous)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold key material."""
        return self.reference.variables(self._variables())

    def current(self) -> MasterSecret:
        """Raises MasterKeyMissing, MasterKeyMalformed."""
        return self._load(self.reference)

    def keys_for(self, header: Header) -> VaultKeys:
        """The keys that fit this vault. Raises MasterKeyWrong when neither key does."""
        current = self.current()
        keys = fitting(current, header)
        if keys is not None:
            return keys
        previous = self._load_previous(header)
        if previous is not None:
            keys = fitting(previous, header)
            if keys is not None:
                return keys
        raise _wrong(header, current, previous)

    def _load_previous(self, header: Header) -> MasterSecret | None:
        if self._previous is not None:
            return self._load_earlier(self._previous)
        # What is asked of a variable is what the vault was made with: a passphrase, or a key.
        usual = KeyReference("env", PREVIOUS_VARIABLE, passphrase=header.kdf is not None)
        for implied in (self.reference.previous, usual):
            if implied is not None and self._variables().get(implied.place):
                return self._load_earlier(implied)
        return None

    def _load_earlier(self, reference: KeyReference) -> MasterSecret:
        try:
            return self._load(reference)
        except (MasterKeyMissing, MasterKeyMalformed) as error:
            # A key made now is never the one before it.
            if error.code in {MasterKeyMissing.code, MasterKeyMalformed.code}:
                error.hint = PREVIOUS_HINT
            raise

    def _load(self, reference: KeyReference) -> MasterSecret:
        # What it reads is no key yet when it is malformed, and not to be seen either.
        return without_frames(
            lambda: load_master_key(reference, environ=self._variables(), config_dir=self._config_dir)
        )


def fitting(master: MasterSecret, header: Header) -> VaultKeys | None:
    """The keys of this vault, if `master` is what it was made with. Raises IntegrityError."""
    if not master.takes(header.kdf):
        return None
    keys = master.unlock(header.vault_id, header.kdf)
    return keys if hmac.compare_digest(keys.check_value, header.check_value) else None


def _wrong(header: Header, current: MasterSecret, previous: MasterSecret | None) -> MasterKeyWrong:
    if previous is None:
        finding = f"this vault was not made with the master key in `{current.source}`"
    else:
        finding = (
            f"this vault was made neither with the master key in `{current.source}` nor the one in `{previous.source}`"
        )
    hint = "set the key it was made with; after a change of keys run: codespar secrets rotate --previous file:old.key"
    if header.kdf is not None and not any(one.takes(header.kdf) for one in (current, previous) if one is not None):
        hint = 'it was made with a passphrase: [secrets] master_key = "passphrase:env:NAME"'
    return MasterKeyWrong(finding, hint=hint)
