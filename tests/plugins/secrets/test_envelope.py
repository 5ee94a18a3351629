import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.errors import IntegrityError, SecretError
from codespar_cli.plugins.secrets.envelope import SealLimits, counted, new_data_key, unwrap
from codespar_cli.plugins.secrets.framing import framed, label, number
from codespar_cli.plugins.secrets.vault_rows import VersionRow

KEK = b"k" * 32
VAULT = b"v" * 16
ROW = VersionRow(1, b"KEY", 3, 1, 1000, None, None, 0, None, None)


def data_key(tenant=b"acme", generation=1):
    return new_data_key(KEK, kek_version=1, vault_id=VAULT, tenant=tenant, generation=generation, created_at=0)


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_different_fields_are_never_the_same_bytes(one, two):
    assert (framed(*one) == framed(*two)) == (one == two)


def test_numbers_and_labels_are_distinct():
    assert len({number(n) for n in (None, 0, 1, -1, 2**63 - 1, -(2**63))}) == 6
    assert label("a") != label("b")


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_and_no_two_seals_are_alike(value):
    key, _ = data_key()
    sealed = key.seal(ROW, value)
    assert sealed != key.seal(ROW, value)
    assert key.open(ROW._replace(sealed=sealed)) == value


@pytest.mark.parametrize(
    "changed",
    [{"key": b"OTHER"}, {"version": 4}, {"created_at": 1001}, {"expires_at": 5}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_sealed_value_opens_in_its_own_row_only(changed):
    key, _ = data_key()
    row = ROW._replace(sealed=key.seal(ROW, b"value"))
    with pytest.raises(IntegrityError):
        key.open(row._replace(**changed))


def test_a_sealed_value_opens_under_its_own_key_and_uncut():
    key, _ = data_key()
    sealed = key.seal(ROW, b"value")
    for other in (data_key()[0], data_key(tenant=b"globex")[0]):
        with pytest.raises(IntegrityError):
            other.open(ROW._replace(sealed=sealed))
    for cut in (None, b"", sealed[:27], sealed[:-1], sealed + b"\0"):
        with pytest.raises(IntegrityError):
            key.open(ROW._replace(sealed=cut))


@pytest.mark.parametrize("field", ["id", "generation", "kek_version", "wrapped", "salt", "commitment"])
def test_a_data_key_unwraps_from_its_own_row_only(field):
    _, row = data_key()
    _, other = data_key(generation=2)
    other = other._replace(kek_version=2)
    assert unwrap(KEK, row, vault_id=VAULT, tenant=b"acme").generation == 1
    with pytest.raises(IntegrityError):
        unwrap(KEK, row._replace(**{field: getattr(other, field)}), vault_id=VAULT, tenant=b"acme")


def test_a_data_key_belongs_to_one_tenant_vault_and_kek():
    _, row = data_key()
    for kek, vault_id, tenant in ((KEK, VAULT, b"globex"), (KEK, b"w" * 16, b"acme"), (b"x" * 32, VAULT, b"acme")):
        with pytest.raises(IntegrityError):
            unwrap(kek, row, vault_id=vault_id, tenant=tenant)


def test_encryptions_are_counted_up_to_the_limit():
    _, row = data_key()
    assert counted(row, SealLimits()).encryptions == 1
    nearly = row._replace(encryptions=2**32 * 9 // 10 - 1)
    assert counted(nearly, SealLimits()).encryptions == 2**32 * 9 // 10
    with pytest.raises(SecretError):
        counted(counted(nearly, SealLimits()), SealLimits())


def test_a_data_key_neither_shows_nor_travels():
    key, _ = data_key()
    assert repr(key) == "<DataKey generation 1>"
    with pytest.raises(TypeError):
        pickle.dumps(key)
