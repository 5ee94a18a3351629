"""Data keys and sealed values: AES-256-GCM, everything that matters bound as additional data.

A tenant's data key (DEK) is 32 random bytes, kept only wrapped by the KEK. It is never used itself: HKDF-SHA512 makes
of it a sealing key and a commitment. GCM alone would let one ciphertext open under two keys; the commitment, compared
before anything is decrypted, fixes which key it was.
"""

from __future__ import annotations

import hmac
import os
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from codespar_cli.errors import IntegrityError, SecretError
from codespar_cli.plugins.secrets.framing import field, framed, label, number, number_field
from codespar_cli.plugins.secrets.key_hierarchy import KEY_BYTES, Key, hkdf_expand, hkdf_extract
from codespar_cli.plugins.secrets.vault_rows import DekRow, VersionRow

NONCE_BYTES = 12
DEK_ID_BYTES = 16
SALT_BYTES = 32


class SealLimits(NamedTuple):
    """How many values one data key may seal. Random 96-bit nonces allow 2^32 (NIST SP 800-38D, 8.3)."""

    warn_at: int = 2**31
    refuse_at: int = 2**32 * 9 // 10


DEFAULT_LIMITS = SealLimits()


class Plaintext:
    """A value on its way into the vault. A traceback that shows every local shows nothing of it."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    def reveal(self) -> bytes:
        return self._data

    def __repr__(self) -> str:
        return "<Plaintext: hidden>"

    def __reduce__(self) -> str:
        raise TypeError("a plaintext cannot be pickled")


class DataKey:
    """One DEK, open. Seals and opens the values of one tenant."""

    __slots__ = ("_aead", "_bound_first", "_bound_key", "_material", "_vault_id", "generation", "id", "tenant")

    def __init__(self, material: bytes, sealing_key: bytes, row: DekRow, vault_id: bytes, tenant: bytes) -> None:
        self._material = material
        self._aead = AESGCM(sealing_key)
        self._vault_id = vault_id
        self._bound_first = framed(label("value"), vault_id, tenant)
        self._bound_key = framed(row.id, number(row.generation))
        self.id = row.id
        self.generation = row.generation
        self.tenant = tenant

    def seal(self, row: VersionRow, value: bytes) -> bytes:
        """Nonce and ciphertext of `value`, good for this row only."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, value, self._bound(row))

    def open(self, row: VersionRow) -> bytes:
        """The value of a row. Raises IntegrityError."""
        sealed = row.sealed
        if sealed is None or len(sealed) < NONCE_BYTES + 16:
            raise tampered("a sealed value is cut short")
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._bound(row))
        except InvalidTag:
            raise tampered("a sealed value does not open under the key its row names") from None

    def wrap(self, kek: bytes, row: DekRow) -> bytes:
        """This key wrapped for the row that will hold it."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(kek).encrypt(nonce, self._material, _wrap_data(row, self._vault_id, self.tenant))

    def __repr__(self) -> str:
        return f"<DataKey generation {self.generation}>"

    def __reduce__(self) -> str:
        raise TypeError("a data key cannot be pickled")

    def _bound(self, row: VersionRow) -> bytes:
        fields = (
            self._bound_first,
            field(row.key),
            number_field(row.version),
            self._bound_key,
            number_field(row.created_at),
            number_field(row.expires_at),
        )
        return b"".join(fields)


def new_data_key(
    kek: bytes, *, kek_version: int, vault_id: bytes, tenant: bytes, generation: int, created_at: int
) -> tuple[DataKey, DekRow]:
    """A fresh random key, and the row that keeps it (without its tenant's number)."""
    material, salt = os.urandom(KEY_BYTES), os.urandom(SALT_BYTES)
    row = DekRow(0, generation, os.urandom(DEK_ID_BYTES), kek_version, salt, b"", b"", 0, created_at)
    sealing_key, commitment = _split(material, row, vault_id)
    key = DataKey(material, sealing_key, row, vault_id, tenant)
    row = row._replace(commitment=commitment)
    return key, row._replace(wrapped=key.wrap(kek, row))


def unwrap(kek: bytes, row: DekRow, *, vault_id: bytes, tenant: bytes) -> DataKey:
    """The data key of a row. Raises IntegrityError when it is not this tenant's, or not what it was committed to."""
    if len(row.wrapped) != NONCE_BYTES + KEY_BYTES + 16:
        raise tampered("a wrapped data key has the wrong length")
    try:
        material = Key(
            AESGCM(kek).decrypt(row.wrapped[:NONCE_BYTES], row.wrapped[NONCE_BYTES:], _wrap_data(row, vault_id, tenant))
        )
    except InvalidTag:
        raise tampered("a data key does not unwrap under the key its row names") from None
    sealing_key, commitment = _split(material, row, vault_id)
    if not hmac.compare_digest(commitment, row.commitment):
        raise tampered("a data key is not the one its row is committed to")
    return DataKey(material, sealing_key, row, vault_id, tenant)


def counted(row: DekRow, limits: SealLimits) -> DekRow:
    """The row after one more encryption. Raises SecretError when the key has sealed enough."""
    if row.encryptions >= limits.refuse_at:
        raise SecretError(
            f"this tenant's data key has sealed {row.encryptions} values, no more are safe",
            code="data_key_exhausted",
            hint="codespar secrets rotate --reencrypt",
        )
    return row._replace(encryptions=row.encryptions + 1)


def tampered(finding: str) -> IntegrityError:
    return IntegrityError(
        f"the vault was changed by something other than codespar: {finding}",
        hint="keep the file and restore a backup; then run: codespar secrets verify",
    )


def _split(material: bytes, row: DekRow, vault_id: bytes) -> tuple[bytes, bytes]:
    info = framed(label("data key"), vault_id, row.id)
    both = hkdf_expand("sha512", hkdf_extract("sha512", row.salt, material), info, 2 * KEY_BYTES)
    return Key(both[:KEY_BYTES]), both[KEY_BYTES:]


def _wrap_data(row: DekRow, vault_id: bytes, tenant: bytes) -> bytes:
    return framed(label("wrap"), vault_id, tenant, row.id, number(row.generation), number(row.kek_version))
