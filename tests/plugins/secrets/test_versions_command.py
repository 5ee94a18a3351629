"""`codespar secrets rollback|delete|undelete|destroy`, grants, and what the keys are like, as a user runs them."""

import json
import os

import pytest
from vault_kit import NEW, OLD, converse, make_vault, raw_bytes

CANARY = "canary-51c0de"


def done(result, code=0):
    assert result.returncode == code, result.stderr
    assert b"Traceback" not in result.stderr
    assert CANARY.encode() not in result.stderr
    return result


def error_of(result, code):
    return json.loads(done(result, code).stderr.splitlines()[-1])["error"]


def history(codespar, key="K"):
    rows = json.loads(done(codespar.run("history", key, "-o", "json")).stdout)
    return {row["version"]: row["state"] for row in rows}


@pytest.fixture
def two(codespar):
    """A secret with two versions."""
    vault = make_vault(codespar.state)
    vault.put("default", "K", CANARY, note="first", actor="setup")
    vault.set("default", "K", "second")
    vault.close()
    return codespar


def test_rollback_brings_the_old_value_back_as_a_new_version(two):
    told = done(two.run("rollback", "K", "--to", "1"))
    assert b"`K` is now version 3" in told.stderr
    assert told.stdout == b""
    assert done(two.run("get", "K", "--reveal")).stdout == CANARY.encode()
    assert history(two) == {1: "previous", 2: "previous", 3: "current"}
    made = json.loads(done(two.run("rollback", "K", "--to", "2", "-o", "json")).stdout)
    assert (made["version"], made["note"]) == (4, None)


def test_what_cannot_be_rolled_back_to_says_why(two):
    assert error_of(two.run("rollback", "K", "--to", "2", "-o", "json"), 1)["code"] == "already_current"
    assert error_of(two.run("rollback", "K", "--to", "9", "-o", "json"), 6)["code"] == "not_found"
    assert error_of(two.run("rollback", "NONE", "--to", "1", "-o", "json"), 6)["code"] == "not_found"
    for wrong in (["--to", "0"], ["--to", CANARY], ["--to", "-1"], [], ["--to", "1", CANARY]):
        assert b"error: " in done(two.run("rollback", "K", *wrong), 2).stderr


def test_delete_and_undelete(two):
    done(two.run("delete", "K", "--yes"))
    done(two.run("get", "K"), 6)
    assert history(two) == {1: "deleted", 2: "deleted"}
    assert b"2 versions" in done(two.run("undelete", "K")).stderr
    assert done(two.run("get", "K", "--reveal")).stdout == b"second"
    done(two.run("undelete", "K"), 6)


def test_destroying_asks_and_erases(two):
    for refused in (["destroy", "K"], ["delete", "K"]):
        assert b"add --yes" in done(two.run(*refused), 2).stderr
    shown, code = converse(two, ["destroy", "K"], [(b"[y/N]", b"")])
    assert (code, b"nothing was destroyed" in shown) == (1, True)
    assert history(two) == {1: "previous", 2: "current"}
    shown, code = converse(two, ["destroy", "K", "--version", "1"], [(b"[y/N]", b"y")])
    assert (code, b"erased version 1 of `K`" in shown) == (0, True)
    assert history(two) == {1: "destroyed", 2: "current"}
    assert error_of(two.run("get", "K", "--version", "1", "-o", "json"), 1)["code"] == "version_retired"
    assert b"copies and backups" in done(two.run("destroy", "K", "--yes")).stderr
    done(two.run("get", "K"), 6)
    done(two.run("destroy", "K", "--yes"), 6)
    done(two.run("destroy", "K", "--version", CANARY, "--yes"), 2)


def test_the_next_command_destroys_what_was_replaced(codespar):
    done(codespar.run("set", "K", stdin=CANARY.encode()))
    done(codespar.run("rotate", "K", "--grace", "0", stdin=b"second"))
    assert b"K" in done(codespar.run("list")).stdout
    assert history(codespar) == {1: "destroyed", 2: "current"}


# ── grants ──


def test_a_limited_secret_is_denied_to_whom_it_is_not_granted(codespar):
    done(codespar.run("set", "K", "--agents", "ci-*, deploy", "--tools", "stripe/**", stdin=CANARY.encode()))
    allowed = ["--agent", "ci-1", "--tool", "stripe/charge"]
    assert done(codespar.run("get", "K", "--reveal", *allowed)).stdout == CANARY.encode()
    shown = done(codespar.run("get", "K")).stdout.decode()
    assert "agents       ci-*, deploy" in shown
    assert "tools        stripe/**" in shown
    for asked in (
        ["--agent", "mallory", "--tool", "stripe/charge"],
        ["--agent", "ci-1", "--tool", "x"],
        ["--agent", "ci-1"],
    ):
        for way in ([], ["--reveal"], ["--version", "1"]):
            refused = codespar.run("get", "K", *asked, *way, "-o", "json")
            assert error_of(refused, 3)["code"] == "secret_denied"
            assert refused.stdout == b""
    assert done(codespar.run("get", "K", "--reveal")).stdout == CANARY.encode(), "a person is not an agent"
    done(codespar.run("verify"))


