"""Where the master key comes from: `env:NAME`, `file:PATH` or `keyring:SERVICE/NAME`, and how 32 bytes are written.

`passphrase:` before one of these says that a passphrase stands there, and never happens by itself.

Exactly 32 bytes, as `base64:...`, `hex:...`, or bare as 44 base64 or 64 hex characters. Nothing else is a key: a short
string is never stretched or hashed into one, since a password that opens a vault at full speed is a broken lock.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from codespar_cli.core.references import FileUnusable, private_bytes
from codespar_cli.errors import ConfigError, MasterKeyMalformed, MasterKeyMissing, MissingExtra
from codespar_cli.plugins.secrets.key_hierarchy import KEY_BYTES, MasterKey, MasterSecret

DEFAULT_REFERENCE = "env:VAULT_MASTER_KEY"
PREVIOUS_VARIABLE = "VAULT_MASTER_KEY_PREVIOUS"
"""Where the key before any other is looked for, wherever the current one stands."""
KEYGEN_HINT = "make one with: codespar secrets keygen"
EXPECTED = "`env:NAME`, `file:PATH` or `keyring:SERVICE/NAME`"
PREVIOUS = "--previous"
PREVIOUS_HINT = "give the key that the vault was made with: codespar secrets rotate --previous file:old.key"
_CRYPTFILE = "KEYRING_CRYPTFILE_PASSWORD"
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class KeyReference(NamedTuple):
    """A parsed reference: the scheme and what follows it, and whether a passphrase stands there."""

    scheme: str
    place: str
    passphrase: bool = False

    def __str__(self) -> str:
        return f"{'passphrase:' if self.passphrase else ''}{self.scheme}:{self.place}"

    @property
    def previous(self) -> KeyReference | None:
        """Where the key before this one is looked for first; only a variable has such a place of its own."""
        return self._replace(place=f"{self.place}_PREVIOUS") if self.scheme == "env" else None

    def variables(self, environ: Iterable[str]) -> tuple[str, ...]:
        """The environment variables that hold key material, for whoever starts another program."""
        if self.scheme == "keyring":
            return (*keyring_variables(environ), PREVIOUS_VARIABLE)
        own = (self.place, f"{self.place}_PREVIOUS") if self.scheme == "env" else ()
        return tuple(dict.fromkeys((*own, PREVIOUS_VARIABLE)))


def keyring_variables(environ: Iterable[str]) -> tuple[str, ...]:
    """Of these variables those that unlock a keyring: `keyring` sets any property of its backend from such a one."""
    # Anywhere in the name, as `keyring` looks for it.
    return tuple(name for name in environ if "KEYRING_PROPERTY_" in name or name == _CRYPTFILE)


def parse_reference(text: str, key: str = "master_key") -> KeyReference:
    """Raises ConfigError. What is not a reference may be a key pasted by mistake, so the text is not repeated."""
    scheme, colon, place = text.partition(":")
    if scheme == "passphrase":
        return _parse_passphrase(place, key)
    if not colon or scheme not in {"env", "file", "keyring"} or not place:
        found = f"{len(text)} characters that are none of them"
        raise ConfigError(
            f"expected {EXPECTED}, or `passphrase:` before one of these, found {found}", key=key, hint=_hint(key)
        )
    if scheme == "env" and not _ENV_NAME.fullmatch(place):
        raise ConfigError(
            "expected the name of an environment variable after `env:`, found what is none", key=key, hint=_hint(key)
        )
    if scheme == "keyring" and not all(place.partition("/")):
        raise ConfigError("expected `keyring:SERVICE/NAME`, found no `/` between two names", key=key, hint=_hint(key))
    return KeyReference(scheme, place)


def _hint(key: str) -> str:
    if key == PREVIOUS:
        return PREVIOUS_HINT
    return (
        'master_key = "env:VAULT_MASTER_KEY", with export VAULT_MASTER_KEY="$(codespar secrets keygen)" for a new vault'
    )


def _parse_passphrase(place: str, key: str) -> KeyReference:
    if place.partition(":")[0] not in {"env", "file", "keyring"}:
        raise ConfigError(
            f"expected {EXPECTED} after `passphrase:`, never the passphrase itself",
            key=key,
            hint=PREVIOUS_HINT if key == PREVIOUS else 'master_key = "passphrase:env:VAULT_PASSPHRASE"',
        )
    return parse_reference(place, key)._replace(passphrase=True)


def load_master_key(reference: KeyReference, *, environ: Mapping[str, str], config_dir: Path) -> MasterSecret:
    """Read the key now, afresh.

    Raises:
        MasterKeyMissing: there is nothing at that place.
        MasterKeyMalformed: what is there is no key, or others can read the file.
        MissingExtra: the keyring package is not installed.
    """
    if reference.scheme == "env":
        text = environ.get(reference.place, "")
        if not text:
            raise MasterKeyMissing(
                f"the master key is not set: `{reference.place}` is empty",
                hint=_unset_hint(reference),
            )
    elif reference.scheme == "file":
        place = os.path.expanduser(reference.place)  # noqa: PTH111  unlike pathlib's it never raises
        text = _read_file(config_dir / place, reference)
    else:
        text = _ask_keyring(reference.place)
    if reference.passphrase:
        from codespar_cli.plugins.secrets.passphrase import read_passphrase

        return read_passphrase(text.encode(errors="surrogateescape"), str(reference))
    return MasterKey(decode_master_key(text, str(reference)), str(reference))


def _unset_hint(reference: KeyReference) -> str:
    if reference.passphrase:
        return f"read -rs {reference.place} && export {reference.place}"
    return (
        f"export {reference.place} as the vault was made with it; "
        f'for a new vault: export {reference.place}="$(codespar secrets keygen)"'
    )


def decode_master_key(text: str, source: str) -> bytes:
    """32 bytes from their written form; one trailing newline is forgiven. Raises MasterKeyMalformed."""
    body = text.removesuffix("\n").removesuffix("\r")
    if body.startswith("base64:"):
        found = _from_base64(body[7:])
    elif body.startswith("hex:"):
        found = _from_hex(body[4:])
    else:
        found = _from_hex(body) or _from_base64(body)
    if found is None:
        raise MasterKeyMalformed(
            f"the master key in `{source}` is not 32 bytes in base64 or hex: found {len(body)} characters",
            hint=KEYGEN_HINT,
        )
    return found


def _from_hex(text: str) -> bytes | None:
    return bytes.fromhex(text) if re.fullmatch(r"[0-9A-Fa-f]{64}", text) else None


def _from_base64(text: str) -> bytes | None:
    if len(text) != 44:
        return None
    import base64
    import binascii

    for alphabet in (None, b"-_"):
        try:
            found = base64.b64decode(text, alphabet, validate=True)
        except (binascii.Error, ValueError):
            continue
        # Of the spellings that decode alike only the canonical one is meant; the others are typing errors.
        if len(found) == KEY_BYTES and base64.b64encode(found, alphabet).decode() == text:
            return found
    return None


def _read_file(path: Path, reference: KeyReference) -> str:
    try:
        data = private_bytes(path)
    except FileUnusable as error:
        raise MasterKeyMalformed(
            f"the master key file {error.words}",
            code="master_key_exposed" if error.exposed else "master_key_unusable",
            file=str(path),
            hint=error.hint,
        ) from None
    if data is None:
        raise MasterKeyMissing(
            "the master key file is not there",
            file=str(path),
            hint=f"(umask 077; {'cat' if reference.passphrase else 'codespar secrets keygen'} > {shlex.quote(str(path))})",
        )
    try:
        return data.decode(*(("utf-8", "surrogateescape") if reference.passphrase else ("ascii",)))
    except UnicodeDecodeError:
        raise MasterKeyMalformed(
            f"the master key in `{reference}` is not 32 bytes in base64 or hex: found binary data", hint=KEYGEN_HINT
        ) from None


def _ask_keyring(place: str) -> str:
    service, _, name = place.partition("/")
    try:
        import keyring
    except ImportError:
        raise MissingExtra("a master key in the system's keyring", "keyring") from None
    try:
        text = keyring.get_password(service, name)
    except Exception as error:  # backends raise what they like; their words could quote what they hold
        raise MasterKeyMissing(
            f"the system's keyring cannot be asked: {type(error).__name__}", hint="keyring diagnose"
        ) from None
    if not text:
        raise MasterKeyMissing(
            f"the system's keyring holds nothing for service `{service}`, name `{name}`",
            hint=f"codespar secrets keygen | keyring set {service} {name}",
        )
    return str(text)
