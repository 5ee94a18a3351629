"""Whoever can write the file, but has no key, can make the vault refuse; never lie."""

import random
import shutil

import apsw
import pytest
from vault_kit import make_vault

from codespar_cli.errors import CodesparError, IntegrityError, StoreCorrupt, StoreError
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
VALUES = {
    ("acme", "A"): "acme's a",
    ("acme", "B"): "acme's b",
    ("globex", "A"): "globex's a",
    ("globex", "B"): "globex's b",
}


@pytest.fixture
def sealed(state):
    """A vault with two tenants, each key in two versions, all of it in the main file."""
    vault = make_vault(state)
    for (tenant, key), value in VALUES.items():
        vault.set(tenant, key, value + " before")
        vault.set(tenant, key, value)
    store = VaultStore(state / "vault.db")
    assert store.empty_log()
    store.close()
    return state


def edit(state, *statements):
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        for statement in statements:
            connection.execute(statement)
    store.close()


def outcome(state, tenant, key):
    vault = make_vault(state)
    try:
        return vault.get(tenant, key)
    except CodesparError as error:
        return error
    finally:
        vault.close()


SWAPS = {
    "values of two keys": (
        (
            "UPDATE version SET sealed = (SELECT sealed FROM version WHERE tenant = 1 AND key = x'42' AND version = 2)"
            " WHERE tenant = 1 AND key = x'41' AND version = 2"
        ),
    ),
    "values of two versions": (
        (
            "UPDATE version SET sealed = (SELECT v.sealed FROM version v WHERE v.tenant = version.tenant"
            " AND v.key = version.key AND v.version = 1) WHERE version = 2"
        ),
    ),
    "values of two tenants": (
        (
            "UPDATE version SET sealed = (SELECT v.sealed FROM version v WHERE v.tenant = 3 - version.tenant"
            " AND v.key = version.key AND v.version = version.version)"
        ),
    ),
    "all rows of two tenants": ("UPDATE version SET tenant = tenant + 10", "UPDATE version SET tenant = 13 - tenant"),
    "rows and data keys of two tenants": (
        "UPDATE version SET tenant = tenant + 10",
        "UPDATE version SET tenant = 13 - tenant",
        "UPDATE dek SET tenant = tenant + 10",
        "UPDATE dek SET tenant = 13 - tenant",
    ),
    "names of two tenants": (
        "UPDATE tenant SET name = CAST(name || x'00' AS BLOB)",
        "UPDATE tenant SET name = CASE id WHEN 1 THEN CAST('globex' AS BLOB) ELSE CAST('acme' AS BLOB) END",
    ),
    "version numbers": (
        "UPDATE version SET version = version + 10",
        "UPDATE version SET version = 13 - version",
    ),
    "names of two keys": (
        "UPDATE version SET key = CAST(key || x'00' AS BLOB)",
        "UPDATE version SET key = CASE key WHEN x'4100' THEN x'42' ELSE x'41' END",
    ),
    "wrapped data keys": ("UPDATE dek SET wrapped = (SELECT d.wrapped FROM dek d WHERE d.tenant = 3 - dek.tenant)",),
    "commitments": ("UPDATE dek SET commitment = (SELECT d.commitment FROM dek d WHERE d.tenant = 3 - dek.tenant)",),
    "manifests": ("UPDATE tenant SET mac = (SELECT t.mac FROM tenant t WHERE t.id = 3 - tenant.id)",),
}
EDITS = {
    "the newest version deleted": ("DELETE FROM version WHERE version = 2",),
    "every version deleted": ("DELETE FROM version",),
    "data keys deleted": ("DELETE FROM dek",),
    "tenants deleted": ("DELETE FROM version", "DELETE FROM dek", "DELETE FROM tenant"),
    "the header deleted": ("DELETE FROM header",),
    "everything deleted": (
        *(f"DELETE FROM {name}" for name in ("header", "version", "dek", "tenant", "chain")),
        "UPDATE chain_head SET seq = 0, hash = zeroblob(32)",
    ),
    "a version undeleted or hidden": ("UPDATE version SET state = 1 WHERE version = 2",),
    "an expiry moved": ("UPDATE version SET expires_at = 1",),
    "a creation moved": ("UPDATE version SET created_at = created_at + 1",),
    "a grace ended early": ("UPDATE version SET retires_at = 1",),
    "a note added": ("UPDATE version SET note = x'41'",),
    "a value emptied": ("UPDATE version SET sealed = NULL",),
    "a value cut": ("UPDATE version SET sealed = substr(sealed, 1, 20)",),
    "a generation invented": ("UPDATE version SET generation = 2",),
    "the counter turned back": ("UPDATE dek SET encryptions = 0",),
    "the epoch turned back": ("UPDATE header SET epoch = epoch - 1",),
    "the KEK version turned back": ("UPDATE header SET kek_version = 0",),
}


@pytest.mark.parametrize("statements", (SWAPS | EDITS).values(), ids=(SWAPS | EDITS).keys())
def test_what_was_swapped_edited_or_deleted_is_an_integrity_error(sealed, statements):
    edit(sealed, *statements)
    found = {name: outcome(sealed, *name) for name in VALUES}
    refused = {name for name, value in found.items() if isinstance(value, IntegrityError)}
    assert refused, "somebody's rows are not theirs any more"
    assert {name: found[name] for name in VALUES.keys() - refused} == {
        name: VALUES[name] for name in VALUES.keys() - refused
    }


