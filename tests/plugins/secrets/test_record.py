"""The vault's own record: what someone who can write the file, but has no key, can do to it."""

import json
import os
import shutil

import pytest
from vault_kit import NEW, OLD, make_vault

from codespar_cli.core.clock import from_micros
from codespar_cli.errors import IntegrityError, MasterKeyWrong, NotFoundError
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.storage import chain

ME = "tester"
ROWS = "SELECT at, kind, actor, body FROM chain ORDER BY seq"
REFUSAL = (1_700_000_000_000_000, "secret.read", "nobody", {"outcome": "refused", "code": "master_key_wrong"})


def rewrite(state, edit):
    """Replace the record by what `edit` makes of its rows, with hashes and a head that fit, as anyone can."""
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        rows = [(at, kind, actor, json.loads(body)) for at, kind, actor, body in connection.execute(ROWS)]
        connection.execute("DELETE FROM chain")
        connection.execute("UPDATE chain_head SET seq = 0, hash = zeroblob(32)")
        for at, kind, actor, body in edit(rows):
            chain.append(connection, at=from_micros(at), kind=kind, actor=actor, body=body)
        chain.verify(connection, "vault")
    store.close()


def untagged(rows):
    return [(at, kind, actor, {k: v for k, v in body.items() if k != "tag"}) for at, kind, actor, body in rows]


def as_refusals(rows):
    return [(at, kind, actor, REFUSAL[3]) for at, kind, actor, _ in rows]


def one_untagged(rows):
    at, kind, actor, _ = rows[0]
    last = max(row[3].get("epoch", 0) for row in rows)
    return [(at, kind, actor, {"outcome": "ok", "epoch": last})]


def without_a_read(rows):
    place = next(number for number, row in enumerate(rows) if row[1] == "secret.read")
    return rows[:place] + untagged(rows[place + 1 :])


FORGERIES = {
    "nothing": lambda rows: [],
    "one untagged record": one_untagged,
    "no tags": untagged,
    "only refusals": as_refusals,
    "a read taken out, later tags stripped": without_a_read,
    "a read taken out, later records made refusals": lambda rows: rows[:2] + as_refusals(rows[3:]),
    "the end cut off": lambda rows: rows[:-1],
    "the end replaced by refusals": lambda rows: [*rows[:-2], REFUSAL, REFUSAL],
    "the end replaced by more refusals": lambda rows: [*rows[:-1], REFUSAL, REFUSAL],
    "a refusal put in between": lambda rows: [*rows[:-1], REFUSAL, rows[-1]],
    "an untagged act at the end": lambda rows: [*rows, (*REFUSAL[:3], {"outcome": "ok", "epoch": 99})],
    "a refusal with more to tell": lambda rows: [*rows, (*REFUSAL[:3], {**REFUSAL[3], "epoch": 99})],
    "an invented tag": lambda rows: [*rows, (*REFUSAL[:3], {**REFUSAL[3], "tag": "\u00e4" * 16})],
    "a repeated record": lambda rows: [*rows, rows[-1]],
}


@pytest.fixture
def told(state):
    """A vault with reads, a change and refusals of both kinds on record."""
    vault = make_vault(state)
    vault.set("acme", "K", "v")
    vault.fetch("acme", "K", actor="spy")
    vault.set("acme", "K", "w")
    vault.get("acme", "none")
    vault.fetch("acme", "K", actor="spy")
    vault.close()
    return state


