"""Versions brought back, hidden, shown again and erased."""

import traceback
from datetime import timedelta

import pytest
from vault_kit import raw_bytes

from codespar_cli.errors import IntegrityError, NotFoundError, SecretError, VersionRetired, WriteConflict
from codespar_cli.plugins.secrets.envelope import SealLimits
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.storage import chain

ME = "tester"


def states(vault, key="K"):
    return {facts.version: facts.state for facts in vault.history("acme", key, actor=ME)}


def acts(state):
    store = VaultStore(state / "vault.db")
    with store.read() as connection:
        found = [(r.kind, r.body["outcome"], r.body.get("code")) for r in chain.read(connection)]
    store.close()
    return found


def sealed_rows(state):
    store = VaultStore(state / "vault.db")
    found = {row[0]: bytes(row[1]) for row in store.query("SELECT version, sealed FROM version WHERE sealed NOT NULL")}
    store.close()
    return found


@pytest.fixture
def three(vault):
    for number in (1, 2, 3):
        vault.put("acme", "K", f"v{number}", note=f"n{number}", actor=ME)
    return vault


# ── rollback ──


def test_rolling_back_makes_a_new_version_with_the_old_value(three, open_vault, clock):
    expires = clock() + timedelta(days=3)
    three.put("acme", "K", "v4", expires_at=expires, note="n4", actor=ME)
    three.put("acme", "K", "v5", actor=ME)
    made = three.rollback("acme", "K", to=4, actor=ME)
    assert (made.version, made.state, made.note, made.expires_at) == (6, "current", "n4", expires)
    assert made.fingerprint == three.describe("acme", "K", version=4, actor=ME).fingerprint
    for reader in (three, open_vault()):
        assert reader.get("acme", "K") == "v4"
        assert reader.fetch("acme", "K", version=5, actor=ME).reveal() == "v5", "history is never rewritten"
    assert states(three) == {1: "previous", 2: "previous", 3: "previous", 4: "previous", 5: "previous", 6: "current"}
    three.verify(actor=ME)


def test_a_version_in_grace_comes_back_without_its_end(vault, clock):
    vault.set("acme", "K", "v1")
    vault.replace("acme", "K", "v2", grace=timedelta(hours=1), actor=ME)
    assert vault.rollback("acme", "K", to=1, actor=ME).retires_at is None
    clock.advance("2h")
    assert vault.get("acme", "K") == "v1"
    with pytest.raises(VersionRetired):
        vault.fetch("acme", "K", version=1, actor=ME)
    with pytest.raises(VersionRetired):
        vault.rollback("acme", "K", to=1, actor=ME)


@pytest.mark.parametrize(("to", "error"), [(3, WriteConflict), (4, NotFoundError), (0, NotFoundError)])
def test_what_cannot_be_rolled_back_to_changes_nothing_and_is_on_record(three, state, to, error):
    with pytest.raises(error) as caught:
        three.rollback("acme", "K", to=to, actor=ME)
    assert "history K" in caught.value.hint
    assert states(three)[3] == "current"
    assert acts(state)[-2] == (
        "secret.rollback", "missing" if error is NotFoundError else "refused", caught.value.code
    )  # fmt: skip


def test_nothing_is_rolled_back_that_is_deleted_or_not_there(three):
    three.delete("acme", "K", actor=ME)
    for name in (("acme", "K"), ("acme", "none"), ("nobody", "K")):
        with pytest.raises(NotFoundError):
            three.rollback(*name, to=1, actor=ME)


def test_a_rollback_is_counted_against_the_data_key(state, clock, open_vault):
    made = open_vault()
    vault = SecretsVault(made._session.store, made._session.ring, clock=clock, limits=SealLimits(2, 3))
    vault.set("acme", "K", "v1")
    vault.set("acme", "K", "v2")
    assert vault.rollback("acme", "K", to=1, actor=ME).advice
    with pytest.raises(SecretError) as caught:
        vault.rollback("acme", "K", to=2, actor=ME)
    assert caught.value.code == "data_key_exhausted"
    assert vault.get("acme", "K") == "v1"


# ── delete, undelete ──


def test_undelete_shows_again_what_delete_hid(three, open_vault):
    three.delete("acme", "K", actor=ME)
    assert three.undelete("acme", "K", actor=ME) == 3
    for reader in (three, open_vault()):
        assert reader.get("acme", "K") == "v3"
        assert reader.fetch("acme", "K", version=1, actor=ME).reveal() == "v1"
    assert states(three) == {1: "previous", 2: "previous", 3: "current"}
    with pytest.raises(NotFoundError, match="no deleted version"):
        three.undelete("acme", "K", actor=ME)
    three.verify(actor=ME)


def test_what_was_deleted_before_a_new_value_comes_back_behind_it(three):
    three.delete("acme", "K", actor=ME)
    three.put("acme", "K", "v4", cas=0, actor=ME)
    assert states(three) == {1: "deleted", 2: "deleted", 3: "deleted", 4: "current"}
    assert three.undelete("acme", "K", actor=ME) == 3
    assert three.get("acme", "K") == "v4"
    assert three.fetch("acme", "K", version=3, actor=ME).reveal() == "v3"


def test_a_deleted_version_whose_grace_ended_does_not_come_back(vault, clock):
    vault.set("acme", "K", "v1")
    vault.replace("acme", "K", "v2", grace=timedelta(hours=1), actor=ME)
    vault.delete("acme", "K", actor=ME)
    clock.advance("1h")
    assert vault.undelete("acme", "K", actor=ME) == 1
    assert states(vault) == {1: "destroyed", 2: "current"}


# ── destroy ──