def test_grants_in_the_configuration(codespar):
    done(codespar.run("set", "K", stdin=CANARY.encode()))
    path = codespar.directory / "plugins.toml"
    path.write_text(path.read_text() + '[secrets.grants]\n"K*" = { agents = ["ci-*"] }\n')
    done(codespar.run("get", "K", "--agent", "ci-1"))
    assert error_of(codespar.run("get", "K", "--agent", "x", "-o", "json"), 3)["code"] == "secret_denied"
    for wrong in ('{ agents = "ci" }', "{ agnets = [] }", '{ tools = [""] }', "3"):
        path.write_text(f'version = 1\n[secrets]\nbackend = "vault"\n[secrets.grants]\nK = {wrong}\n')
        assert b"plugins.toml:5" in done(codespar.run("get", "K"), 2).stderr


@pytest.mark.parametrize(
    "arguments", [["set", "K", "--agents", ""], ["set", "K", "--tools", "a,,b"], ["get", "K", "--tool", "t"]]
)
def test_what_is_no_grant_is_a_usage_error(codespar, arguments):
    done(codespar.run(*arguments, stdin=b"v"), 2)


def test_a_backend_without_grants_says_so(codespar):
    (codespar.directory / "plugins.toml").write_text("version = 1\n")
    refused = done(codespar.run("get", "K", "--agent", "ci-1", K=CANARY), 2)
    assert b"cannot limit a secret" in refused.stderr
    (codespar.directory / "plugins.toml").write_text(
        'version = 1\n[secrets]\nbackend = "none"\n[secrets.grants]\nK = { agents = [] }\n'
    )
    done(codespar.run("get", "K", "--agent", "ci-1", K=CANARY), 2)


# ── keys ──


def test_the_status_of_the_keys(codespar):
    done(codespar.run("set", "K", stdin=b"v"))
    done(codespar.run("rotate", "K", stdin=b"w"))
    keys = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
    told = done(codespar.run("rotate", "--status", "-o", "json", **keys))
    found = json.loads(told.stdout)
    assert b"run codespar secrets rotate" in told.stderr
    assert (found["rotation_due"], found["master_key"]) == (True, "env:VAULT_MASTER_KEY_PREVIOUS")
    assert (found["kek_version"], found["data_keys"], found["tenants"], found["sealed"]) == (1, 1, 1, 2)
    assert (found["in_grace"], found["passphrase"], found["log_emptied"]) == (1, False, True)
    assert found["next_end"] > found["oldest_data_key"]
    done(codespar.run("rotate", **keys))
    shown = done(codespar.run("rotate", "--status", VAULT_MASTER_KEY=NEW))
    assert shown.stderr == b""
    assert "KEK version    2" in shown.stdout.decode()
    assert "1 replaced version, the first until" in shown.stdout.decode()


@pytest.mark.parametrize(
    "more", [["K"], ["--reencrypt"], ["--dry-run"], ["--grace", "1h"], ["--generate", "20"], ["--previous", "env:X"]]
)
def test_the_status_goes_with_nothing_else(codespar, more):
    assert b"--status only shows" in done(codespar.run("rotate", "--status", *more), 2).stderr


def test_a_vault_under_a_passphrase(codespar):
    path = codespar.directory / "plugins.toml"
    path.write_text(path.read_text() + 'master_key = "passphrase:env:WORDS"\n')
    words = {"WORDS": f"correct horse {CANARY}"}
    done(codespar.run("set", "K", stdin=b"v", **words))
    assert done(codespar.run("get", "K", "--reveal", **words)).stdout == b"v"
    assert b"a passphrase" in done(codespar.run("rotate", "--status", **words)).stdout
    assert (
        error_of(codespar.run("get", "K", "-o", "json", WORDS="another dozen of words"), 1)["code"]
        == "master_key_wrong"
    )
    assert error_of(codespar.run("get", "K", "-o", "json", WORDS="hunter2"), 2)["code"] == "master_key_malformed"
    missing = error_of(codespar.run("get", "K", "-o", "json"), 2)
    assert (missing["code"], "keygen" in missing["hint"]) == ("master_key_missing", False)
    assert CANARY.encode() not in raw_bytes(codespar.state)


def test_a_long_rotation_shows_how_far_it_is_and_leaves_nothing_on_the_screen(codespar, monkeypatch):
    vault = make_vault(codespar.state)
    for number in range(30):
        vault.set(f"tenant-{number}", "K", "v")
    vault.close()
    (codespar.directory / "sitecustomize.py").write_text(
        "import codespar_cli.cli.progress as progress\nprogress._PATIENCE_S = progress._BETWEEN_S = 0.0\n"
    )
    codespar.environ["PYTHONPATH"] = f"{codespar.directory}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    for arguments in (["rotate"], ["rotate", "--reencrypt"], ["rotate", "--reencrypt", "--dry-run"]):
        shown, code = converse(codespar, arguments, [])
        assert code == 0
        assert b"\rtenants: 29 of 30" in shown
        assert shown.index(b"\x1b[K") < shown.index(b"30 tenants")
        quiet = done(codespar.run(*arguments))
        assert b"\r" not in quiet.stdout + quiet.stderr