@pytest.mark.parametrize("edit", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("used", [False, True], ids=["at once", "after further use"])
def test_a_forged_record_is_found(told, edit, used):
    rewrite(told, edit)
    if used:
        with pytest.raises(IntegrityError):
            make_vault(told).get("acme", "K")
    with pytest.raises(IntegrityError):
        make_vault(told).verify(actor=ME)


@pytest.mark.parametrize("edit", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_process_that_is_inside_does_not_vouch_for_a_forgery(told, edit):
    vault = make_vault(told)
    vault.get("acme", "K")
    rewrite(told, edit)
    with pytest.raises(IntegrityError):
        vault.get("acme", "K")
    with pytest.raises(IntegrityError):
        make_vault(told).verify(actor=ME)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain_head SET since = since + 1",
        "UPDATE chain_head SET vouched = vouched - 1",
        "UPDATE chain_head SET vouched = 0",
        "UPDATE chain_head SET mac = zeroblob(32)",
        "UPDATE chain_head SET mac = x''",
        "DELETE FROM chain_head",
        "UPDATE chain_head SET seq = seq - 1",
    ],
)
def test_what_vouches_for_the_record_cannot_be_edited(told, statement):
    VaultStore(told / "vault.db").query(statement)
    with pytest.raises(IntegrityError):
        make_vault(told).verify(actor=ME)


@pytest.mark.parametrize("body", ["{not json", "[1]", "7", '"text"', "null", "[" * 100_000])
def test_a_body_that_is_no_object_is_an_integrity_error(told, body):
    store = VaultStore(told / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("UPDATE chain SET body = ? WHERE seq = 2", (body,))
    store.close()
    with pytest.raises(IntegrityError):
        make_vault(told).verify(actor=ME)


def test_a_time_beyond_the_calendar_is_an_integrity_error(told):
    VaultStore(told / "vault.db").query("UPDATE chain SET at = ? WHERE seq = 2", (2**62,))
    with pytest.raises(IntegrityError):
        make_vault(told).verify(actor=ME)


def test_refusals_for_want_of_a_key_are_part_of_a_sound_record(told):
    for _ in range(3):
        with pytest.raises(MasterKeyWrong):
            make_vault(told, NEW).get("acme", "K")
    vault = make_vault(told)
    before = vault.verify(actor=ME)
    with pytest.raises(MasterKeyWrong):
        make_vault(told, NEW).get("acme", "K")
    assert vault.verify(actor=ME).records == before.records + 2


def test_a_change_of_the_master_key_keeps_the_record_sound(told):
    behind = make_vault(told)
    behind.get("acme", "K")
    holder = make_vault(told, NEW, OLD)
    holder.rotate_master(dry_run=True, actor=ME)
    holder.rotate_master(actor=ME)
    with pytest.raises(MasterKeyWrong):
        behind.get("acme", "K")
    with pytest.raises(NotFoundError):
        holder.fetch("acme", "none", actor=ME)
    make_vault(told, NEW).verify(actor=ME)
    make_vault(told, NEW).rotate_master(actor=ME)
    rewrite(told, without_a_read)
    with pytest.raises(IntegrityError):
        make_vault(told, NEW).verify(actor=ME)


# ── what `doctor` and `plugins status` ask ──


def test_health_notices_a_vault_that_went_back_in_time(told, tmp_path):
    assert VaultStore(told / "vault.db").empty_log()
    shutil.copy(told / "vault.db", tmp_path / "earlier.db")
    vault = make_vault(told)
    vault.set("acme", "K", "newer")
    vault.close()
    assert make_vault(told).health().state == "ok"
    for path in told.glob("vault.db-*"):
        path.unlink()
    shutil.copy(tmp_path / "earlier.db", told / "vault.db")
    health = make_vault(told).health()
    assert (health.state, "back in time" in health.message) == ("error", True)


def test_health_notices_an_emptied_vault(told):
    store = VaultStore(told / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("PRAGMA defer_foreign_keys=ON")
        for table in ("header", "version", "dek", "tenant", "chain"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE chain_head SET seq = 0, hash = zeroblob(32)")
    store.close()
    assert make_vault(told).health().state == "error"


def test_a_pipe_in_the_place_of_the_mark_makes_nobody_wait(told):
    (told / "vault.db.epoch").unlink()
    os.mkfifo(told / "vault.db.epoch", 0o600)
    vault = make_vault(told)
    assert vault.get("acme", "K") == "w"
    vault.set("acme", "K", "x")
    assert vault.health().state == "ok"
