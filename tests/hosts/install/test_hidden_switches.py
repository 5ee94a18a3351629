"""A file that a host reads and we do not must not hide a switch: `status` says proved only of what it could read."""

import json
import os

import pytest
from install_home import Home
from test_host_proof import errors, installed

from codespar_cli.core.regular_file import read_regular
from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install import status as status_module
from codespar_cli.hosts.install.codex_trust import trust_problems
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.said_settings import json_settings, text_settings, toml_settings
from codespar_cli.hosts.install.settings_file import MOST_BYTES, read_settings
from codespar_cli.hosts.install.shims import interpreter_of, shim_at
from codespar_cli.hosts.install.status import host_status

DEEP = "[" * 101 + "]" * 101
READ_ALL_THE_SAME = {
    "as it should be": b'{"disableAllHooks": true}',
    "nested": f'{{"x": {DEEP}, "disableAllHooks": true}}'.encode(),
    "nested as deep as no stack is": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b', "disableAllHooks": true}',
    "not UTF-8": b'{"a": "\xff", "disableAllHooks": true}',
    "a long number": b'{"y": ' + b"1" * 5000 + b', "disableAllHooks": true}',
    "a number no float can hold": b'{"y": 1e999, "disableAllHooks": true}',
    "given twice": b'{"disableAllHooks": false, "disableAllHooks": true}',
    "a lone surrogate": b'{"a": "\\ud800", "disableAllHooks": true}',
    "escaped": b'{"disable\\u0041llHooks": true}',
    "a byte order mark": b'\xef\xbb\xbf{"disableAllHooks": true}',
    "UTF-16": '\ufeff{"disableAllHooks": true}'.encode("utf-16-le"),
    "comments": b'// one\n{/* "x": { */ "disableAllHooks": true, // last\n}\n',
    "a text with a comment in it": b'{"a": "// \\" /*", "disableAllHooks": true}',
}
NOT_READ = {
    "half a file": b'{"disableAllHooks": true',
    "brackets that do not meet": b'{"disableAllHooks": true]',
    "no JSON": b"disableAllHooks: true",
    "too many values": b"[" + b"1," * 1_000_001 + b"1]",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(status_module, "prove", lambda layout, handler, environ: [_Good()])  # tried in test_host_proof
    return Home(tmp_path)


class _Good:
    problem = None


def projects(home, data):
    path = home.work / ".claude/settings.json"
    path.parent.mkdir()
    path.write_bytes(data)
    return path


def status_of(home, host="claude"):
    return host_status(LAYOUTS[host], home.around())


@pytest.mark.parametrize("case", READ_ALL_THE_SAME)
def test_a_switch_is_found_in_whatever_a_host_can_read(home, case):
    installed(home, "claude")
    assert status_of(home).state == "proved"
    path = projects(home, READ_ALL_THE_SAME[case])
    assert (status_of(home).state, errors(status_of(home))) == (
        "not proved",
        [f"{path}: `disableAllHooks` is true, so no hook runs"],
    )


@pytest.mark.parametrize("case", NOT_READ)
def test_a_file_that_cannot_be_read_is_never_passed_over(home, case):
    installed(home, "claude")
    path = projects(home, NOT_READ[case])
    status = status_of(home)
    assert status.state == "not proved"
    assert [message.startswith(f"{path}: cannot be read") for message in errors(status)] == [True]
    assert len([one for one in status.findings if str(path) in one.message]) == 1


def test_what_it_says_otherwise_is_what_json_says(tmp_path):
    said = {"a": [1, {"b": 'x\ny\\"{}'}, [], None], "é": {"": False}, "c": "true", "d": {}}
    path = tmp_path / "settings.json"
    for text in (json.dumps(said), json.dumps(said, indent=2, ensure_ascii=False)):
        path.write_text(text)
        assert json_settings(path) == {
            **said,
            "a": [0, {"b": 'x\ny\\"{}'}, [], None],
        }  # what a number is does not matter
    for text in ("", " \n", "[]", "7", '"x"'):
        path.write_text(text)
        assert json_settings(path) == {}
    assert json_settings(tmp_path / "none.json") == toml_settings(tmp_path / "none.toml") == {}


def test_variables_behind_many_brackets_are_found(home):
    installed(home, "claude")
    path = projects(home, f'{{"x": {DEEP}, "env": {{"CODESPAR_CONFIG": "/dev/null"}}}}'.encode())
    assert any(f"{path}: `env` sets `CODESPAR_CONFIG`" in message for message in errors(status_of(home)))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"[features]\nhooks = false\n", "`features.hooks` is false"),
        (b"\xef\xbb\xbf[features]\nhooks = false\n", "`features.hooks` is false"),
        (b'a = "\xff"\n[features]\nhooks = false\n', "`features.hooks` is false"),
        (b"a = " + b"[" * 5000 + b"]" * 5000 + b"\n[features]\nhooks = false\n", "cannot be read"),
        (b"[features]\nhooks = false\na = \n", "cannot be read"),
    ],
)
def test_the_same_of_codex(home, data, words):
    installed(home, "codex")
    path = home.work / ".codex/config.toml"
    path.parent.mkdir()
    path.write_bytes(data)
    status = status_of(home, "codex")
    assert status.state == "not proved"
    assert any(str(path) in message and words in message for message in errors(status))


# ── what is no file, or none that ends ──


def no_file(kind, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


KINDS = pytest.mark.parametrize("kind", ["pipe", "device", "directory"])


@KINDS
@pytest.mark.parametrize(
    ("host", "name"), [("claude", ".claude/settings.json"), ("gemini", ".env"), ("codex", ".codex/config.toml")]
)
def test_what_is_no_file_beside_the_hooks_is_told_and_not_waited_for(home, kind, host, name):
    installed(home, host)
    path = no_file(kind, home.work / name)
    status = status_of(home, host)
    assert status.state == "not proved"
    assert any(f"{path}: cannot be read" in message and "found something else" in message for message in errors(status))


@KINDS
def test_what_is_no_file_in_the_place_of_ones_own_settings_is_refused(home, kind):
    installed(home, "claude")
    path = no_file(kind, home.path("claude"))
    with pytest.raises(ConfigError, match="found something else"):
        read_settings(path)
    assert status_of(home).state == "not proved"
    told = [home.codespar("hosts", command, "claude", "--yes") for command in ("install", "uninstall")]
    assert [done.returncode for done in told] == [2, 2]
    assert all("found something else" in done.stderr for done in told)


@KINDS
def test_no_reader_waits_for_it(tmp_path, kind):
    path = no_file(kind, tmp_path / "config.toml")
    assert shim_at(str(path)) is None
    assert interpreter_of(str(path)) is None
    assert list(trust_problems(path, [], tmp_path, "PreToolUse")) == []
    for reading in (json_settings, toml_settings, text_settings):
        with pytest.raises(ConfigError, match="cannot be read"):
            reading(path)


def test_a_file_is_read_up_to_a_limit(tmp_path):
    path = tmp_path / "settings.json"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ConfigError, match="at most 16777216 bytes"):
        read_settings(path)
    with pytest.raises(ConfigError, match="at most 16777216 bytes"):
        json_settings(path)
    path.write_bytes(b"12345")
    path.chmod(0o640)
    assert read_regular(path, 5) == (b"12345", 0o640)
    with pytest.raises(OSError, match="at most"):
        read_regular(path, 4)
