import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from vault_kit import NEW, OLD, WORKER, make_vault, raw_bytes

from codespar_cli.errors import IntegrityError, MasterKeyMalformed, MasterKeyWrong, SecretError, VersionRetired
from codespar_cli.plugins.secrets.envelope import SealLimits
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
TENANTS = ("acme", "globex")


def fill(vault, count=5):
    for tenant in TENANTS:
        for number in range(count):
            vault.set(tenant, f"K{number}", f"{tenant}-{number}")


def read_all(vault, count=5):
    for tenant in TENANTS:
        for number in range(count):
            assert vault.get(tenant, f"K{number}") == f"{tenant}-{number}"


def column(state, what):
    store = VaultStore(state / "vault.db")
    try:
        return [bytes(row[0]) for row in store.query(f"SELECT {what}")]
    finally:
        store.close()


def test_rewrapping_changes_every_wrapping_and_no_value(vault, open_vault, state):
    fill(vault)
    wrapped, sealed = column(state, "wrapped FROM dek"), column(state, "sealed FROM version")
    report = vault.rotate_master(actor=ME)
    assert report[:6] == ("rewrap", 2, 2, 0, 2, False)
    assert report.log_emptied
    assert column(state, "sealed FROM version") == sealed
    remains = raw_bytes(state)
    assert [key for key in wrapped if key in remains] == []
    for reader in (vault, open_vault()):
        read_all(reader)


def test_reencrypting_changes_every_sealed_value_and_every_data_key(vault, open_vault, state):
    fill(vault)
    vault.set("acme", "K0", "newer")
    vault.set("acme", "K0", "acme-0")
    vault.delete("globex", "K4", actor=ME)
    vault.set("globex", "K4", "globex-4")
    keys = column(state, "wrapped FROM dek")
    sealed = column(state, "sealed FROM version")
    report = vault.rotate_values(actor=ME)
    assert (report.operation, report.tenants, report.values) == ("reencrypt", 2, 13)
    remains = raw_bytes(state)
    assert [old for old in (*keys, *sealed) if old in remains] == []
    for reader in (vault, open_vault()):
        read_all(reader)
        assert reader.fetch("acme", "K0", version=2, actor=ME).reveal() == "newer"
        assert reader.verify(actor=ME).versions == 13


def test_after_a_new_master_key_the_old_one_opens_nothing(open_vault):
    old, holder_of_both = open_vault(OLD), open_vault(NEW, OLD)
    fill(old)
    read_all(holder_of_both)
    assert open_vault(NEW, OLD).rotate_master(actor=ME).new_master_key
    read_all(holder_of_both)
    read_all(open_vault(NEW))
    for reader in (old, open_vault(OLD)):
        with pytest.raises(MasterKeyWrong):
            reader.get("acme", "K0")
        with pytest.raises(MasterKeyWrong):
            reader.set("acme", "K0", "x")
    assert not open_vault(NEW, OLD).rotate_master(actor=ME).new_master_key, "the second time it is only a new KEK"


def test_the_previous_key_may_come_from_a_file(open_vault, tmp_path):
    fill(open_vault(OLD))
    (tmp_path / "old.key").write_text(OLD + "\n")
    (tmp_path / "old.key").chmod(0o600)
    assert open_vault(NEW).rotate_master(previous="file:old.key", actor=ME).new_master_key
    read_all(open_vault(NEW))


def test_a_wrong_previous_key_changes_nothing(open_vault, state):
    fill(open_vault(OLD))
    before = column(state, "wrapped FROM dek")
    for previous in ("hex:" + "ee" * 32, NEW):
        with pytest.raises(MasterKeyWrong):
            open_vault(NEW, previous).rotate_master(actor=ME)
    with pytest.raises(MasterKeyMalformed):
        open_vault(NEW, "short").rotate_master(actor=ME)
    assert column(state, "wrapped FROM dek") == before
    read_all(open_vault(OLD))


def test_reencrypting_under_the_previous_key_keeps_that_key(open_vault):
    fill(open_vault(OLD))
    open_vault(NEW, OLD).rotate_values(actor=ME)
    read_all(open_vault(OLD))
    with pytest.raises(MasterKeyWrong):
        open_vault(NEW).get("acme", "K")


@pytest.mark.parametrize("operation", ["rotate_master", "rotate_values"])
def test_a_dry_run_counts_and_changes_nothing(vault, state, operation):
    fill(vault)
    before = column(state, "mac FROM header")
    report = getattr(vault, operation)(dry_run=True, actor=ME)
    assert (report.dry_run, report.tenants, report.values) == (True, 2, 0 if operation == "rotate_master" else 10)
    assert column(state, "mac FROM header") == before
    read_all(vault)


