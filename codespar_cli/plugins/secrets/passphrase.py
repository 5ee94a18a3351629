"""A passphrase in place of a master key: only when it is asked for by name, and never at full speed.

Argon2id (RFC 9106) makes 32 bytes of it. Salt and costs stand in the vault's header, under its MAC. They have to be used
before the MAC can be checked, so what a hostile header may ask for is bounded on both sides: it can neither eat the
machine's memory nor have the passphrase hashed cheaply.
"""

from __future__ import annotations

import os

from codespar_cli.errors import IntegrityError, MasterKeyMalformed, SecretError
from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.framing import framed, number, unframed
from codespar_cli.plugins.secrets.key_hierarchy import KEY_BYTES, MasterKey, VaultKeys

SALT_BYTES = 16
SHORTEST, LONGEST = 12, 1024
"""How many characters, and how many bytes."""
MEMORY_KIB, PASSES, LANES = 65_536, 3, 4
"""RFC 9106, section 4, second recommended option."""
MEMORY_BOUNDS, PASSES_BOUNDS, LANES_BOUNDS = (19_456, 262_144), (2, 16), (1, 16)
_NAME = b"argon2id"
_SIZES = [len(_NAME), SALT_BYTES, 8, 8, 8]


class Passphrase:
    """A passphrase, and where it came from. Shows only the latter."""

    __slots__ = ("_text", "source")

    def __init__(self, text: bytes, source: str) -> None:
        self._text = text
        self.source = source

    def new_kdf(self) -> bytes:
        """A fresh salt and today's costs, as the header of a vault keeps them."""
        return framed(_NAME, os.urandom(SALT_BYTES), number(MEMORY_KIB), number(PASSES), number(LANES))

    def raised_kdf(self, kdf: bytes | None) -> bytes | None:
        """A fresh salt and at least today's costs, in place of a header's that asks for less; None when it does not.

        What it asks for beyond today's stays. Raises IntegrityError when its costs are out of bounds.
        """
        if not costs_low(kdf):
            return None
        _, memory, passes, _ = _parameters(kdf)
        memory, passes = max(memory, MEMORY_KIB), max(passes, PASSES)
        return framed(_NAME, os.urandom(SALT_BYTES), number(memory), number(passes), number(LANES))

    def takes(self, kdf: bytes | None) -> bool:
        return kdf is not None

    def unlock(self, vault_id: bytes, kdf: bytes | None) -> VaultKeys:
        """The keys of a vault: about 0.1 s. Raises IntegrityError when the header's costs are out of bounds."""
        salt, memory, passes, lanes = _parameters(kdf)
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        try:
            stretch = Argon2id(salt=salt, length=KEY_BYTES, iterations=passes, lanes=lanes, memory_cost=memory)
            material = stretch.derive(self._text)
        except UnsupportedAlgorithm:
            raise SecretError(
                "a passphrase needs Argon2id, which this build of `cryptography` lacks",
                code="argon2id_missing",
                hint="pip install --upgrade cryptography",
            ) from None
        except MemoryError:
            raise SecretError(
                f"a passphrase needs {memory // 1024} MiB of memory for a moment, which are not to be had",
                code="argon2id_memory",
                hint="ulimit -v; or use a key: codespar secrets keygen",
            ) from None
        return MasterKey(material, self.source).keys_for(vault_id)

    def __repr__(self) -> str:
        return f"<Passphrase from {self.source}>"

    def __reduce__(self) -> str:
        raise TypeError("a passphrase cannot be pickled")


def read_passphrase(data: bytes, source: str) -> Passphrase:
    """One trailing newline is forgiven, nothing else is changed. Raises MasterKeyMalformed, without the text."""
    body = data.removesuffix(b"\n").removesuffix(b"\r")
    try:
        length = len(body.decode())
    except UnicodeDecodeError:
        raise MasterKeyMalformed(f"the passphrase in `{source}` is not valid UTF-8", hint=_HINT) from None
    if length < SHORTEST or len(body) > LONGEST:
        raise MasterKeyMalformed(
            f"the passphrase in `{source}` has {length} characters, expected {SHORTEST} or more"
            f" and at most {LONGEST} bytes",
            hint=_HINT,
        )
    return Passphrase(body, source)


_HINT = "a passphrase of six random words or more, or a key from codespar secrets keygen"


def costs_low(kdf: bytes | None) -> bool:
    """Whether a header has its passphrase hashed at less than today's costs; never without a passphrase.

    Lanes cost a guesser nothing, so they do not count. Raises IntegrityError when the costs are out of bounds.
    """
    if kdf is None:
        return False
    _, memory, passes, _ = _parameters(kdf)
    return memory < MEMORY_KIB or passes < PASSES


def _parameters(kdf: bytes | None) -> tuple[bytes, int, int, int]:
    """Salt, memory in KiB, passes and lanes. Raises IntegrityError."""
    data = kdf if isinstance(kdf, bytes) else b""
    try:
        fields = unframed(data)
    except ValueError:
        raise _unusable() from None
    if [len(field) for field in fields] != _SIZES or fields[0] != _NAME:
        raise _unusable()
    salt = fields[1]
    memory, passes, lanes = (int.from_bytes(field, "big") for field in fields[2:])
    for found, (least, most) in ((memory, MEMORY_BOUNDS), (passes, PASSES_BOUNDS), (lanes, LANES_BOUNDS)):
        if not least <= found <= most:
            raise _unusable()
    return salt, memory, passes, lanes


def _unusable() -> IntegrityError:
    return tampered("its header asks for a passphrase to be hashed in a way that codespar never does")
