import logging
import os
import pickle
import resource
import signal
import sys
import threading
import traceback
from datetime import timedelta

import pytest
from vault_kit import NEW, OLD, make_vault, raw_bytes

from codespar_cli.errors import (
    ConfigError,
    IntegrityError,
    MasterKeyMissing,
    MasterKeyWrong,
    NotFoundError,
    SecretError,
    UsageError,
    VersionRetired,
    WriteConflict,
)
from codespar_cli.plugins.secrets.envelope import SealLimits
from codespar_cli.plugins.secrets.key_ring import KeyRing
from codespar_cli.plugins.secrets.master_key import parse_reference
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.plugins.secrets.vault_store import VaultStore
from codespar_cli.storage import chain
from codespar_cli.testing import FakeClock, SecretsContract

CANARY = "canary-1f7d2c9e"
ME = "tester"


class TestContract(SecretsContract):
    def make(self, tmp_path):
        return make_vault(tmp_path / "state")


def records(state):
    store = VaultStore(state / "vault.db")
    try:
        with store.read() as connection:
            chain.verify(connection, "vault")
            return list(chain.read(connection))
    finally:
        store.close()


def acts(state):
    return [(record.kind, record.body["outcome"]) for record in records(state)]


# ── versions ──


def test_every_set_is_a_new_version_and_old_ones_stay_readable(vault):
    for number in (1, 2, 3):
        assert vault.put("acme", "K", f"v{number}", actor=ME).version == number
    assert vault.get("acme", "K") == "v3"
    assert [vault.fetch("acme", "K", version=n, actor=ME).reveal() for n in (1, 2, 3)] == ["v1", "v2", "v3"]
    assert [(f.version, f.state) for f in vault.history("acme", "K", actor=ME)] == [
        (3, "current"),
        (2, "previous"),
        (1, "previous"),
    ]


def test_what_is_known_of_a_secret(vault, clock):
    expires = clock() + timedelta(days=90)
    written = vault.put("acme", "K", "v", expires_at=expires, note="for CI", actor=ME)
    clock.advance("1h")
    known = vault.describe("acme", "K", actor=ME)
    assert known == written
    assert (known.expires_at, known.note, known.created_at) == (expires, "for CI", clock() - timedelta(hours=1))
    clock.advance("90d")
    assert vault.describe("acme", "K", actor=ME).state == "expired"
    assert vault.get("acme", "K") == "v", "an overdue secret must not take production down"


def test_fingerprints_tell_values_apart(vault):
    one = vault.put("acme", "A", "same", actor=ME).fingerprint
    assert vault.put("acme", "B", "same", actor=ME).fingerprint == one
    assert vault.put("acme", "C", "other", actor=ME).fingerprint != one
    assert vault.put("globex", "A", "same", actor=ME).fingerprint != one


def test_compare_and_set(vault):
    with pytest.raises(WriteConflict):
        vault.put("acme", "K", "v", cas=1, actor=ME)
    assert vault.put("acme", "K", "v1", cas=0, actor=ME).version == 1
    for wrong in (0, 2):
        with pytest.raises(WriteConflict):
            vault.put("acme", "K", "v2", cas=wrong, actor=ME)
    assert vault.put("acme", "K", "v2", cas=1, actor=ME).version == 2
    vault.delete("acme", "K", actor=ME)
    with pytest.raises(WriteConflict):
        vault.put("acme", "K", "v3", cas=2, actor=ME)
    assert vault.put("acme", "K", "v3", cas=0, actor=ME).version == 3
    assert vault.get("acme", "K") == "v3"


def test_deleted_means_hidden_from_every_way_of_reading(vault, open_vault):
    vault.set("acme", "K", "v1")
    vault.set("acme", "K", "v2")
    assert vault.delete("acme", "K", actor=ME) == 2
    for reader in (vault, open_vault()):
        assert reader.get("acme", "K") is None
        assert reader.entries("acme", actor=ME) == []
        for version in (None, 1, 2):
            with pytest.raises(NotFoundError):
                reader.fetch("acme", "K", version=version, actor=ME)
        assert {facts.state for facts in reader.history("acme", "K", actor=ME)} == {"deleted"}
    for act in (vault.delete, lambda *name, actor: vault.replace(*name, "v", actor=actor)):
        with pytest.raises(NotFoundError):
            act("acme", "K", actor=ME)