@pytest.mark.parametrize("statements", (SWAPS | EDITS).values(), ids=(SWAPS | EDITS).keys())
def test_a_process_that_had_read_before_notices_as_well(sealed, statements):
    vault = make_vault(sealed)
    for (tenant, key), value in VALUES.items():
        assert vault.get(tenant, key) == value
    edit(sealed, *statements)
    for (tenant, key), value in VALUES.items():
        try:
            assert vault.get(tenant, key) == value, "what was checked may still be true, nothing else"
        except IntegrityError:
            continue
    with pytest.raises(IntegrityError):
        vault.verify(actor=ME)


def test_a_tenant_put_back_whole_is_an_integrity_error(sealed, tmp_path):
    earlier = tmp_path / "earlier.db"
    shutil.copy(sealed / "vault.db", earlier)
    vault = make_vault(sealed)
    vault.replace("acme", "A", "withdrawn", actor=ME)
    vault.close()
    connection = apsw.Connection(str(sealed / "vault.db"))
    connection.execute("ATTACH ? AS earlier", (str(earlier),))
    for table in ("version", "dek"):
        connection.execute(f"DELETE FROM main.{table} WHERE tenant = 1")
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM earlier.{table} WHERE tenant = 1")
    connection.execute("DELETE FROM main.tenant WHERE id = 1")
    connection.execute("INSERT INTO main.tenant SELECT * FROM earlier.tenant WHERE id = 1")
    connection.close()
    assert isinstance(outcome(sealed, "acme", "A"), IntegrityError)


def test_the_whole_file_put_back_is_noticed_beside_its_mark(sealed, tmp_path):
    shutil.copy(sealed / "vault.db", tmp_path / "earlier.db")
    running = make_vault(sealed)
    running.replace("acme", "A", "newer", actor=ME)
    assert VaultStore(sealed / "vault.db").empty_log()
    for path in sealed.glob("vault.db-*"):
        path.unlink()
    shutil.copy(tmp_path / "earlier.db", sealed / "vault.db")
    found = outcome(sealed, "acme", "A")
    assert isinstance(found, IntegrityError)
    assert "back in time" in str(found)
    (sealed / "vault.db.epoch").unlink()
    assert outcome(sealed, "acme", "A") == VALUES["acme", "A"], "restoring on purpose is possible, as the hint says"


def test_another_vault_in_its_place_is_noticed(sealed, tmp_path):
    other = make_vault(tmp_path / "other")
    other.set("acme", "A", "planted")
    other.close()
    assert VaultStore(tmp_path / "other" / "vault.db").empty_log()
    shutil.copy(tmp_path / "other" / "vault.db", sealed / "vault.db")
    assert isinstance(outcome(sealed, "acme", "A"), IntegrityError)


@pytest.mark.parametrize("part", [0, 1, 50, 100, 512, 4096, 5000, 0.5, 0.9, -1])
def test_a_truncated_file_is_an_error(sealed, part):
    path = sealed / "vault.db"
    data = path.read_bytes()
    size = int(len(data) * part) if isinstance(part, float) else part
    path.write_bytes(data[:size])
    for name, value in VALUES.items():
        found = outcome(sealed, *name)
        assert isinstance(found, IntegrityError | StoreError) or (part == -1 and found == value)


def flip(sealed, flips):
    """Flip one bit at a time, given as (offset, bit), look everything up; answer how often it was told."""
    path = sealed / "vault.db"
    sound = {path: path.read_bytes() for path in sealed.iterdir() if path.suffix in {".db", ".lock", ".epoch"}}
    told = 0
    for offset, bit in flips:
        for name in sealed.iterdir():
            if name not in sound:
                name.unlink()
        flipped = bytearray(sound[path])
        flipped[offset] ^= 1 << bit
        for name, data in sound.items():
            name.write_bytes(bytes(flipped) if name == path else data)
        for (tenant, key), value in VALUES.items():
            found = outcome(sealed, tenant, key)
            # The database's own header says that a file is of a newer schema, or may not be written.
            allowed = (IntegrityError, StoreError) if offset < 100 else (IntegrityError,)
            assert found == value or isinstance(found, allowed), (offset, bit, found)
            told += found != value
    return told


def test_flipped_bytes_give_the_right_value_or_an_error(sealed):
    size = (sealed / "vault.db").stat().st_size
    chance = random.Random(11)
    offsets = sorted({*range(0, 100, 3), *(chance.randrange(size) for _ in range(300))})
    assert flip(sealed, [(offset, chance.randrange(8)) for offset in offsets]) > 0


@pytest.mark.slow
def test_every_bit_that_is_not_empty_space_gives_the_right_value_or_an_error(sealed):
    data = (sealed / "vault.db").read_bytes()
    # Free space inside pages is zero; of a run of it a sample will do.
    flips = [(at, bit) for at, byte in enumerate(data) for bit in range(8) if byte or at % 97 == bit]
    assert flip(sealed, flips) > 10_000


def test_flipped_bytes_of_the_mark_lock_nobody_out_but_never_lie(sealed):
    mark = sealed / "vault.db.epoch"
    sound = mark.read_bytes()
    for offset in range(len(sound)):
        mark.write_bytes(bytes(byte ^ (255 if at == offset else 0) for at, byte in enumerate(sound)))
        assert outcome(sealed, "acme", "A") == VALUES["acme", "A"]


def test_a_mark_that_cannot_be_kept_does_not_stop_the_vault(sealed):
    (sealed / "vault.db.epoch").unlink()
    (sealed / "vault.db.epoch").symlink_to("elsewhere")
    vault = make_vault(sealed)
    vault.set("acme", "A", "new")
    assert make_vault(sealed).get("acme", "A") == "new"
    assert not (sealed / "elsewhere").exists()


def test_damage_is_a_corrupt_store(sealed):
    path = sealed / "vault.db"
    path.write_bytes(b"not a database" + path.read_bytes()[14:])
    assert isinstance(outcome(sealed, "acme", "A"), StoreCorrupt)
