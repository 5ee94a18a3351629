"""A passphrase in place of a key: only when asked for by name, slow for whoever guesses, bounded for whoever forges."""

import os
import pickle
import subprocess
import sys
import traceback

import pytest
from vault_kit import NEW, OLD, WORKER, make_vault, raw_bytes

from codespar_cli.errors import (
    ConfigError,
    IntegrityError,
    MasterKeyMalformed,
    MasterKeyMissing,
    MasterKeyWrong,
)
from codespar_cli.plugins.secrets import passphrase
from codespar_cli.plugins.secrets.framing import framed, number
from codespar_cli.plugins.secrets.manifest import header_checksum
from codespar_cli.plugins.secrets.master_key import parse_reference
from codespar_cli.plugins.secrets.passphrase import Passphrase, read_passphrase
from codespar_cli.plugins.secrets.vault_rows import Header, columns
from codespar_cli.plugins.secrets.vault_store import VaultStore

ME = "tester"
WORDS = "correct horse battery stäple"
OTHER = "another dozen of words"
STRETCHED = {"master_key": "passphrase:env:VAULT_MASTER_KEY"}


@pytest.fixture
def stretched(open_vault):
    vault = open_vault(WORDS, **STRETCHED)
    vault.set("acme", "K", "v")
    return vault


def header_of(state):
    store = VaultStore(state / "vault.db")
    (row,) = store.query(f"SELECT {columns(Header)} FROM header")
    store.close()
    return Header._make(row)


def test_a_vault_under_a_passphrase_is_a_vault(stretched, open_vault, state):
    assert open_vault(WORDS, **STRETCHED).get("acme", "K") == "v"
    assert open_vault(WORDS + "\n", **STRETCHED).get("acme", "K") == "v", "one newline is an editor's"
    assert stretched.verify(actor=ME).versions == 1
    assert stretched.health().message == "master key from passphrase:env:VAULT_MASTER_KEY"
    assert WORDS.encode() not in raw_bytes(state)
    assert stretched.key_status(actor=ME).passphrase


def test_two_vaults_of_one_passphrase_have_nothing_in_common(stretched, tmp_path, state):
    other = make_vault(tmp_path / "other", WORDS, **STRETCHED)
    other.set("acme", "K", "v")
    assert header_of(state).kdf != header_of(tmp_path / "other").kdf
    assert stretched.describe("acme", "K", actor=ME).fingerprint != other.describe("acme", "K", actor=ME).fingerprint


@pytest.mark.parametrize("words", [WORDS + " ", WORDS.upper(), WORDS.replace("ä", "a\u0308"), WORDS + "\n\n"])
def test_another_passphrase_opens_nothing(stretched, open_vault, words):
    with pytest.raises(MasterKeyWrong) as caught:
        open_vault(words, **STRETCHED).get("acme", "K")
    assert words.strip() not in str(caught.value)


def test_a_key_opens_no_vault_of_a_passphrase_and_the_other_way_round(stretched, open_vault, tmp_path):
    with pytest.raises(MasterKeyWrong) as caught:
        open_vault(OLD).get("acme", "K")
    assert "passphrase:env:" in caught.value.hint
    keyed = tmp_path / "keyed"
    make_vault(keyed, OLD).set("acme", "K", "v")
    with pytest.raises(MasterKeyWrong):
        make_vault(keyed, OLD, **STRETCHED).get("acme", "K")


@pytest.mark.parametrize("text", ["", "x" * 11, "é" * 11, "x" * 1025, "\udcff" * 20, "short\n"])
def test_what_is_no_passphrase_is_refused_without_repeating_it(open_vault, state, text):
    with pytest.raises(MasterKeyMalformed if text else MasterKeyMissing) as caught:
        open_vault(text, **STRETCHED).set("acme", "K", "v")
    assert caught.value.exit_code == 2
    assert not text or text.strip() not in str(caught.value)
    assert not state.exists()


@pytest.mark.parametrize(
    "text", ["passphrase:", "passphrase:correct horse", "passphrase:passphrase:env:X", "passphrase:env:"]
)
def test_the_passphrase_itself_never_stands_in_the_configuration(text):
    with pytest.raises(ConfigError) as caught:
        parse_reference(text)
    assert "horse" not in str(caught.value)


def test_a_passphrase_is_never_taken_for_one_by_itself(open_vault):
    with pytest.raises(MasterKeyMalformed):
        open_vault(WORDS).set("acme", "K", "v")


def test_it_may_stand_in_a_private_file(state, tmp_path):
    path = tmp_path / "words"
    path.write_text(WORDS + "\n")
    path.chmod(0o600)
    make_vault(state, master_key="passphrase:file:words").set("acme", "K", "v")
    assert make_vault(state, WORDS, **STRETCHED).get("acme", "K") == "v"
    path.chmod(0o644)
    with pytest.raises(MasterKeyMalformed) as caught:
        make_vault(state, master_key="passphrase:file:words").get("acme", "K")
    assert caught.value.code == "master_key_exposed"
    path.unlink()
    with pytest.raises(MasterKeyMissing) as missing:
        make_vault(state, master_key="passphrase:file:words").get("acme", "K")
    assert "keygen" not in missing.value.hint