def test_a_damaged_value_stops_reencryption_and_nothing_has_changed(vault, open_vault, state):
    fill(vault)
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("UPDATE version SET sealed = zeroblob(40) WHERE key = CAST('K3' AS BLOB)")
    before = column(state, "wrapped FROM dek")
    for rotator in (vault, open_vault()):
        with pytest.raises(IntegrityError):
            rotator.rotate_values(actor=ME)
    assert column(state, "wrapped FROM dek") == before


def test_an_empty_vault_can_be_rotated(vault, open_vault):
    assert vault.rotate_master(actor=ME).tenants == 0
    assert vault.rotate_values(actor=ME).values == 0
    assert open_vault(NEW, OLD).rotate_master(actor=ME).new_master_key
    assert open_vault(NEW).get("acme", "K") is None


def test_a_writer_with_an_old_data_key_writes_under_the_new_one(vault, open_vault):
    fill(vault)
    other = open_vault()
    read_all(other)
    vault.rotate_values(actor=ME)
    other.set("acme", "K9", "late")
    vault.rotate_master(actor=ME)
    other.set("acme", "K10", "later")
    assert (vault.get("acme", "K9"), open_vault().get("acme", "K10")) == ("late", "later")
    assert open_vault().verify(actor=ME).versions == 12


def test_retired_bytes_that_a_reader_kept_leave_at_the_next_opening(vault, open_vault, state):
    fill(vault)
    sealed = column(state, "sealed FROM version")
    reader = VaultStore(state / "vault.db")
    with reader.read() as snapshot:
        list(snapshot.execute("SELECT count(*) FROM version"))
        assert not vault.rotate_values(actor=ME).log_emptied
        assert any(old in raw_bytes(state) for old in sealed)
    reader.close()
    read_all(open_vault())
    remains = raw_bytes(state)
    assert [old for old in sealed if old in remains] == []


@pytest.mark.parametrize("operation", ["rotate_master", "rotate_values"])
def test_whoever_watches_is_told_of_each_tenant(vault, operation):
    fill(vault)
    told = []
    for dry_run in (True, False):
        getattr(vault, operation)(dry_run=dry_run, progress=lambda *step: told.append(step), actor=ME)
    assert told == [(0, 2), (1, 2)] * 2


@pytest.mark.parametrize("operation", ["rotate_master", "rotate_values"])
def test_a_rotation_that_is_interrupted_has_not_happened(vault, open_vault, operation):
    def interrupt(done, of):
        if done == 1:
            raise KeyboardInterrupt

    fill(vault)
    before = vault.key_status(actor=ME)
    with pytest.raises(KeyboardInterrupt):
        getattr(vault, operation)(progress=interrupt, actor=ME)
    for reader in (vault, open_vault()):
        assert reader.key_status(actor=ME) == before
        read_all(reader)
        reader.verify(actor=ME)


def test_a_used_up_data_key_is_renewed_by_reencryption(open_vault, clock):
    limits = SealLimits(warn_at=2, refuse_at=3)
    one, two = (
        SecretsVault(made._session.store, made._session.ring, clock=clock, limits=limits)
        for made in (open_vault(), open_vault())
    )
    one.set("acme", "K", "v1")
    assert two.put("acme", "K", "v2", actor=ME).advice, "the count is the tenant's, not a process's"
    one.set("acme", "K", "v3")
    for write in (one.set, two.set, lambda *name: two.replace(*name, actor=ME)):
        with pytest.raises(SecretError) as caught:
            write("acme", "K", "v4")
        assert caught.value.code == "data_key_exhausted"
    assert (two.key_status(actor=ME).sealed, two.key_status(actor=ME).may_seal) == (3, 3)
    one.destroy("acme", "K", version=1, actor=ME)
    two.rotate_values(actor=ME)
    one.set("acme", "K", "v4")
    assert (one.get("acme", "K"), one.key_status(actor=ME).sealed) == ("v4", 3)


def test_the_status_of_the_keys(vault, open_vault, clock):
    empty = vault.key_status(actor=ME)
    assert (empty.tenants, empty.data_keys, empty.oldest_data_key, empty.sealed, empty.in_grace) == (0, 0, None, 0, 0)
    fill(vault)
    made = clock()
    clock.advance("1h")
    vault.replace("acme", "K0", "new", actor=ME)
    ends = clock() + timedelta(hours=24)
    found = open_vault(NEW, OLD).key_status(actor=ME)
    assert (found.rotation_due, found.master_key, found.kek_version) == (True, "env:VAULT_MASTER_KEY_PREVIOUS", 1)
    assert (found.tenants, found.data_keys, found.oldest_data_key, found.sealed) == (2, 2, made, 6)
    assert (found.in_grace, found.next_end) == (1, ends)
    open_vault(NEW, OLD).rotate_master(actor=ME)
    after = open_vault(NEW).key_status(actor=ME)
    assert (after.rotation_due, after.kek_version, after.epoch) == (False, 2, found.epoch + 1)
    clock.advance("24h")
    assert open_vault(NEW).key_status(actor=ME).in_grace == 0