def test_destroyed_values_are_gone_from_every_file(three, open_vault, state):
    sealed = sealed_rows(state)
    assert three.destroy("acme", "K", actor=ME) == (3, True)
    remains = raw_bytes(state)
    assert [version for version, bytes_ in sealed.items() if bytes_ in remains] == []
    for reader in (three, open_vault()):
        assert reader.get("acme", "K") is None
        assert reader.entries("acme", actor=ME) == []
        with pytest.raises(VersionRetired, match="was destroyed"):
            reader.fetch("acme", "K", version=2, actor=ME)
        assert [f.fingerprint for f in reader.history("acme", "K", actor=ME)] == [None] * 3
    assert set(states(three).values()) == {"destroyed"}
    for act in (three.undelete, three.destroy, three.delete):
        with pytest.raises(NotFoundError):
            act("acme", "K", actor=ME)
    assert ("secret.destroy", "ok", None) in acts(state)
    assert three.put("acme", "K", "v4", cas=0, actor=ME).version == 4, "numbers are never used again"
    three.verify(actor=ME)


def test_one_version_can_be_destroyed_alone(three, state):
    sealed = sealed_rows(state)
    assert three.destroy("acme", "K", version=2, actor=ME).versions == 1
    remains = raw_bytes(state)
    assert [version for version, bytes_ in sealed.items() if bytes_ in remains] == [1, 3]
    assert states(three) == {1: "previous", 2: "destroyed", 3: "current"}
    assert three.get("acme", "K") == "v3"
    with pytest.raises(NotFoundError, match="no version 2"):
        three.destroy("acme", "K", version=2, actor=ME)
    with pytest.raises(NotFoundError, match="no version 9"):
        three.destroy("acme", "K", version=9, actor=ME)


def test_with_the_current_version_destroyed_there_is_none_until_one_is_brought_back(three):
    three.destroy("acme", "K", version=3, actor=ME)
    assert three.get("acme", "K") is None
    assert three.fetch("acme", "K", version=2, actor=ME).reveal() == "v2"
    assert [facts.state for facts in three.entries("acme", actor=ME)] == ["destroyed"]
    assert three.rollback("acme", "K", to=2, actor=ME).version == 4
    assert three.get("acme", "K") == "v2"


def test_deleted_versions_can_be_destroyed(three, state):
    sealed = sealed_rows(state)
    three.delete("acme", "K", actor=ME)
    assert three.destroy("acme", "K", actor=ME).versions == 3
    assert not any(bytes_ in raw_bytes(state) for bytes_ in sealed.values())


def test_bytes_that_a_reader_kept_in_the_log_leave_at_the_next_opening(three, open_vault, state):
    sealed = sealed_rows(state)
    reader = VaultStore(state / "vault.db")
    with reader.read() as snapshot:
        list(snapshot.execute("SELECT count(*) FROM version"))
        assert three.destroy("acme", "K", actor=ME) == (3, False)
        assert any(bytes_ in raw_bytes(state) for bytes_ in sealed.values())
        assert not three.key_status(actor=ME).log_emptied
    reader.close()
    assert open_vault().get("acme", "K") is None
    assert not any(bytes_ in raw_bytes(state) for bytes_ in sealed.values())


def test_destruction_survives_reencryption_and_a_rewrap(three, open_vault):
    three.destroy("acme", "K", version=1, actor=ME)
    three.rotate_values(actor=ME)
    three.rotate_master(actor=ME)
    assert states(open_vault()) == {1: "destroyed", 2: "previous", 3: "current"}
    assert open_vault().get("acme", "K") == "v3"


WRITES = {
    "set": lambda vault, value: vault.set("acme", "K", value),
    "put": lambda vault, value: vault.put("acme", "K", value, note="n", actor=ME),
    "replace": lambda vault, value: vault.replace("acme", "K", value, actor=ME),
    "rollback": lambda vault, value: vault.rollback("acme", "K", to=1, actor=ME),
    "reencrypt": lambda vault, value: vault.rotate_values(actor=ME),
    "destroy": lambda vault, value: vault.destroy("acme", "K", actor=ME),
}


@pytest.mark.parametrize(
    ("how", "name"),
    # Re-encrypting and destroying seal nothing that is counted.
    [("unrecorded", name) for name in WRITES] + [("used up", name) for name in list(WRITES)[:4]],
)
def test_a_traceback_with_locals_of_a_failing_write_shows_no_value(open_vault, state, clock, how, name):
    made = open_vault()
    vault = SecretsVault(made._session.store, made._session.ring, clock=clock, limits=SealLimits(2, 2))
    canary = "canary-" + "3f" * 8
    vault.set("acme", "K", canary)
    vault.set("acme", "K", "second")
    if how == "unrecorded":
        vault.rotate_values(actor=ME)
        VaultStore(state / "vault.db").query("UPDATE chain_head SET mac = zeroblob(32)")
    try:
        WRITES[name](vault, canary)
    except (IntegrityError, SecretError) as error:
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = [line for line in trace.format() if __file__ not in line]
    assert len(shown) > 5
    assert canary not in "".join(shown)


@pytest.mark.parametrize("act", ["rollback", "undelete", "destroy"])
def test_what_cannot_be_recorded_does_not_happen(three, state, act):
    if act == "undelete":
        three.delete("acme", "K", actor=ME)
    before = states(three)
    store = VaultStore(state / "vault.db")
    (head,) = store.query("SELECT mac FROM chain_head")
    store.query("UPDATE chain_head SET mac = zeroblob(32)")
    with pytest.raises(IntegrityError) as caught:
        getattr(three, act)("acme", "K", actor=ME, **({"to": 1} if act == "rollback" else {}))
    assert caught.value.exit_code == 5
    store.query("UPDATE chain_head SET mac = ?", head)
    store.close()
    assert states(three) == before