def test_list_is_in_order_and_per_tenant(vault):
    for key in ("b", "a", "ä", "B"):
        vault.set("acme", key, "v")
    vault.set("globex", "z", "v")
    assert [facts.key for facts in vault.entries("acme", actor=ME)] == ["B", "a", "b", "ä"]
    assert vault.entries("nobody", actor=ME) == []


# ── a new value with grace ──


def test_after_its_grace_a_replaced_value_is_gone_from_the_file(vault, open_vault, state, clock):
    vault.set("acme", "K", "v1")
    sealed = b"".join(bytes(row[0]) for row in VaultStore(state / "vault.db").query("SELECT sealed FROM version"))
    vault.replace("acme", "K", "v2", grace=timedelta(hours=2), actor=ME)
    clock.advance("119m")
    assert open_vault().fetch("acme", "K", version=1, actor=ME).reveal() == "v1"
    assert sealed in raw_bytes(state)
    clock.advance("1m")
    for reader in (vault, open_vault()):
        with pytest.raises(VersionRetired) as caught:
            reader.fetch("acme", "K", version=1, actor=ME)
        assert (caught.value.code, caught.value.exit_code) == ("version_retired", 1)
        assert reader.get("acme", "K") == "v2"
    assert sealed not in raw_bytes(state)
    assert [(f.version, f.state, f.fingerprint) for f in vault.history("acme", "K", actor=ME)][1] == (
        1,
        "destroyed",
        None,
    )
    assert ("secret.destroy", "ok") in acts(state)
    assert vault.verify(actor=ME).versions == 2


def test_grace_is_a_day_unless_said_otherwise(open_vault, clock):
    day, hour = open_vault(), open_vault(grace="1h")
    day.set("acme", "A", "1")
    assert day.replace("acme", "A", "2", actor=ME).retires_at is None
    hour.set("acme", "B", "1")
    hour.replace("acme", "B", "2", actor=ME)
    assert day.history("acme", "A", actor=ME)[1].retires_at == clock() + timedelta(hours=24)
    assert day.history("acme", "B", actor=ME)[1].retires_at == clock() + timedelta(hours=1)


def test_a_second_replacement_does_not_prolong_the_first_grace(vault, clock):
    vault.set("acme", "K", "v1")
    vault.replace("acme", "K", "v2", grace=timedelta(hours=1), actor=ME)
    vault.replace("acme", "K", "v3", grace=timedelta(hours=5), actor=ME)
    clock.advance("1h")
    with pytest.raises(VersionRetired):
        vault.fetch("acme", "K", version=1, actor=ME)
    assert vault.fetch("acme", "K", version=2, actor=ME).reveal() == "v2"


# ── names and values ──


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "nul\x00inside",
        "\u202egnp",
        "é",
        "e\u0301",
        "日本",
        "x" * 4096,
        " ",
        "a/b",
        "'; DROP TABLE",
        "%s",
    ],
)
def test_any_name_is_its_own_and_no_file(vault, state, name):
    vault.set(name, "K", "as tenant")
    vault.set("acme", name, "as key")
    assert (vault.get(name, "K"), vault.get("acme", name)) == ("as tenant", "as key")
    assert vault.get(name + "x" if len(name) < 4096 else name[1:], "K") is None
    assert {path.name for path in state.iterdir()} <= {
        "vault.db", "vault.db-wal", "vault.db-shm", "vault.db.lock", "vault.db.epoch",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["", "x" * 4097, "\ud800"])
def test_an_impossible_name_is_refused(vault, name):
    for call in (lambda: vault.get("acme", name), lambda: vault.get(name, "K"), lambda: vault.set(name, "K", "v")):
        with pytest.raises(UsageError):
            call()


def test_values_up_to_64_kib_and_no_longer(vault):
    longest = "ü" * 32_768
    vault.set("acme", "K", longest)
    assert vault.get("acme", "K") == longest
    for value in (longest + "x", "\ud800" + CANARY):
        with pytest.raises(UsageError) as caught:
            vault.set("acme", "K", value)
        assert CANARY not in str(caught.value)
    assert vault.get("acme", "K") == longest