def test_neither_repr_nor_pickle_nor_a_traceback_shows_it():
    secret = read_passphrase(WORDS.encode(), "env:P")
    assert "horse" not in repr(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    try:
        secret.unlock(bytes(16), b"not a kdf")
    except IntegrityError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert "horse" not in "".join(shown.format())


# ── rotation ──


def test_from_a_key_to_a_passphrase_to_another_and_back(state, open_vault, tmp_path):
    open_vault(OLD).set("acme", "K", "v")
    (tmp_path / "old.key").write_text(OLD)
    (tmp_path / "old.key").chmod(0o600)
    to_words = open_vault(WORDS, **STRETCHED)
    assert to_words.rotate_master(previous="file:old.key", actor=ME).new_master_key
    with pytest.raises(MasterKeyWrong):
        open_vault(OLD).get("acme", "K")
    to_other = open_vault(OTHER, WORDS, **STRETCHED)
    assert to_other.get("acme", "K") == "v", "the variable with _PREVIOUS at its end holds the passphrase before"
    assert to_other.key_status(actor=ME).rotation_due
    assert to_other.rotate_master(actor=ME).new_master_key
    assert not to_other.rotate_master(actor=ME).new_master_key
    with pytest.raises(MasterKeyWrong):
        open_vault(WORDS, **STRETCHED).get("acme", "K")
    (tmp_path / "words").write_text(OTHER)
    (tmp_path / "words").chmod(0o600)
    assert open_vault(NEW).rotate_master(previous="passphrase:file:words", actor=ME).new_master_key
    assert open_vault(NEW).get("acme", "K") == "v"
    assert header_of(state).kdf is None
    open_vault(NEW).verify(actor=ME)


@pytest.fixture
def cheap(open_vault, monkeypatch):
    """A vault from a time when less was thought to be enough, opened today."""
    monkeypatch.setattr(passphrase, "MEMORY_KIB", 19_456)
    monkeypatch.setattr(passphrase, "PASSES", 2)
    vault = open_vault(WORDS, **STRETCHED)
    vault.set("acme", "K", "v")
    vault.put("acme", "L", "w", agents=["ci-*"], actor=ME)
    monkeypatch.undo()
    return vault


def costs_of(state):
    return passphrase._parameters(header_of(state).kdf)[1:]


def test_a_rotation_under_the_same_passphrase_raises_its_costs(cheap, open_vault, state):
    assert costs_of(state) == (19_456, 2, 4)
    reader = open_vault(WORDS, **STRETCHED)
    assert reader.get("acme", "K") == "v"
    dry = cheap.rotate_master(dry_run=True, actor=ME)
    assert (dry.costs_raised, dry.new_master_key, costs_of(state)) == (True, False, (19_456, 2, 4))
    report = cheap.rotate_master(actor=ME)
    assert (report.costs_raised, report.new_master_key) == (True, False)
    assert costs_of(state) == (65_536, 3, 4)
    for vault in (cheap, reader, open_vault(WORDS, **STRETCHED)):
        assert vault.get("acme", "K") == "v"
        vault.verify(actor=ME)
    salt = header_of(state).kdf
    assert not cheap.rotate_master(actor=ME).costs_raised
    assert header_of(state).kdf == salt, "what is at today's costs stays"
    with pytest.raises(MasterKeyWrong):
        open_vault(OTHER, **STRETCHED).get("acme", "K")


def test_low_costs_are_told_until_they_are_raised(cheap, open_vault):
    status = cheap.key_status(actor=ME)
    assert (status.passphrase, status.costs_low, status.rotation_due) == (True, True, False)
    health = open_vault(WORDS, **STRETCHED).health()
    assert health.state == "warning"
    assert health.message == "the passphrase is hashed at less than today's costs: run secrets rotate"
    cheap.rotate_master(actor=ME)
    assert not cheap.key_status(actor=ME).costs_low
    assert open_vault(WORDS, **STRETCHED).health().state == "ok"


@pytest.mark.parametrize(
    ("stored", "raised"),
    [
        ((262_144, 2, 1), (262_144, 3, 4)),
        ((19_456, 16, 16), (65_536, 16, 4)),
        ((65_536, 3, 1), None),
        ((131_072, 4, 4), None),
    ],
)
def test_raising_never_lowers_what_is_more_than_todays(stored, raised):
    before = kdf(memory=stored[0], passes=stored[1], lanes=stored[2])
    after = Passphrase(b"x" * 12, "here").raised_kdf(before)
    assert (None if after is None else passphrase._parameters(after)[1:]) == raised


def test_status_and_doctor_tell_a_person_of_low_costs(cheap, state, tmp_path):
    directory = tmp_path / "project"
    directory.mkdir()
    reference = "passphrase:env:WORDS"
    (directory / "plugins.toml").write_text(f'version = 1\n[secrets]\nbackend = "vault"\nmaster_key = "{reference}"\n')
    environ = {**os.environ, "WORDS": WORDS, "CODESPAR_STATE_DIR": str(state)}

    def run(*arguments):
        command = [sys.executable, "-m", "codespar_cli", *arguments]
        return subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=60)

    low = "hashed at less than today's costs"
    assert low in run("doctor").stdout
    status = run("secrets", "rotate", "--status")
    assert "less than today's costs" in status.stdout
    assert low in status.stderr
    assert '"costs_low": true' in run("secrets", "rotate", "--status", "-o", "json").stdout
    assert "same passphrase" in run("secrets", "rotate").stdout
    assert low not in run("doctor").stdout
    assert low not in run("secrets", "rotate", "--status").stderr


