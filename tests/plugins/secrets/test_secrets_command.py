import json
import re
import subprocess
import sys

import pytest
from vault_kit import NEW, OLD, converse, raw_bytes

CANARY = "canary-9b1e77"


def done(result, code=0):
    assert result.returncode == code, result.stderr
    assert b"Traceback" not in result.stderr
    assert CANARY.encode() not in result.stderr
    return result


def test_exact_bytes_go_in_and_come_out(codespar):
    for number, value in enumerate([b"plain", b"", b"line\nfeed\r\n\n", "日本 😀".encode(), b"nul\x00", b"x" * 65_536]):
        done(codespar.run("set", f"K{number}", stdin=value))
        assert done(codespar.run("get", f"K{number}", "--reveal")).stdout == value


def test_masked_unless_revealed(codespar):
    written = done(codespar.run("set", "K", "--note", "for CI", "--expires", "90d", stdin=CANARY.encode()))
    assert written.stdout == b""
    shown = done(codespar.run("get", "K")).stdout.decode()
    assert CANARY not in shown
    for fact in ("********", "1 (current)", "for CI", "fingerprint"):
        assert fact in shown
    assert re.search(r"in (90d|89d 23h)", shown)  # what is left of it when the machine is slow
    assert CANARY.encode() not in raw_bytes(codespar.state)


def test_get_as_json(codespar):
    done(codespar.run("set", "K", "--note", "n", "--tenant", "acme", stdin=CANARY.encode()))
    masked = json.loads(done(codespar.run("get", "K", "--tenant", "acme", "-o", "json")).stdout)
    assert masked.keys() == {
        *("key", "tenant", "version", "fingerprint", "created_at", "expires_at", "note", "agents", "tools")
    }
    assert (masked["agents"], masked["tools"]) == (None, None)
    assert (masked["key"], masked["tenant"], masked["version"], masked["note"]) == ("K", "acme", 1, "n")
    assert re.fullmatch(r"[0-9a-f]{16}", masked["fingerprint"])
    revealed = json.loads(done(codespar.run("get", "K", "--tenant", "acme", "-o", "json", "--reveal")).stdout)
    assert revealed == {**masked, "value": CANARY}


def test_list_and_history_show_states_and_never_values(codespar):
    done(codespar.run("set", "A", stdin=CANARY.encode()))
    done(codespar.run("rotate", "A", stdin=b"second"))
    done(codespar.run("set", "B", "--expires", "3d", stdin=b"v"))
    listed = json.loads(done(codespar.run("list", "-o", "json")).stdout)
    assert [(row["key"], row["version"], row["state"]) for row in listed] == [("A", 2, "current"), ("B", 1, "current")]
    assert [row["key"] for row in json.loads(done(codespar.run("list", "--due", "-o", "json")).stdout)] == ["B"]
    history = json.loads(done(codespar.run("history", "A", "-o", "json")).stdout)
    assert [(row["version"], row["state"]) for row in history] == [(2, "current"), (1, "previous")]
    assert CANARY not in str(listed) + str(history)
    assert done(codespar.run("get", "A", "--version", "1", "--reveal")).stdout == CANARY.encode()
    table = done(codespar.run("list")).stdout.decode()
    assert table.splitlines()[0].split() == ["KEY", "VERSION", "FINGERPRINT", "AGE", "EXPIRES", "STATE", "NOTE"]


def test_what_is_not_there_is_exit_6(codespar):
    for arguments in (
        ["get", "K"],
        ["get", "K", "--reveal"],
        ["history", "K"],
        ["delete", "K", "--yes"],
        ["rotate", "K"],
    ):
        found = done(codespar.run(*arguments, "-o", "json") if arguments[0] == "get" else codespar.run(*arguments), 6)
        assert found.stdout == b""


def test_a_value_on_the_command_line_is_refused_and_not_repeated(codespar):
    for arguments in (
        ["set", "K", CANARY],
        ["set", "K", "a", CANARY],
        ["rotate", "K", CANARY],
        ["set", "K", "--", CANARY],
        ["get", "K", CANARY],
        ["get", "K", "--reveal", CANARY],
        ["delete", "K", CANARY, "--yes"],
        ["history", "K", CANARY],
        ["list", CANARY],
        ["verify", CANARY],
    ):
        refused = done(codespar.run(*arguments, stdin=b"v"), 2)
        expected = b"never taken from the command line" if arguments[0] in {"set", "rotate"} else b"takes no more than"
        assert expected in refused.stderr
    done(codespar.run("get", "K"), 6)