# ── keys ──


def test_a_wrong_master_key_is_told_from_tampering(vault, open_vault):
    vault.set("acme", "K", "v")
    stranger = open_vault(NEW)
    for call in (
        lambda: stranger.get("acme", "K"),
        lambda: stranger.set("acme", "K", "x"),
        lambda: stranger.get("x", "y"),
    ):
        with pytest.raises(MasterKeyWrong) as caught:
            call()
        assert caught.value.exit_code == 1
    assert stranger.health().state == "error"
    assert vault.get("acme", "K") == "v"


def test_without_a_master_key_nothing_is_made(open_vault, state):
    keyless = open_vault("")
    for _ in range(2):
        with pytest.raises(MasterKeyMissing):
            keyless.get("acme", "K")
    assert not state.exists()
    assert keyless.health().state == "error"
    assert open_vault().get("acme", "K") is None


def test_an_environment_variable_never_stands_in_for_a_vault(vault, state, monkeypatch):
    monkeypatch.setenv("CODESPAR_SECRET__default__K", "from outside")
    monkeypatch.setenv("K", "from outside")
    assert vault.get("default", "K") is None
    vault.set("default", "K", "v")
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        connection.execute("DELETE FROM version")
    with pytest.raises(IntegrityError):
        vault.get("default", "K")


def test_a_data_key_is_counted_warned_of_and_refused(state, clock):
    ring = KeyRing(parse_reference("env:K"), environ={"K": OLD}, config_dir=state)
    vault = SecretsVault(VaultStore(state / "vault.db"), ring, clock=clock, limits=SealLimits(warn_at=3, refuse_at=4))
    advice = [vault.put("acme", f"K{n}", "v", actor=ME).advice for n in range(4)]
    assert [line is not None for line in advice] == [False, False, True, True]
    with pytest.raises(SecretError) as caught:
        vault.put("acme", "K9", "v", actor=ME)
    assert (caught.value.code, caught.value.hint) == ("data_key_exhausted", "codespar secrets rotate --reencrypt")
    assert len(vault.verify(actor=ME).warnings) == 1
    assert vault.put("globex", "K", "v", actor=ME).advice is None, "each tenant has its own key and its own count"


def test_options_are_checked_before_anything_is_opened(state):
    with pytest.raises(ConfigError):
        make_vault(state, master_key="passphrase:hello")
    assert not state.exists()


def test_the_key_file_is_named_relative_to_the_configuration(state, tmp_path):
    (tmp_path / "master.key").write_text(NEW + "\n")
    (tmp_path / "master.key").chmod(0o600)
    make_vault(state, master_key="file:master.key").set("acme", "K", "v")
    assert make_vault(state, NEW).get("acme", "K") == "v"


# ── the record ──


def test_every_act_is_on_record_with_who_what_and_how_it_ended(vault, open_vault, state):
    vault.put("acme", "K", CANARY, actor="alice")
    vault.fetch("acme", "K", actor="bob")
    vault.get("acme", "none")
    with pytest.raises(WriteConflict):
        vault.put("acme", "K", CANARY, cas=7, actor="carol")
    with pytest.raises(MasterKeyWrong):
        open_vault(NEW).fetch("acme", "K", actor="mallory")
    vault.delete("acme", "K", actor="dave")
    told = [(r.kind, r.actor, r.body.get("key"), r.body["outcome"], r.body.get("code")) for r in records(state)]
    assert told == [
        ("secret.create", "vault", None, "ok", None),
        ("secret.set", "alice", "K", "ok", None),
        ("secret.read", "bob", "K", "ok", None),
        ("secret.read", "program", "none", "missing", None),
        ("secret.set", "carol", "K", "refused", "conflict"),
        ("secret.read", "mallory", "K", "refused", "master_key_wrong"),
        ("secret.delete", "dave", "K", "ok", None),
    ]
    fingerprints = [r.body.get("fingerprint") for r in records(state)[1:3]]
    assert fingerprints[0] == fingerprints[1] is not None
    assert CANARY not in str(records(state))