# ── several processes ──


def worker(*arguments: str, **environ: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}
    )


def test_readers_and_writers_work_throughout_rotations(state):
    make_vault(state).set("acme", "steady", "same")
    both = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
    workers = [worker("read", str(state), "2000", **both), worker("write", str(state), "150", **both)]
    rotator = make_vault(state, NEW, OLD)
    rounds = 0
    while any(process.poll() is None for process in workers) and rounds < 500:
        (rotator.rotate_values if rounds % 3 == 2 else rotator.rotate_master)(actor=ME)
        rounds += 1
        time.sleep(0.01)
    assert [process.communicate(timeout=60)[0].split()[-1] for process in workers] == ["done", "done"]
    assert rounds > 5
    after = make_vault(state, NEW)
    assert [after.get("acme", f"written-{number}") for number in range(150)] == [f"value-{n}" for n in range(150)]
    after.verify(actor=ME)


def test_the_first_processes_ever_make_one_vault_between_them(state):
    workers = [worker("own", str(state), "2", VAULT_MASTER_KEY=OLD) for _ in range(12)]
    assert [process.communicate(timeout=60)[0].split()[-1] for process in workers] == ["done"] * 12
    after = make_vault(state)
    assert after.verify(actor=ME)[:3] == (1, 24, 24)
    assert len(after.entries("acme", actor=ME)) == 24


def test_versions_come_and_go_in_other_processes_throughout_rotations(state):
    make_vault(state).set("acme", "steady", "same")
    both = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
    workers = [worker("versions", str(state), "20", **both), worker("versions", str(state), "20", **both)]
    rotator, rounds = make_vault(state, NEW, OLD), 0
    while any(process.poll() is None for process in workers) and rounds < 2000:
        (rotator.rotate_values if rounds % 3 == 2 else rotator.rotate_master)(actor=ME)
        rounds += 1
    told = [process.communicate(timeout=60)[0].splitlines() for process in workers]
    assert [lines[-1] for lines in told] == ["done", "done"]
    assert rounds > 3
    after = make_vault(state, NEW)
    for line in (line for lines in told for line in lines[:-1]):
        made = json.loads(line)
        assert after.get("acme", made["key"]) == made["value"]
        states = [facts.state for facts in after.history("acme", made["key"], actor=ME)]
        assert states == ["current", "destroyed", "previous"]
    after.verify(actor=ME)


def test_killed_while_versions_come_and_go_nothing_acknowledged_is_lost(state):
    fill(make_vault(state))
    chance = random.Random(11)
    for _ in range(8):
        process = worker("versions", str(state), "1000", VAULT_MASTER_KEY=OLD)
        told = [process.stdout.readline()]
        time.sleep(chance.random() * 0.1)
        process.send_signal(signal.SIGKILL)
        told += process.communicate()[0].splitlines(keepends=True)
        survivor = make_vault(state)
        read_all(survivor)
        survivor.verify(actor=ME)
        assert survivor.key_status(actor=ME).log_emptied, "what was erased is gone from the log as well by now"
        for line in told:
            if line.endswith("\n"):
                made = json.loads(line)
                assert survivor.get("acme", made["key"]) == made["value"]
                with pytest.raises(VersionRetired):
                    survivor.fetch("acme", made["key"], version=2, actor=ME)
        survivor.close()


def test_two_rotators_at_once_are_safe(state):
    fill(make_vault(state))
    both = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
    workers = [worker("rotate", str(state), "15", **both) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in workers] == ["done\n", "done\n"]
    after = make_vault(state, NEW)
    read_all(after)
    after.verify(actor=ME)


def killed_somewhere(state: Path, rounds: int) -> None:
    chance = random.Random(7)
    for _ in range(rounds):
        environ = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
        process = worker("everything", str(state), "1000", **environ)
        told = [process.stdout.readline()]
        time.sleep(chance.random() * 0.15)
        process.send_signal(signal.SIGKILL)
        told += process.communicate()[0].splitlines(keepends=True)
        acknowledged = [json.loads(line) for line in told if line.endswith("\n") and line.startswith("{")]
        fits = []
        for key in (OLD, NEW):
            try:
                survivor = make_vault(state, key)
                read_all(survivor)
                survivor.verify(actor=ME)
            except MasterKeyWrong:
                continue
            fits.append(key)
            for written in acknowledged:
                assert survivor.get("acme", written["key"]) == written["value"], "an acknowledged value was lost"
        assert len(fits) == 1, "readable under exactly one key"
        if fits == [NEW]:
            make_vault(state, OLD, NEW).rotate_master(actor=ME)


def test_killed_at_any_moment_everything_is_readable_under_exactly_one_key(state):
    fill(make_vault(state))
    killed_somewhere(state, 8)


@pytest.mark.slow
def test_killed_at_hundreds_of_moments(state):
    fill(make_vault(state))
    killed_somewhere(state, 200)
