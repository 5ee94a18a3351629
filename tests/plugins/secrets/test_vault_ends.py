"""When versions end, what a new one takes over, and what happens to a vault whose file is gone."""

import os
from datetime import timedelta

import pytest
from vault_kit import NEW, OLD, make_vault

from codespar_cli.core.services import Services
from codespar_cli.errors import IntegrityError, MasterKeyWrong, NotFoundError, StoreError, VersionRetired
from codespar_cli.plugins.secrets.vault import SecretsVault

ME = "tester"
DAY = timedelta(days=1)


@pytest.fixture
def headless(vault):
    """A secret whose current version is destroyed, and whose first one is not."""
    vault.set("acme", "D", "v1")
    vault.set("acme", "D", "v2")
    vault.destroy("acme", "D", version=2, actor=ME)
    return vault


def test_a_secret_with_any_live_version_is_listed(headless):
    (facts,) = headless.entries("acme", actor=ME)
    assert (facts.key, facts.state) == ("D", "destroyed")


def test_a_secret_with_any_live_version_can_be_deleted(headless):
    assert headless.delete("acme", "D", actor=ME) == 1
    assert list(headless.entries("acme", actor=ME)) == []
    with pytest.raises(NotFoundError):
        headless.fetch("acme", "D", version=1, actor=ME)
    assert headless.undelete("acme", "D", actor=ME) == 1
    assert headless.fetch("acme", "D", version=1, actor=ME).reveal() == "v1"


def test_a_secret_with_any_live_version_can_be_rotated(headless):
    assert headless.replace("acme", "D", "v3", actor=ME).version == 3
    ends = {facts.version: facts.retires_at for facts in headless.history("acme", "D", actor=ME)}
    assert ends[2] is None, "what is destroyed has no grace"
    assert ends[1] is not None


def test_secrets_run_passes_on_nothing_of_a_destroyed_current_version(codespar):
    for key, value in (("D", b"v1"), ("D", b"v2"), ("E", b"other-value")):
        assert codespar.run("set", key, stdin=value).returncode == 0
    assert codespar.run("destroy", "D", "--version", "2", "--yes").returncode == 0
    done = codespar.run("run", "--", "sh", "-c", "echo ${D-none} ${E+there}")
    assert (done.returncode, done.stdout) == (0, b"none there\n")


def test_grace_0_ends_what_has_a_longer_grace(vault):
    vault.set("acme", "K", "v1")
    vault.replace("acme", "K", "v2", grace=7 * DAY, actor=ME)
    vault.replace("acme", "K", "v3", grace=timedelta(0), actor=ME)
    with pytest.raises(VersionRetired):
        vault.fetch("acme", "K", version=1, actor=ME)


def test_a_nearer_end_stays(vault, clock):
    vault.set("acme", "K", "v1")
    vault.replace("acme", "K", "v2", grace=DAY, actor=ME)
    vault.replace("acme", "K", "v3", grace=7 * DAY, actor=ME)
    ends = {facts.version: facts.retires_at for facts in vault.history("acme", "K", actor=ME)}
    assert ends == {1: clock() + DAY, 2: clock() + 7 * DAY, 3: None}


def by_rotation(vault, **said):
    return vault.replace("acme", "K", "v2", actor=ME, **said)


def by_import(vault):
    vault.put_all("acme", {"K": "v2"}, on_conflict="replace", actor=ME)
    return vault.describe("acme", "K", actor=ME)


@pytest.mark.parametrize("renew", [by_rotation, by_import])
def test_a_new_value_keeps_the_note_and_the_distance_of_the_due_date(vault, clock, renew):
    vault.put("acme", "K", "v1", note="for CI", expires_at=clock() + 90 * DAY, actor=ME)
    clock.advance("30d")
    facts = renew(vault)
    assert (facts.version, facts.note, facts.expires_at) == (2, "for CI", clock() + 90 * DAY)


def test_what_is_said_anew_goes_before_what_was(vault, clock):
    vault.put("acme", "K", "v1", note="for CI", expires_at=clock() + 90 * DAY, actor=ME)
    facts = by_rotation(vault, note="for all", expires_at=clock() + DAY)
    assert (facts.note, facts.expires_at) == ("for all", clock() + DAY)


def test_rotate_tells_of_the_due_date(codespar):
    codespar.run("set", "K", "--expires", "90d", stdin=b"first-value")
    codespar.run("set", "L", stdin=b"first-value")
    assert b"; due 20" in codespar.run("rotate", "K", stdin=b"second-value").stderr
    assert b"no due date is set" in codespar.run("rotate", "L", stdin=b"second-value").stderr