def test_a_read_that_cannot_be_recorded_does_not_happen(vault, state):
    vault.set("acme", "K", "v")
    VaultStore(state / "vault.db").query("DELETE FROM chain_head")
    with pytest.raises(IntegrityError):
        vault.get("acme", "K")


def test_a_record_rewritten_without_the_key_is_found(vault, open_vault, state):
    vault.set("acme", "K", "v")
    vault.get("acme", "K")
    store = VaultStore(state / "vault.db")
    with store.write(durable=True) as connection:
        kept = list(chain.read(connection))
        connection.execute("DELETE FROM chain")
        connection.execute("UPDATE chain_head SET seq = 0, hash = zeroblob(32)")
        for record in kept:
            chain.append(connection, at=record.at, kind=record.kind, actor="innocent", body=record.body)
        chain.verify(connection, "vault")
    with pytest.raises(IntegrityError, match="not the one that its key vouches for"):
        open_vault().verify(actor=ME)


# ── plaintext stays where it belongs ──


def test_no_value_reaches_any_file_or_shows_in_any_object(vault, open_vault, state, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    vault.put("acme", "K", CANARY, actor=ME)
    secret = vault.fetch("acme", "K", actor=ME)
    vault.replace("acme", "K", CANARY + "2", actor=ME)
    vault.rotate_master(actor=ME)
    vault.rotate_values(actor=ME)
    vault.verify(actor=ME)
    shown = [repr(secret), str(secret), f"{secret}", repr(vault), str(vars(vault)), repr(secret.facts), caplog.text]
    assert CANARY not in "".join([*shown, *capfd.readouterr()])
    assert CANARY.encode() not in raw_bytes(state)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_traceback_with_locals_of_a_failing_read_shows_no_value(vault, state):
    vault.set("acme", "K", CANARY)
    VaultStore(state / "vault.db").query("DELETE FROM chain_head")
    try:
        vault.get("acme", "K")
    except IntegrityError:
        trace = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
    shown = "".join(trace.format())
    assert "IntegrityError" in shown
    assert CANARY not in shown


def test_an_open_vault_forbids_core_dumps(vault):
    pid = os.fork()
    if pid == 0:
        _soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
        vault.get("acme", "K")
        os._exit(0 if resource.getrlimit(resource.RLIMIT_CORE) == (0, hard) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_child_that_was_forked_reads_for_itself(vault):
    vault.set("acme", "K", "v")
    pid = os.fork()
    if pid == 0:
        os._exit(0 if vault.get("acme", "K") == "v" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert vault.get("acme", "K") == "v"


def test_a_fork_while_another_thread_is_inside_does_not_hang_the_child(vault):
    vault.set("acme", "K", "v")
    inside, done = threading.Event(), threading.Event()

    def stay():
        with vault._session._mutex, vault._session.store._mutex:
            inside.set()
            done.wait()

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        os._exit(0 if vault.get("acme", "K") == "v" else 1)
    done.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0
    assert vault.get("acme", "K") == "v"


def test_what_is_no_text_is_refused_and_not_repeated(vault):
    for value in (None, CANARY.encode(), 7):
        with pytest.raises(UsageError) as caught:
            vault.set("acme", "K", value)
        assert CANARY not in str(caught.value)


def test_a_grace_beyond_the_calendar_is_a_usage_error(vault):
    vault.set("acme", "K", "v")
    with pytest.raises(UsageError, match="too long"):
        vault.replace("acme", "K", "new", grace=timedelta(days=999_999_999), actor=ME)
    assert vault.get("acme", "K") == "v"


def test_health_reads_nothing_and_says_what_is_wrong(vault, open_vault, state):
    assert vault.health().state == "ok"
    assert not state.exists()
    vault.set("acme", "K", "v")
    assert vault.health().state == open_vault().health().state == "ok"
    assert open_vault(NEW, OLD).health().state == "warning"
    assert "env:VAULT_MASTER_KEY" in vault.health().message


def test_time_in_a_vault_comes_from_the_clock(state):
    clock = FakeClock()
    vault = make_vault(state, clock=clock)
    assert vault.put("acme", "K", "v", actor=ME).created_at == clock()
