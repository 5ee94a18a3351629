"""Whoever can write the file, but has no key, can make the vault refuse; never lie."""

import random
import shutil
from datetime import timedelta

import apsw
import pytest
from vault_kit import make_vault

from codespar_cli.core.hooks import CallContext, ToolCall
from codespar_cli.errors import CodesparError, IntegrityError, NotFoundError, SecretDenied, StoreCorrupt, StoreError
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
WORDS = "correct horse battery staple"
VALUES = {
    ("acme", "A"): "acme's a",
    ("acme", "B"): "acme's b",
    ("globex", "A"): "globex's a",
    ("globex", "B"): "globex's b",
}
TABLES = ("header", "tenant", "dek", "version", "access", "chain", "chain_head")
_stretched = {}


@pytest.fixture(autouse=True)
def remembered(monkeypatch):
    """Argon2id as it is, but computed once for the same salt and costs: a vault is opened here thousands of times."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    class Remembered:
        def __init__(self, **costs):
            self._costs = costs

        def derive(self, text):
            place = (text, *sorted(self._costs.items()))
            if place not in _stretched:
                _stretched[place] = Argon2id(**self._costs).derive(text)
            return _stretched[place]

    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", Remembered)


def opened(state):
    return make_vault(state, WORDS, master_key="passphrase:env:VAULT_MASTER_KEY")


@pytest.fixture
def sealed(state, clock):
    """All that format 2 can hold, in the main file: two tenants under a passphrase, each key in two versions, grants, notes
    and due dates, versions in grace, deleted and destroyed, data keys of a second generation.
    """
    vault = opened(state)
    for (tenant, key), value in VALUES.items():
        vault.set(tenant, key, value + " before")
        vault.set(tenant, key, value)
    vault.rotate_values(actor=ME)
    for tenant in ("acme", "globex"):
        vault.put(tenant, "R", "first", note="why", expires_at=clock() + timedelta(days=9), actor=ME)
        vault.replace(tenant, "R", f"{tenant}'s r", actor=ME)
        for key in ("D", "X"):
            vault.set(tenant, key, "hidden or erased")
        vault.delete(tenant, "D", actor=ME)
        vault.destroy(tenant, "X", actor=ME)
        vault.grant(tenant, "A", agents=[f"{tenant}-*"], tools=["stripe/**"], actor=ME)
        vault.grant(tenant, "B", agents=[], actor=ME)
    store = VaultStore(state / "vault.db")
    assert {table for table in TABLES if not store.query(f"SELECT 1 FROM {table}")} == set()
    assert store.query("SELECT format, kdf IS NOT NULL, min(generation) FROM header, dek")[0] == (2, 1, 2)
    assert {state for (state,) in store.query("SELECT state FROM version")} == {0, 1, 2}
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
    vault = opened(state)
    try:
        return vault.get(tenant, key)
    except CodesparError as error:
        return error
    finally:
        vault.close()


def asked(act):
    try:
        return act()
    except (SecretDenied, NotFoundError) as error:
        return error.code
    except CodesparError as error:
        return error


def everything(state):
    """What one new process is told of each key: the value, to whom it is given, and what is known of every version."""
    vault, found = opened(state), {}
    for tenant in ("acme", "globex"):
        for key in "ABRDX":
            for agent in ("acme-1", "mallory"):
                call = ToolCall(agent, "stripe/charge", None, CallContext(tenant=tenant))
                found[tenant, key, agent] = asked(lambda: vault.get(tenant, key, call=call))  # noqa: B023  asked at once
            found[tenant, key, "value"] = asked(lambda: vault.get(tenant, key))  # noqa: B023
            found[tenant, key, "facts"] = asked(lambda: vault.history(tenant, key, actor=ME))  # noqa: B023
    vault.close()
    return found


def test_the_sound_file_tells_what_it_should(sealed):
    found = everything(sealed)
    assert {name: found[*name, "value"] for name in VALUES} == VALUES
    assert (found["acme", "R", "value"], found["acme", "D", "value"], found["acme", "X", "value"]) == (
        "acme's r",
        None,
        None,
    )
    told = {name[:2]: found[name] for name in found if name[2] == "acme-1"}
    assert told["acme", "A"] == "acme's a"
    assert {told[name] for name in (("acme", "B"), ("globex", "A"), ("globex", "B"))} == {"secret_denied"}
    assert [one.state for one in found["acme", "R", "facts"]] == ["current", "previous"]


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
        "UPDATE version SET key = CAST(key || x'00' AS BLOB) WHERE key IN (x'41', x'42')",
        "UPDATE version SET key = CASE key WHEN x'4100' THEN x'42' ELSE x'41' END WHERE length(key) = 2",
    ),
    "wrapped data keys": ("UPDATE dek SET wrapped = (SELECT d.wrapped FROM dek d WHERE d.tenant = 3 - dek.tenant)",),
    "commitments": ("UPDATE dek SET commitment = (SELECT d.commitment FROM dek d WHERE d.tenant = 3 - dek.tenant)",),
    "grants of two keys": (
        "UPDATE access SET key = CAST(key || x'00' AS BLOB)",
        "UPDATE access SET key = CASE key WHEN x'4100' THEN x'42' ELSE x'41' END",
    ),
    "grants of two tenants": ("UPDATE access SET tenant = tenant + 10", "UPDATE access SET tenant = 13 - tenant"),
    "one key's grants of two tenants": (
        "UPDATE access SET tenant = tenant + 10 WHERE key = x'41'",
        "UPDATE access SET tenant = 13 - tenant WHERE key = x'41'",
    ),
    "agents and tools": ("UPDATE access SET agents = tools, tools = agents WHERE key = x'41'",),
    "grants with everything else of two tenants": (
        *(f"UPDATE {table} SET tenant = tenant + 10" for table in ("version", "dek", "access")),
        *(f"UPDATE {table} SET tenant = 13 - tenant" for table in ("version", "dek", "access")),
    ),
    "manifests": ("UPDATE tenant SET mac = (SELECT t.mac FROM tenant t WHERE t.id = 3 - tenant.id)",),
}
EDITS = {
    "the newest version deleted": ("DELETE FROM version WHERE version = 2",),
    "every version deleted": ("DELETE FROM version",),
    "data keys deleted": ("DELETE FROM dek",),
    "tenants deleted": tuple(f"DELETE FROM {table}" for table in ("version", "dek", "access", "tenant")),
    "one tenant deleted": (
        *(f"DELETE FROM {table} WHERE tenant = 2" for table in ("version", "dek", "access")),
        "DELETE FROM tenant WHERE id = 2",
    ),
    "every grant deleted": ("DELETE FROM access",),
    "one grant deleted": ("DELETE FROM access WHERE tenant = 1 AND key = x'42'",),
    "a grant widened": ("UPDATE access SET agents = NULL",),
    "a grant added": ("INSERT INTO access VALUES (1, x'52', NULL, NULL)",),
    "a grant under a key there is not": ("INSERT INTO access VALUES (2, x'5A', NULL, x'')",),
    "a deleted version shown": ("UPDATE version SET state = 0 WHERE state = 1",),
    "a grace lengthened": ("UPDATE version SET retires_at = retires_at + 1000000 WHERE retires_at IS NOT NULL",),
    "a destroyed version filled": (
        (
            "UPDATE version SET state = 0, sealed = (SELECT v.sealed FROM version v WHERE v.tenant = version.tenant"
            " AND v.key = x'41' AND v.version = 2) WHERE key = x'58'"
        ),
    ),
    "the passphrase's costs gone": ("UPDATE header SET kdf = NULL",),
    "the passphrase's salt changed": ("UPDATE header SET kdf = CAST(substr(kdf, 1, 20) || randomblob(56) AS BLOB)",),
    "the header deleted": ("DELETE FROM header",),
    "everything deleted": (
        *(f"DELETE FROM {name}" for name in ("header", "version", "dek", "access", "tenant", "chain")),
        "UPDATE chain_head SET seq = 0, hash = zeroblob(32)",
    ),
    "a version undeleted or hidden": ("UPDATE version SET state = 1 WHERE version = 2",),
    "an expiry moved": ("UPDATE version SET expires_at = 1",),
    "a creation moved": ("UPDATE version SET created_at = created_at + 1",),
    "a grace ended early": ("UPDATE version SET retires_at = 1",),
    "a note added": ("UPDATE version SET note = x'41'",),
    "a value emptied": ("UPDATE version SET sealed = NULL",),
    "a value cut": ("UPDATE version SET sealed = substr(sealed, 1, 20)",),
    "a generation invented": ("UPDATE version SET generation = 3",),
    "the counter turned back": ("UPDATE dek SET encryptions = 0",),
    "the epoch turned back": ("UPDATE header SET epoch = epoch - 1",),
    "the KEK version turned back": ("UPDATE header SET kek_version = 0",),
}


@pytest.mark.parametrize("statements", (SWAPS | EDITS).values(), ids=(SWAPS | EDITS).keys())
def test_what_was_swapped_edited_or_deleted_is_an_integrity_error(sealed, statements):
    sound = everything(sealed)
    edit(sealed, *statements)
    found = everything(sealed)
    refused = {name for name, told in found.items() if isinstance(told, IntegrityError)}
    assert refused, "somebody's rows are not theirs any more"
    assert {name: found[name] for name in found.keys() - refused} == {
        name: sound[name] for name in sound.keys() - refused
    }


@pytest.mark.parametrize("statements", (SWAPS | EDITS).values(), ids=(SWAPS | EDITS).keys())
def test_a_process_that_had_read_before_notices_as_well(sealed, statements):
    vault = opened(sealed)
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
    vault = opened(sealed)
    vault.replace("acme", "A", "withdrawn", actor=ME)
    vault.close()
    connection = apsw.Connection(str(sealed / "vault.db"))
    connection.execute("ATTACH ? AS earlier", (str(earlier),))
    for table in ("version", "dek", "access"):
        connection.execute(f"DELETE FROM main.{table} WHERE tenant = 1")
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM earlier.{table} WHERE tenant = 1")
    connection.execute("DELETE FROM main.tenant WHERE id = 1")
    connection.execute("INSERT INTO main.tenant SELECT * FROM earlier.tenant WHERE id = 1")
    connection.close()
    assert isinstance(outcome(sealed, "acme", "A"), IntegrityError)


@pytest.mark.parametrize("change", ["changed", "widened", "of another tenant"])
def test_a_grant_put_back_as_it_was_is_an_integrity_error(sealed, tmp_path, change):
    earlier = tmp_path / "earlier.db"
    vault = opened(sealed)
    if change == "widened":
        vault.grant("acme", "B", agents=["**"], actor=ME)
        assert VaultStore(sealed / "vault.db").empty_log()
    shutil.copy(sealed / "vault.db", earlier)
    where = "tenant = 2 AND key = x'41'" if change == "of another tenant" else "tenant = 1 AND key = x'42'"
    vault.grant("acme", "B", agents=["nobody-else"], actor=ME)
    vault.grant("globex", "A", agents=["nobody-else"], actor=ME)
    tenant, key = ("globex", "A") if change == "of another tenant" else ("acme", "B")
    assert vault.get(tenant, key) == VALUES[tenant, key]
    connection = apsw.Connection(str(sealed / "vault.db"))
    connection.execute("ATTACH ? AS earlier", (str(earlier),))
    connection.execute(f"INSERT OR REPLACE INTO main.access SELECT * FROM earlier.access WHERE {where}")
    connection.close()
    for agent in ("mallory", "acme-1", "nobody-else"):
        call = ToolCall(agent, "stripe/charge", None, CallContext(tenant=tenant))
        with pytest.raises(IntegrityError):
            opened(sealed).get(tenant, key, call=call)
    # Who had checked the tenant goes on by what was checked, and a full check finds it.
    call = ToolCall("mallory", "stripe/charge", None, CallContext(tenant=tenant))
    with pytest.raises(SecretDenied):
        vault.get(tenant, key, call=call)
    with pytest.raises(IntegrityError):
        vault.verify(actor=ME)


def test_the_whole_file_put_back_is_noticed_beside_its_mark(sealed, tmp_path):
    shutil.copy(sealed / "vault.db", tmp_path / "earlier.db")
    running = opened(sealed)
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
    other = opened(tmp_path / "other")
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


def cut(sealed, lengths):
    """Cut the file to each length and ask for everything: the right answer, or an error. Answers how many told."""
    path = sealed / "vault.db"
    right = everything(sealed)
    assert VaultStore(path).empty_log()
    told = 0
    sound = {path: path.read_bytes() for path in sealed.iterdir() if path.suffix in {".db", ".lock", ".epoch"}}
    for length in lengths:
        put_back(sealed, sound, path, sound[path][:length])
        for name, found in everything(sealed).items():
            assert found == right[name] or isinstance(found, IntegrityError | StoreError), (length, name, found)
        told += found != right[name]
    return told


def test_a_file_cut_at_and_beside_every_page_lies_about_nothing(sealed):
    size = (sealed / "vault.db").stat().st_size
    chance = random.Random(12)
    near = {page + off for page in range(0, size, 4096) for off in (-1, 0, 1)} - {-1}
    lengths = sorted(near | {size - 1} | {chance.randrange(size) for _ in range(40)})
    # SQLite takes a last page that is short for one of zeros; whoever does not need it has the right answer.
    assert cut(sealed, lengths) >= sum(length <= size - 4096 for length in lengths)


@pytest.mark.slow
def test_a_file_cut_anywhere_lies_about_nothing(sealed):
    size = (sealed / "vault.db").stat().st_size
    assert cut(sealed, range(size)) > size - 4096


def flip(sealed, flips):
    """Flip one bit at a time, given as (offset, bit), look everything up; answer how often it was told."""
    path = sealed / "vault.db"
    right = everything(sealed)
    assert VaultStore(sealed / "vault.db").empty_log()
    sound = {path: path.read_bytes() for path in sealed.iterdir() if path.suffix in {".db", ".lock", ".epoch"}}
    told = 0
    for offset, bit in flips:
        flipped = bytearray(sound[path])
        flipped[offset] ^= 1 << bit
        put_back(sealed, sound, path, bytes(flipped))
        # The database's own header says that a file is of a newer schema, or may not be written.
        allowed = (IntegrityError, StoreError) if offset < 100 else (IntegrityError,)
        for name, found in everything(sealed).items():
            assert found == right[name] or isinstance(found, allowed), (offset, bit, name, found)
            told += found != right[name]
    return told


def put_back(sealed, sound, path, data):
    """Every file as it was, but `path` with other bytes in it."""
    for name in sealed.iterdir():
        if name not in sound:
            name.unlink()
    for name, bytes_ in sound.items():
        name.write_bytes(data if name == path else bytes_)


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
    vault = opened(sealed)
    vault.set("acme", "A", "new")
    assert opened(sealed).get("acme", "A") == "new"
    assert not (sealed / "elsewhere").exists()


def test_damage_is_a_corrupt_store(sealed):
    path = sealed / "vault.db"
    path.write_bytes(b"not a database" + path.read_bytes()[14:])
    assert isinstance(outcome(sealed, "acme", "A"), StoreCorrupt)
