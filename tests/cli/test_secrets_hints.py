"""Every error of `codespar secrets` comes with a hint that mends it, and asks nobody for what it then refuses."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys

import pytest
from secrets_kit import KEY, Project, done
from terminal_kit import Person

SHELF = '''"""A keyring in a file, for tests."""
import json, os, pathlib
from keyring.backend import KeyringBackend

class Shelf(KeyringBackend):
    priority = 1
    path = pathlib.Path(os.environ["SHELF"])
    def _kept(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}
    def get_password(self, service, username):
        return self._kept().get(service + " " + username)
    def set_password(self, service, username, password):
        self.path.write_text(json.dumps({**self._kept(), service + " " + username: password}))
    def delete_password(self, service, username):
        kept = self._kept()
        del kept[service + " " + username]
        self.path.write_text(json.dumps(kept))
'''


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def keyring(project):
    (project.directory / "shelf.py").write_text(SHELF)
    path = f"{project.directory}{os.pathsep}{project.environ['PYTHONPATH']}"
    project.environ |= {
        "PYTHONPATH": path,
        "PYTHON_KEYRING_BACKEND": "shelf.Shelf",
        "SHELF": str(project.directory / "shelf.json"),
    }
    project.configure('[secrets]\nbackend = "keyring"\n')
    return project


@pytest.fixture
def person(project):
    there = []

    def at_a_terminal(*arguments):
        there.append(
            Person(project.command(*arguments), cwd=project.directory, env={**project.environ, "NO_COLOR": "1"})
        )
        return there[-1]

    yield at_a_terminal
    for each in there:
        each.close()


def error_of(result, code):
    """As programs get it; what people read has the same hint."""
    return json.loads(done(result, code).stderr.splitlines()[-1])["error"]


def hint_of(result, code):
    told = done(result, code).stderr.decode()
    found = re.search(r"^hint: (.+)$", told, re.MULTILINE)
    assert found, told
    return found[1]


# ── a backend that keeps values alone ──


def test_a_keyring_takes_a_value_and_gives_it_back(keyring):
    assert b"`K` of tenant `default` is stored" in done(keyring.run("set", "K", stdin=b"v")).stderr
    assert done(keyring.run("get", "K", "--reveal")).stdout == b"v"
    shown = json.loads(done(keyring.run("set", "K", "--generate", "20", "-o", "json")).stdout)
    assert (shown["key"], shown["tenant"], shown["version"]) == ("K", "default", None)
    assert len(done(keyring.run("get", "K", "--reveal")).stdout) == 20
    assert json.loads(done(keyring.run("delete", "K", "--yes", "-o", "json")).stdout) == {
        "key": "K",
        "tenant": "default",
        "versions": 1,
    }
    hint = hint_of(keyring.run("delete", "K", "--yes"), 6)
    assert hint == "codespar secrets set K" == hint_of(keyring.run("get", "K"), 6)
    done(keyring.run(*hint.split()[2:], stdin=b"again"))


@pytest.mark.parametrize(
    "more", [["--note", "n"], ["--expires", "90d"], ["--cas", "0"], ["--agents", "ci-*"], ["--tools", "a/**"]]
)
def test_a_keyring_does_not_take_what_it_cannot_keep(keyring, more):
    assert error_of(keyring.run("set", "K", *more, "-o", "json", stdin=b"v"), 2)["code"] == "not_supported"
    done(keyring.run("get", "K"), 6)


def test_the_environment_says_how_a_secret_gets_there(project):
    project.configure("")
    assert hint_of(project.run("get", "A"), 6) == "export CODESPAR_SECRET__default__A=…"
    assert hint_of(project.run("run", "--only", "A", "--", "true"), 6) == "export CODESPAR_SECRET__default__A=…"


# ── hints ──


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["set", "K", "--generate", "4"], 2, "codespar secrets set K --generate 32"),
        (["set", "a b", "--generate", "4"], 2, "codespar secrets set 'a b' --generate 32"),
        (["set", "K", "--expires", "5y"], 2, "codespar secrets set K --expires 90d"),
        (["set", "K", "--expires", "999999999d"], 2, "codespar secrets set K --expires 90d"),
        (["set", "K", "--note", "n" * 1025], 2, "--note '"),
        (["set", "K", "--agents", ""], 2, "codespar secrets set K --agents 'ci-*,deploy'"),
        (["set", "K", "--agents", "re2:.*"], 2, "codespar secrets set K --agents 'ci-*,deploy'"),
        (["set", "K", "--tools", "["], 2, "codespar secrets set K --tools 'stripe/**'"),
        (["grant", "K", "--tools", "a**"], 2, "codespar secrets grant K --tools 'stripe/**'"),
        (["set", "", "--generate", "20"], 2, "codespar secrets list"),
        (["get", ""], 2, "codespar secrets list"),
        (["set", "K", "--from-file", "nofile"], 6, "codespar secrets set K"),
        (["set", "K", "--from-file", "."], 2, "codespar secrets set K"),
        (["set", "NEW", "--cas", "3", "--generate", "20"], 1, "codespar secrets list"),
        (["set", "K", "--cas", "3", "--generate", "20"], 1, "codespar secrets history K"),
        (["get", "K", "--version", "abc"], 2, "codespar secrets history K"),
        (["--tenant", "t", "get", "K", "--version", "abc"], 2, "codespar --tenant t secrets history K"),
        (["get", "K", "--tool", "x"], 2, "codespar secrets get K --agent NAME --tool x"),
        (["rotate", "K", "--grace", "5"], 2, "codespar secrets rotate K --grace 24h"),
        (["import", "nofile"], 6, "ls -l ."),
        (["inject", "no/file"], 6, "ls -l no"),
        (["undelete", "MISSING"], 6, "codespar secrets list"),
        (["undelete", "K"], 6, "codespar secrets history K"),
        (["rollback", "MISSING", "--to", "1"], 6, "codespar secrets list"),
        (["rollback", "K", "--to", "9"], 6, "codespar secrets history K"),
        (["destroy", "MISSING", "--version", "2", "--yes"], 6, "codespar secrets list"),
        (["delete", "K"], 2, "codespar secrets delete K --yes"),
        (["destroy", "K"], 2, "codespar secrets destroy K --yes"),
        (["rotate", "--previous", "file:nope"], 2, "codespar secrets rotate --previous file:old.key"),
        (["rotate", "--previous", "env:NOPE"], 2, "codespar secrets rotate --previous file:old.key"),
        (["rotate", "--previous", "hex:00"], 2, "codespar secrets rotate --previous file:old.key"),
        (["rotate", "--previous", "passphrase:x"], 2, "codespar secrets rotate --previous file:old.key"),
        (["run", "--only", "", "--", "true"], 2, "codespar secrets list"),
        (["run", "--only", "K,", "--", "true"], 2, "codespar secrets list"),
        (["export", "--reveal", "--only", ""], 2, "codespar secrets list"),
    ],
)
def test_the_hint_is_a_command_that_mends_it(project, arguments, code, hint):
    project.keep(K="v")
    if arguments[0] == "--tenant":
        arguments = [*arguments[2:], *arguments[:2]]
    result = project.run(*arguments)
    found = hint_of(result, code)
    assert hint in found
    assert "keygen" not in found
    assert b"KEY" not in result.stderr.partition(b"hint:")[2]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (b"A=1\nA=2\n", "codespar secrets import .env --dry-run"),
        (b"A='x\n", "codespar secrets import .env --dry-run"),
        (b'A="x\n', "codespar secrets import .env --dry-run"),
        (b"A=\xff\n", "iconv"),
        (b"# a\rB=1\n", "tr '\\r' '\\n'"),
        (b'{"A": "1"}', "codespar secrets import .env --format json"),
    ],
)
def test_a_file_that_cannot_be_imported(project, text, hint):
    (project.directory / ".env").write_bytes(text)
    assert hint in hint_of(project.run("import", ".env"), 2)
    assert hint.replace(".env", "-") in hint_of(project.run("import", "-", stdin=text), 2)


def test_what_is_json_imports_as_the_hint_says(project):
    (project.directory / "j.json").write_text('{"A": "1"}')
    hint = hint_of(project.run("import", "j.json"), 2)
    done(project.run(*hint.partition("codespar secrets ")[2].split()))
    assert project.values() == {"A": "1"}
    assert "codespar secrets import j.json --on-conflict skip" in hint_of(
        project.run("import", "j.json", "--format", "json"), 1
    )


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ('grace = "soon"', 'grace = "24h"'),
        ('master_key = "base64:AAAA"', "codespar secrets keygen"),
        ('grants.K.agents = ["re2:x"]', "billing-*"),
    ],
)
def test_what_the_file_says_wrong(project, table, hint):
    project.configure(f'[secrets]\nbackend = "vault"\n{table}\n')
    told = project.run("get", "K")
    assert hint in hint_of(told, 2)
    assert b"AAAA" not in told.stderr
    if "master_key" in table:
        assert b"passphrase:" in told.stderr


def test_a_failed_check_is_not_mended_by_itself(project):
    project.keep(K="v")
    connection = sqlite3.connect(project.state / "vault.db")
    with connection:
        connection.execute("UPDATE version SET created_at = created_at + 1")
    connection.close()
    assert hint_of(project.run("verify"), 5).startswith("keep ")


def test_a_denied_agent_is_told_the_key(project):
    done(project.run("set", "K", "--agents", "ci-*", stdin=b"v"))
    hint = hint_of(project.run("get", "K", "--agent", "x"), 3)
    assert "codespar secrets grant K --agents" in hint


def test_a_missing_version_is_not_a_missing_secret(project):
    project.keep(B="v")
    (project.directory / "t").write_text("{{codespar://default/B?version=2}}")
    for arguments in (["inject", "t"], ["inject", "t", "--dry-run"], ["get", "B", "--version", "2"]):
        told = done(project.run(*arguments), 6).stderr
        assert b"has no version 2 of `B`" in told
        assert b"codespar secrets history B" in told
    assert b"no secret `C`" in done(project.run("get", "C", "--version", "2"), 6).stderr


# ── the master key ──


def test_a_master_key_file_that_is_there_is_not_called_missing(project):
    real = project.directory / "real"
    real.write_text(KEY)
    real.chmod(0o600)
    (project.directory / "link").symlink_to("real")
    (project.directory / "folder").mkdir()
    for name, hint in (("link", "readlink -f "), ("folder", "ls -ld ")):
        project.configure(f'[secrets]\nbackend = "vault"\nmaster_key = "file:{name}"\n')
        error = error_of(project.run("get", "K", "-o", "json"), 2)
        assert error["code"] == "master_key_unusable"
        assert hint + str(project.directory / name) in error["hint"]


def diagnosed(project, **environ):
    found = []
    for command in (["doctor"], ["plugins", "status"]):
        ran = subprocess.run(
            [sys.executable, "-m", "codespar_cli", *command],
            capture_output=True,
            cwd=project.directory,
            env={**project.environ, **environ},
            timeout=60,
        )
        assert ran.returncode == 1, ran
        found.append((ran.stdout + ran.stderr).decode())
    return found


def test_the_doctor_says_what_mends_a_missing_or_wrong_key(project):
    project.keep(K="v")
    for told in diagnosed(project, VAULT_MASTER_KEY=""):
        assert "export VAULT_MASTER_KEY" in told
        assert "fix: codespar plugins status" not in told
    for told in diagnosed(project, VAULT_MASTER_KEY="hex:" + "cd" * 32):
        assert "codespar secrets rotate --previous file:old.key" in told


# ── one JSON document ──


def test_every_change_can_be_read_by_a_program(project):
    project.keep(K="v")

    def shown(*arguments, **options):
        return json.loads(done(project.run(*arguments, "-o", "json", **options)).stdout)

    assert shown("delete", "K", "--yes") == {"key": "K", "tenant": "default", "versions": 1}
    assert shown("undelete", "K") == {"key": "K", "tenant": "default", "versions": 1}
    assert shown("rotate", "K", "--dry-run") == {"key": "K", "tenant": "default", "version": 2, "dry_run": True}
    template = b"a\n{{codespar://default/K}}"
    assert shown("inject", "-", "--dry-run", stdin=template) == [
        {"line": 2, "tenant": "default", "key": "K", "version": 1}
    ]
    done(project.run("inject", "-", "-o", "json", stdin=template), 2)
    erased = {"key": "K", "tenant": "default", "versions": 1, "log_emptied": True}
    assert shown("destroy", "K", "--yes") == erased
    key = shown("keygen")
    assert list(key) == ["master_key"]
    done(project.run("list", VAULT_MASTER_KEY=key["master_key"], CODESPAR_STATE_DIR=str(project.directory / "other")))


# ── at a terminal ──


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["rotate", "MISSING"], 6),
        (["set", "K", "--cas", "0"], 1),
        (["set", "NEW", "--cas", "1"], 1),
        (["delete", "MISSING"], 6),
        (["destroy", "MISSING"], 6),
    ],
)
def test_nobody_is_asked_for_what_is_refused_anyway(project, person, arguments, code):
    project.keep(K="v")
    user = person(*arguments)
    assert user.leaves() == code
    for asked in (b"value:", b"[y/N]"):
        assert asked not in user.seen
    assert b"hint: codespar secrets " in user.seen


def test_what_is_there_is_still_asked_about(project, person):
    project.keep(K="v")
    user = person("set", "K", "--cas", "1")
    user.sees(b"value: ")
    user.type(b"one\n")
    user.sees(b"again: ")
    user.type(b"two\n")
    assert user.leaves() == 2
    assert b"hint: again: codespar secrets set K" in user.seen
    user = person("delete", "K")
    user.sees(b"[y/N]")
    user.type(b"y\n")
    assert user.leaves() == 0


# ── without a project ──


def test_a_vault_that_was_not_asked_is_named(project):
    project.keep(K="v")
    (project.directory / "plugins.toml").unlink()
    note = f"the vault at {project.state / 'vault.db'} was not asked".encode()
    for arguments, code in ((["get", "K"], 6), (["list"], 2), (["run", "--only", "K", "--", "true"], 6)):
        assert done(project.run(*arguments), code).stderr.count(note) == 1
    assert note in done(project.run("get", "K", "--reveal", K="bare")).stderr
    shutil.rmtree(project.state)
    assert b"vault" not in done(project.run("get", "K", "--reveal", K="bare")).stderr