@pytest.mark.parametrize(
    "arguments",
    [
        ["set", "K", f"--{CANARY}"],
        ["set", "K", f"-{CANARY}"],
        ["rotate", "K", f"--{CANARY}=x"],
        ["delete", "K", f"--{CANARY}"],
        ["keygen", f"--{CANARY}"],
        *(["set", "K", option, CANARY] for option in ("--cas", "--generate", "--expires", "--from-file", "-o")),
        *(["rotate", "K", f"{option}={CANARY}"] for option in ("--grace", "--generate", "--previous", "--output")),
        ["get", "K", "--version", CANARY],
        ["get", "K", f"-o{CANARY}"],
        ["get", "K", f"--reveal={CANARY}"],
    ],
)
def test_an_option_that_may_be_a_value_is_not_repeated(codespar, arguments):
    done(codespar.run(*arguments, stdin=b"v"), 6 if "--from-file" in arguments else 2)


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["set", "K"], b"\xff" + CANARY.encode()),
        (["set", "K"], CANARY.encode() + b"x" * 65_536),
        (["set", ""], b"v"),
        (["set", "K", "--expires", "soon"], b"v"),
        (["set", "K", "--expires", "999999999999d"], b"v"),
        (["set", "K", "--generate", "7"], b""),
        (["set", "K", "--generate", "65537"], b""),
        (["set", "K", "--generate", "20", "--from-file", "x"], b""),
        (["set", "K", "--from-file", "."], b""),
        (["set", "K", "--cas", "-1"], b"v"),
        (["set"], b"v"),
        (["get", "K", "--version", "0"], b""),
        (["delete", "K"], b""),
        (["rotate", "--grace", "1h"], b""),
        (["rotate", "--generate", "20"], b""),
        (["rotate", "K", "--reencrypt"], b"v"),
        (["rotate", "K", "--previous", "env:X"], b"v"),
        (["rotate", "K", "--grace", "long"], b"v"),
        (["rotate", "K", "--generate", "999999999999999999999"], b"v"),
        (["rotate", "--previous", "nonsense"], b""),
        (["rotate", "--previous", "env:UNSET"], b""),
    ],
)
def test_bad_input_is_a_usage_error_that_shows_no_value(codespar, arguments, stdin):
    refused = done(codespar.run(*arguments, stdin=stdin), 2)
    assert refused.stdout == b""
    assert refused.stderr


def test_a_file_or_a_generator_can_give_the_value(codespar):
    (codespar.directory / "value").write_bytes(b"from\na file\n")
    done(codespar.run("set", "F", "--from-file", "value"))
    assert done(codespar.run("get", "F", "--reveal")).stdout == b"from\na file\n"
    for name in ("G", "H"):
        done(codespar.run("set", name, "--generate", "40"))
    made = [done(codespar.run("get", name, "--reveal")).stdout.decode() for name in ("G", "H")]
    assert made[0] != made[1]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{40}", value) for value in made)


def test_compare_and_set(codespar):
    done(codespar.run("set", "K", "--cas", "0", stdin=b"1"))
    refused = done(codespar.run("set", "K", "--cas", "0", "-o", "json", stdin=b"2"), 1)
    assert json.loads(refused.stderr)["error"]["code"] == "conflict"
    assert json.loads(done(codespar.run("set", "K", "--cas", "1", "-o", "json", stdin=b"2")).stdout)["version"] == 2


def test_each_rotation_says_in_one_line_what_it_did_and_what_it_does_not_help_against(codespar):
    done(codespar.run("set", "K", stdin=CANARY.encode()))
    for arguments in (["rotate"], ["rotate", "--dry-run"], ["rotate", "--reencrypt"]):
        told = done(codespar.run(*arguments)).stdout.decode()
        assert told.count("\n") == 1
        assert "does not help against" in told
        assert "1 tenant" in told
    told = done(codespar.run("rotate", "K", "--grace", "1h", stdin=b"new")).stderr.decode()
    assert told.count("\n") == 1
    assert "version 2" in told
    assert "1 until" in told
    report = json.loads(done(codespar.run("rotate", "--reencrypt", "-o", "json")).stdout)
    assert (report["operation"], report["values"], report["dry_run"]) == ("reencrypt", 2, False)
    assert done(codespar.run("get", "K", "--reveal")).stdout == b"new"


def test_a_new_master_key(codespar):
    done(codespar.run("set", "K", stdin=CANARY.encode()))
    keys = {"VAULT_MASTER_KEY": NEW, "VAULT_MASTER_KEY_PREVIOUS": OLD}
    assert done(codespar.run("get", "K", "--reveal", **keys)).stdout == CANARY.encode()
    assert b"new master key" in done(codespar.run("rotate", **keys)).stdout
    assert done(codespar.run("get", "K", "--reveal", VAULT_MASTER_KEY=NEW)).stdout == CANARY.encode()
    wrong = done(codespar.run("get", "K", "-o", "json"), 1)
    assert json.loads(wrong.stderr)["error"]["code"] == "master_key_wrong"