def of_file(state, **environ):
    path = state.parent / "new.key"
    path.write_text(NEW)
    path.chmod(0o600)
    return SecretsVault.from_options({"master_key": f"file:{path}"}, Services(state_dir=state), environ=environ)


def test_the_previous_key_is_found_whatever_kind_of_key_the_new_one_is(state):
    make_vault(state).set("acme", "K", "v")
    with pytest.raises(MasterKeyWrong):
        of_file(state).get("acme", "K")
    both = of_file(state, VAULT_MASTER_KEY_PREVIOUS=OLD)
    assert both.get("acme", "K") == "v"
    assert both.rotate_master(actor=ME).new_master_key
    assert of_file(state).get("acme", "K") == "v"
    assert "VAULT_MASTER_KEY_PREVIOUS" in of_file(state).key_variables


def removed(state):
    (state / "vault.db").unlink()


def emptied(state):
    (state / "vault.db").write_bytes(b"")


def log_removed(state):
    (state / "vault.db-wal").unlink()


def log_emptied(state):
    (state / "vault.db-wal").write_bytes(b"")


@pytest.mark.parametrize("spoil", [removed, emptied, log_removed, log_emptied])
def test_a_vault_that_is_gone_is_a_finding_and_nothing_to_be_removed(state, spoil):
    vault = make_vault(state)
    vault.set("acme", "K", "v")
    vault.close()
    assert (state / "vault.db-wal").stat().st_size, "nothing was folded back yet"
    for path in state.glob("vault.db-shm"):
        path.unlink()
    spoil(state)
    for act in (
        lambda: make_vault(state).get("acme", "K"),
        lambda: make_vault(state).set("acme", "K", "w"),
        lambda: make_vault(state).verify(actor=ME),
    ):
        with pytest.raises(IntegrityError) as found:
            act()
        assert found.value.exit_code == 5
        assert "backup" in found.value.hint
        assert "rm " not in found.value.hint
    assert make_vault(state).health().state == "error"


def test_a_vault_with_a_second_name_is_refused(state):
    make_vault(state).set("acme", "K", "v")
    os.link(state / "vault.db", state.parent / "other.db")
    for act in (lambda: make_vault(state).get("acme", "K"), lambda: make_vault(state).set("acme", "K", "w")):
        with pytest.raises(StoreError, match="2 names"):
            act()
    assert make_vault(state).health().state == "error"
    (state.parent / "other.db").unlink()
    assert make_vault(state).get("acme", "K") == "v"


def test_a_vault_below_a_directory_of_others_is_refused(state):
    make_vault(state).set("acme", "K", "v")
    state.parent.chmod(0o777)
    try:
        with pytest.raises(StoreError, match="others may put"):
            make_vault(state).get("acme", "K")
        state.parent.chmod(0o1777)
        assert make_vault(state).get("acme", "K") == "v"
    finally:
        state.parent.chmod(0o700)


CORES = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"


@pytest.mark.parametrize("masked", [True, False])
def test_a_command_has_the_core_limit_that_we_were_given(codespar, masked):
    import resource
    import sys

    before = resource.getrlimit(resource.RLIMIT_CORE)
    if before[1] == 0:
        pytest.skip("no core dumps here at all")
    soft = 4096 if before[1] == resource.RLIM_INFINITY else min(4096, before[1])
    codespar.run("set", "K", stdin=b"some-value")
    resource.setrlimit(resource.RLIMIT_CORE, (soft, before[1]))
    try:
        options = () if masked else ("--no-masking",)
        done = codespar.run("run", *options, "--", sys.executable, "-c", CORES)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert done.stdout.decode().split() == [str(soft), str(before[1])]


def test_no_core_is_written_while_a_value_is_awaited(codespar):
    import subprocess
    import sys

    watched = (
        "import resource, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))\n"
        "from codespar_cli.__main__ import main\n"
        "from codespar_cli.cli import secret_input\n"
        "def read_value(*_, **__):\n"
        "    print(resource.getrlimit(resource.RLIMIT_CORE)[0]); sys.stdout.flush(); sys.exit(7)\n"
        "secret_input.read_value = read_value\n"
        "sys.argv = ['codespar', 'secrets', 'set', 'K']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched], input=b"v", capture_output=True, cwd=codespar.directory, env=codespar.environ
    )
    assert done.stdout.split()[:1] == [b"0"], done.stderr
