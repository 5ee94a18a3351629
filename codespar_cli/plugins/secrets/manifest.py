"""What a row cannot know of itself: which rows there are.

Each tenant's manifest is a MAC over its data keys and the digests of all its versions; the vault's is a MAC over its
header, its epoch and all manifests. So a row that was deleted, swapped, brought back or edited is found, and so is a
tenant that was deleted or brought back whole.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from codespar_cli.plugins.secrets.envelope import tampered
from codespar_cli.plugins.secrets.framing import (
    UNREADABLE,
    field,
    framed,
    label,
    number,
    number_field,
    optional,
    optional_field,
)
from codespar_cli.plugins.secrets.vault_rows import AccessRow, DekRow, Header, TenantRow, VersionRow

_ACCESS, _HEADER = label("access row"), label("header")
_ROWS, _TENANT, _VAULT = label("tenant rows"), label("tenant manifest"), label("vault manifest")
_VERSION, _DEK = framed(label("version row")), framed(label("dek row"))


def version_digest(row: VersionRow) -> bytes:
    """SHA-256 over every column of a version but its tenant, which the manifest names."""
    _, key, version, generation, created_at, expires_at, retires_at, state, note, sealed = row
    try:
        fields = (
            _VERSION,
            field(key),
            number_field(version),
            number_field(generation),
            number_field(created_at),
            number_field(expires_at),
            number_field(retires_at),
            number_field(state),
            optional_field(note),
            optional_field(sealed),
        )
        return hashlib.sha256(b"".join(fields)).digest()
    except UNREADABLE:
        raise tampered("a stored version cannot be read") from None


def dek_digest(row: DekRow) -> bytes:
    try:
        fields = (
            _DEK,
            number_field(row.generation),
            field(row.id),
            number_field(row.kek_version),
            field(row.salt),
            field(row.commitment),
            field(row.wrapped),
            number_field(row.encryptions),
            number_field(row.created_at),
        )
        return hashlib.sha256(b"".join(fields)).digest()
    except UNREADABLE:
        raise tampered("a data key's row cannot be read") from None


def rows_digest(digests: Iterable[bytes]) -> bytes:
    """SHA-256 over the versions' digests in the order of (key, version)."""
    return hashlib.sha256(framed(_ROWS, b"".join(digests))).digest()


def access_digest(row: AccessRow) -> bytes:
    try:
        return hashlib.sha256(framed(_ACCESS, row.key, optional(row.agents), optional(row.tools))).digest()
    except UNREADABLE:
        raise tampered("a secret's grants cannot be read") from None


def tenant_mac(
    key: bytes, vault_id: bytes, row: TenantRow, deks: Iterable[DekRow], access: Iterable[AccessRow] = ()
) -> bytes:
    """Over the data keys in the order of generation, and the grants, if there are any, in that of their keys."""
    fields = [_TENANT, vault_id, row.name, number(row.epoch), row.rows, b"".join(dek_digest(dek) for dek in deks)]
    # A tenant without grants has the manifest of format 1: what has not changed need not be written again.
    if granted := b"".join(access_digest(one) for one in access):
        fields.append(granted)
    return hmac.digest(key, framed(*fields), "sha256")


def vault_mac(key: bytes, header: Header, tenants: Iterable[TenantRow]) -> bytes:
    """Over the header, the epoch and every tenant in the order of their names."""
    fields = [_VAULT, *_fixed(header), number(header.epoch)]
    for tenant in tenants:
        fields += (tenant.name, number(tenant.epoch), tenant.mac)
    return hmac.digest(key, framed(*fields), "sha256")


def header_checksum(header: Header) -> bytes:
    return hashlib.sha256(framed(_HEADER, *_fixed(header))).digest()


def _fixed(header: Header) -> tuple[bytes, ...]:
    fields = (
        number(header.format),
        header.vault_id,
        number(header.created_at),
        number(header.kek_version),
        header.kek_salt,
        header.check_value,
    )
    return fields if header.format == 1 else (*fields, optional(header.kdf))