@pytest.mark.parametrize(("key", "code"), [("", "master_key_missing"), ("hunter2" + CANARY, "master_key_malformed")])
def test_no_usable_master_key_is_exit_2(codespar, key, code):
    refused = done(codespar.run("get", "K", "-o", "json", VAULT_MASTER_KEY=key), 2)
    error = json.loads(refused.stderr)["error"]
    assert error["code"] == code
    assert "codespar secrets keygen" in error["hint"]


def test_keygen_makes_a_key_that_opens_a_vault(codespar):
    made = done(codespar.run("keygen", VAULT_MASTER_KEY=""))
    assert re.fullmatch(rb"base64:[A-Za-z0-9+/]{43}=\n", made.stdout)
    assert made.stderr
    done(codespar.run("set", "K", stdin=b"v", VAULT_MASTER_KEY=made.stdout.decode()))


def test_verify_says_what_it_saw_and_tampering_is_exit_5(codespar):
    done(codespar.run("set", "K", stdin=b"v"))
    report = json.loads(done(codespar.run("verify", "-o", "json")).stdout)
    assert (report["tenants"], report["secrets"], report["versions"], report["warnings"]) == (1, 1, 1, [])
    assert re.fullmatch(r"[0-9a-f]{64}", report["head"])
    import apsw

    connection = apsw.Connection(str(codespar.state / "vault.db"))
    connection.execute("UPDATE version SET created_at = created_at + 1")
    connection.close()
    for arguments in (["verify"], ["get", "K"], ["get", "K", "--reveal"], ["list"], ["rotate", "--reencrypt"]):
        assert done(codespar.run(*arguments), 5).stdout == b""


def test_delete_with_yes(codespar):
    done(codespar.run("set", "K", stdin=b"v"))
    done(codespar.run("delete", "K", "--yes"))
    done(codespar.run("get", "K"), 6)


def test_without_a_vault_the_environment_is_read_and_only_read(codespar):
    (codespar.directory / "plugins.toml").write_text("version = 1\n")
    variables = {"CODESPAR_SECRET__acme__API_5fKEY": CANARY, "BARE": "b"}
    assert done(codespar.run("get", "API_KEY", "--tenant", "acme", "--reveal", **variables)).stdout == CANARY.encode()
    masked = done(codespar.run("get", "API_KEY", "--tenant", "acme", **variables)).stdout
    assert CANARY.encode() not in masked
    assert json.loads(done(codespar.run("get", "BARE", "-o", "json", **variables)).stdout)["version"] is None
    done(codespar.run("get", "API_KEY", **variables), 6)
    for arguments in (["set", "K"], ["list"], ["rotate"], ["verify"], ["get", "K", "--version", "1"]):
        refused = done(codespar.run(*arguments, stdin=b"v", **variables), 2)
        assert b"cannot do this" in refused.stderr


def test_hostile_names_are_made_harmless_on_the_screen(codespar):
    hostile = "\x1b[2J\u202ekey"
    done(codespar.run("set", hostile, "--note", "\x1b]0;x\x07[bold]", stdin=b"v"))
    for arguments in (["list"], ["get", hostile], ["history", hostile]):
        shown = done(codespar.run(*arguments)).stdout
        assert b"\x1b" not in shown
        assert "\u202e".encode() not in shown


# ── a person at a terminal ──


def test_a_person_types_the_value_twice_and_never_sees_it(codespar):
    typed = CANARY.encode()
    shown, code = converse(codespar, ["set", "K"], [(b"value: ", typed), (b"again: ", typed)])
    assert code == 0
    assert typed not in shown
    assert done(codespar.run("get", "K", "--reveal")).stdout == typed
    shown, code = converse(codespar, ["set", "K"], [(b"value: ", typed), (b"again: ", b"different")])
    assert (code, b"differ" in shown, typed in shown) == (2, True, False)
    shown, code = converse(codespar, ["set", "K"], [(b"value: ", b""), (b"again: ", b"")])
    assert code == 2
    assert done(codespar.run("get", "K", "--reveal")).stdout == typed


def test_a_person_is_asked_before_a_secret_is_deleted(codespar):
    done(codespar.run("set", "K", stdin=b"v"))
    assert converse(codespar, ["delete", "K"], [(b"[y/N]", b"n")])[1] == 1
    done(codespar.run("get", "K"))
    assert converse(codespar, ["delete", "K"], [(b"[y/N]", b"y")])[1] == 0
    done(codespar.run("get", "K"), 6)


def test_help_of_the_group_needs_no_configuration(codespar):
    (codespar.directory / "plugins.toml").write_text("broken = ")
    shown = subprocess.run(
        [sys.executable, "-m", "codespar_cli", "secrets", "--help"], cwd=codespar.directory, capture_output=True
    )
    assert shown.returncode == 0
    for command in (b"set", b"get", b"list", b"history", b"delete", b"rotate", b"keygen", b"verify"):
        assert command in shown.stdout