def test_a_dry_run_of_a_new_passphrase_changes_nothing(stretched, open_vault, state):
    before = header_of(state)
    assert open_vault(OTHER, WORDS, **STRETCHED).rotate_master(dry_run=True, actor=ME).new_master_key
    assert header_of(state) == before
    stretched.verify(actor=ME)


def test_two_processes_change_the_passphrase_at_once(stretched, state):
    environ = {
        **os.environ,
        "VAULT_MASTER_KEY": OTHER,
        "VAULT_MASTER_KEY_PREVIOUS": WORDS,
        "WORKER_REFERENCE": STRETCHED["master_key"],
    }
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), "rotate", str(state), "4"], stdout=subprocess.PIPE, text=True, env=environ
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in workers] == ["done\n", "done\n"]
    after = make_vault(state, OTHER, **STRETCHED)
    assert after.get("acme", "K") == "v"
    after.verify(actor=ME)


# ── hostile headers ──


def forged(state, kdf):
    """A header with another kdf and a checksum that fits, as anyone can write it."""
    header = header_of(state)._replace(kdf=kdf)
    store = VaultStore(state / "vault.db")
    store.query("UPDATE header SET kdf = ?, checksum = ?", (kdf, header_checksum(header)))
    store.close()


def kdf(name=b"argon2id", salt=bytes(16), memory=65_536, passes=3, lanes=4):
    return framed(name, salt, number(memory), number(passes), number(lanes))


HOSTILE = {
    "2 GiB": kdf(memory=2**21),
    "more than there is": kdf(memory=2**62),
    "next to nothing": kdf(memory=8),
    "one pass": kdf(passes=1),
    "a million passes": kdf(passes=10**6),
    "no lanes": kdf(lanes=0),
    "many lanes": kdf(lanes=1000),
    "negative": kdf(memory=-1),
    "a short salt": kdf(salt=bytes(8)),
    "a long salt": kdf(salt=bytes(24)),
    "another function": kdf(name=b"argon2ix"),
    "more behind": kdf() + b"\x00",
    "cut": kdf()[:-1],
    "empty": b"",
    "lengths that lie": kdf()[:12] + b"\x00\x00\x00\x08" + kdf()[16:],
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_codespar_never_writes_is_not_computed(stretched, open_vault, state, hostile, monkeypatch):
    forged(state, hostile)
    monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", None)
    for reader in (stretched, open_vault(WORDS, **STRETCHED)):
        with pytest.raises(IntegrityError):
            reader.get("acme", "K")


@pytest.mark.parametrize("edit", [kdf(), kdf(memory=19_456, passes=2, lanes=1), None])
def test_another_salt_or_cost_within_bounds_fits_no_passphrase(stretched, open_vault, state, edit):
    forged(state, edit)
    with pytest.raises(MasterKeyWrong):
        open_vault(WORDS, **STRETCHED).get("acme", "K")


def test_a_kdf_edited_without_its_checksum_is_damage(stretched, open_vault, state):
    store = VaultStore(state / "vault.db")
    store.query("UPDATE header SET kdf = ?", (kdf(),))
    store.close()
    with pytest.raises(IntegrityError):
        open_vault(WORDS, **STRETCHED).get("acme", "K")


def test_what_a_new_vault_asks_for_is_within_bounds():
    salt, memory, passes, lanes = passphrase._parameters(Passphrase(b"x" * 12, "here").new_kdf())
    assert len(salt) == 16
    assert (memory, passes, lanes) == (65_536, 3, 4)


def test_the_passphrase_becomes_the_master_key_that_the_specification_says():
    made = framed(b"argon2id", b"somesalt" * 2, number(65_536), number(2), number(1))
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    material = Argon2id(salt=b"somesalt" * 2, length=32, iterations=2, lanes=1, memory_cost=65_536).derive(
        b"password1234"
    )
    from codespar_cli.plugins.secrets.key_hierarchy import MasterKey

    expected = MasterKey(material, "x").keys_for(bytes(16)).check_value
    assert Passphrase(b"password1234", "x").unlock(bytes(16), made).check_value == expected
