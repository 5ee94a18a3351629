"""One master key, one purpose per derived key (HKDF, RFC 5869).

    master key ── HKDF-SHA256, salt = vault id ──┬── key check value     tells a wrong key from a tampered file
                                                 ├── manifest key        authenticates which rows there are
                                                 ├── audit key           authenticates what was recorded
                                                 ├── fingerprint key     tells values apart without showing them
                                                 └── KEK of one version  wraps the tenants' data keys

Python cannot reliably wipe memory: keys are kept out of `repr` and out of files, not out of RAM.
"""

from __future__ import annotations

import hmac
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

from codespar_cli.plugins.secrets.framing import framed, label, number

KEY_BYTES = 32
Hash: TypeAlias = Literal["sha256", "sha512"]
_HASH_BYTES = {"sha256": 32, "sha512": 64}


class Key(bytes):
    """Key material that a traceback with locals, or `vars`, shows nothing of."""

    def __repr__(self) -> str:
        return "<key>"

    __str__ = __repr__


def hkdf_extract(algorithm: Hash, salt: bytes, material: bytes) -> bytes:
    """RFC 5869 section 2.2. An empty salt means zeros, as HMAC pads its key."""
    return hmac.digest(salt, material, algorithm)


def hkdf_expand(algorithm: Hash, key: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 section 2.3; at most 255 hashes long."""
    size = _HASH_BYTES[algorithm]
    if length > 255 * size:
        raise ValueError("HKDF cannot expand that far")
    block, output = b"", b""
    for counter in range(1, -(-length // size) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), algorithm)
        output += block
    return output[:length]


class MasterSecret(Protocol):
    """What a vault is opened with: a master key, or a passphrase that becomes one under a header's `kdf`."""

    source: str

    def new_kdf(self) -> bytes | None:
        """What a new header keeps in order to have the same keys again; None when nothing is needed."""
        ...

    def raised_kdf(self, kdf: bytes | None) -> bytes | None:
        """What replaces a header's `kdf` that asks for less than today's costs; None when it may stay."""
        ...

    def takes(self, kdf: bytes | None) -> bool:
        """Whether a vault with this `kdf` can be meant for it at all."""
        ...

    def unlock(self, vault_id: bytes, kdf: bytes | None) -> VaultKeys:
        """Raises IntegrityError when `kdf` is not one that codespar writes."""
        ...


class MasterKey:
    """Exactly 32 bytes, and where they came from. Shows only the latter."""

    __slots__ = ("_material", "source")

    def __init__(self, material: bytes, source: str) -> None:
        if len(material) != KEY_BYTES:
            raise ValueError("a master key has 32 bytes")
        self._material = material
        self.source = source

    def keys_for(self, vault_id: bytes) -> VaultKeys:
        return VaultKeys(hkdf_extract("sha256", vault_id, self._material), self.source)

    def new_kdf(self) -> None:
        return None

    def raised_kdf(self, kdf: bytes | None) -> None:
        return None

    def takes(self, kdf: bytes | None) -> bool:
        return kdf is None

    def unlock(self, vault_id: bytes, kdf: bytes | None) -> VaultKeys:
        return self.keys_for(vault_id)

    def __repr__(self) -> str:
        return f"<MasterKey from {self.source}>"

    def __reduce__(self) -> str:
        raise TypeError("a master key cannot be pickled")


class VaultKeys:
    """What one master key is worth in one vault."""

    def __init__(self, root: bytes, source: str) -> None:
        self._root = Key(root)
        self.source = source
        self.vouched: tuple[int, int, bytes, int | None, bytes] | None = None
        """What the record's head was last given by these keys, see `audit`: nothing secret, it stands in the file."""

    @cached_property
    def check_value(self) -> bytes:
        return bytes(self._derive(label("key check")))

    @cached_property
    def manifest(self) -> bytes:
        return self._derive(label("manifest"))

    @cached_property
    def audit(self) -> bytes:
        return self._derive(label("audit"))

    @cached_property
    def fingerprint(self) -> bytes:
        return self._derive(label("fingerprint"))

    def kek(self, version: int, salt: bytes) -> bytes:
        return self._derive(framed(label("kek"), number(version), salt))

    def fingerprint_of(self, tenant: bytes, value: bytes) -> str:
        """16 hex digits: equal for equal values of one tenant, and worth nothing without the master key."""
        return hmac.digest(self.fingerprint, framed(tenant, value), "sha256")[:8].hex()

    def __repr__(self) -> str:
        return f"<VaultKeys from {self.source}>"

    def __reduce__(self) -> str:
        raise TypeError("vault keys cannot be pickled")

    def _derive(self, info: bytes) -> Key:
        return Key(hkdf_expand("sha256", self._root, info, KEY_BYTES))
