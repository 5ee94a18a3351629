"""Rows put back from an old copy, and the mark beside the file: what is found, and what is said of it."""

import json
import os
import threading

import apsw
import pytest
from vault_kit import make_vault

from codespar_cli.errors import IntegrityError
from codespar_cli.plugins.secrets import revision
from codespar_cli.plugins.secrets.high_water import HighWater
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
ROWS = ("header", "tenant", "dek", "version", "access")


def replay(state, tmp_path):
    """A vault whose rows are from before its last change, and whose record is from after it."""
    vault = make_vault(state)
    vault.set("acme", "A", "v1")
    VaultStore(state / "vault.db").query("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    vault.set("acme", "A", "v2")
    vault.close()
    connection = apsw.Connection(str(state / "vault.db"))
    connection.execute("ATTACH ? AS earlier", (str(tmp_path / "copy.db"),))
    connection.execute("BEGIN IMMEDIATE")
    for table in ROWS:
        connection.execute(f"DELETE FROM main.{table}")
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM earlier.{table}")
    connection.execute("COMMIT")
    connection.close()
    (state / "vault.db.epoch").unlink()


@pytest.mark.parametrize(
    "act",
    [
        lambda vault: vault.get("acme", "A"),
        lambda vault: vault.get("acme", "none"),
        lambda vault: vault.history("acme", "none", actor=ME),
        lambda vault: vault.set("acme", "A", "v3"),
        lambda vault: vault.put_all("acme", {"B": "w"}, actor=ME),
        lambda vault: vault.rotate_master(actor=ME),
        lambda vault: vault.verify(actor=ME),
    ],
    ids=["get", "get of none", "history", "set", "import", "rotate", "verify"],
)
def test_old_rows_beside_a_newer_record_are_refused(state, tmp_path, act):
    replay(state, tmp_path)
    with pytest.raises(IntegrityError):
        act(make_vault(state))
    assert make_vault(state).health().state == "error"
    with pytest.raises(IntegrityError):
        make_vault(state).verify(actor=ME)


def test_old_rows_of_format_1_are_found_by_verify_even_after_a_change(state, tmp_path, monkeypatch):
    monkeypatch.setattr(revision, "FORMAT", 1)
    replay(state, tmp_path)
    monkeypatch.undo()
    make_vault(state).set("acme", "A", "v3")
    with pytest.raises(IntegrityError, match="back in time"):
        make_vault(state).verify(actor=ME)


def test_changes_with_several_records_share_an_epoch_and_verify(state, clock):
    vault = make_vault(state, clock=clock)
    vault.put_all("acme", {"A": "1", "B": "2"}, actor=ME)
    vault.put_all("acme", {"A": "3", "B": "4"}, on_conflict="replace", actor=ME)
    for key in "AB":
        vault.replace("acme", key, "next", actor=ME)
    clock.advance("2d")
    vault.verify(actor=ME)
    vault.delete("acme", "B", actor=ME)
    vault.rotate_master(actor=ME)
    make_vault(state, clock=clock).verify(actor=ME)


def test_health_does_not_take_a_writer_meanwhile_for_an_old_copy(state, monkeypatch):
    writer = make_vault(state)
    writer.set("acme", "A", "v1")
    check = HighWater.check

    def late(self, header, *mark):
        # Whoever is about to be checked has its snapshot; somebody else commits, and moves the mark.
        if threading.current_thread() is threading.main_thread() and not late.done:
            late.done = True
            other = threading.Thread(target=lambda: writer.set("acme", "A", "v2"))
            other.start()
            other.join()
        return check(self, header, *mark)

    late.done = False
    looker = make_vault(state)
    monkeypatch.setattr(HighWater, "check", late)
    assert (looker.health().state, late.done) == ("ok", True)


@pytest.mark.parametrize("table", ["version", "dek", "access"])
def test_a_new_tenant_is_not_made_over_rows_that_stand_in_its_place(state, table):
    vault = make_vault(state)
    vault.put("acme", "A", "v1", agents=["a"], actor=ME)
    vault.close()
    connection = apsw.Connection(str(state / "vault.db"))
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    rest = ", ".join(names[1:])
    connection.execute(f"INSERT INTO {table} (tenant, {rest}) SELECT 2, {rest} FROM {table}")
    connection.close()
    with pytest.raises(IntegrityError):
        make_vault(state).set("globex", "A", "w")
    assert make_vault(state).get("globex", "A") is None
    assert make_vault(state).get("acme", "A") == "v1"


def missing(mark):
    mark.unlink()


def directory(mark):
    mark.unlink()
    mark.mkdir()


def link(mark):
    mark.rename(mark.with_name("elsewhere"))
    mark.symlink_to("elsewhere")


def pipe(mark):
    mark.unlink()
    os.mkfifo(mark, 0o600)


def open_to_others(mark):
    mark.chmod(0o644)


def cut(mark):
    mark.write_bytes(b"short")


@pytest.mark.parametrize("spoil", [missing, directory, link, pipe, open_to_others, cut])
def test_a_mark_that_is_of_no_use_is_told_of_and_mended(state, spoil):
    vault = make_vault(state)
    vault.set("acme", "A", "v1")
    assert vault.verify(actor=ME).warnings == ()
    spoil(state / "vault.db.epoch")
    health = make_vault(state).health()
    assert (health.state, "vault.db.epoch" in health.message) == ("warning", True)
    (warning,) = vault.verify(actor=ME).warnings
    assert "vault.db.epoch" in warning
    vault.set("acme", "A", "v2")
    assert make_vault(state).health().state == "ok"
    assert vault.verify(actor=ME).warnings == ()
    assert (state / "vault.db.epoch").stat().st_mode & 0o777 == 0o600


def test_the_mark_is_as_specified(state):
    import hashlib

    make_vault(state).set("acme", "A", "v1")
    ((vault_id, epoch),) = VaultStore(state / "vault.db").query("SELECT vault_id, epoch FROM header")
    body = vault_id + epoch.to_bytes(8, "big")
    assert (state / "vault.db.epoch").read_bytes() == body + hashlib.sha256(body).digest()[:8]


def test_the_epochs_on_record_grow_by_one(state):
    vault = make_vault(state)
    vault.set("acme", "A", "v1")
    vault.get("acme", "A")
    vault.set("acme", "A", "v2")
    bodies = [json.loads(body) for (body,) in VaultStore(state / "vault.db").query("SELECT body FROM chain")]
    assert [body["epoch"] for body in bodies if "epoch" in body] == [1, 2, 3]
