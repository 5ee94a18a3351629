import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.administration.secrets import new_master_key
from codespar_cli.errors import ConfigError, MasterKeyMalformed, MasterKeyMissing, MissingExtra
from codespar_cli.plugins.secrets.master_key import decode_master_key, load_master_key, parse_reference

KEY = bytes(range(224, 256))


def material(master) -> bytes:
    return master._material


def written(key: bytes) -> list[str]:
    standard, safe = base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode()
    forms = [key.hex(), key.hex().upper(), standard, safe]
    return [*forms, *(f"hex:{form}" for form in forms[:2]), *(f"base64:{form}" for form in forms[2:])]


@given(st.binary(min_size=32, max_size=32))
def test_every_written_form_is_the_same_key(key):
    for form in written(key):
        for ending in ("", "\n", "\r\n"):
            assert decode_master_key(form + ending, "here") == key


@given(st.binary(max_size=80).filter(lambda data: len(data) != 32))
def test_any_other_length_is_refused(key):
    for form in (key.hex(), f"hex:{key.hex()}", f"base64:{base64.b64encode(key).decode()}"):
        with pytest.raises(MasterKeyMalformed):
            decode_master_key(form, "here")


@given(st.text(max_size=70))
def test_text_is_never_stretched_into_a_key(text):
    try:
        key = decode_master_key(text, "here")
    except MasterKeyMalformed as error:
        assert "codespar secrets keygen" in (error.hint or "")
        assert len(text) < 8 or text not in str(error)
    else:
        assert len(key) == 32


@pytest.mark.parametrize(
    "text",
    [
        "password",
        "x" * 32,
        "hex:" + "ab" * 31 + "zz",
        "ab" * 32 + " ",
        " " + "ab" * 32,
        base64.b64encode(KEY).decode()[:-1],
        base64.b64encode(KEY).decode()[:-2] + "9=",
        "base64:" + "ab" * 32,
        "hex:" + base64.b64encode(KEY).decode(),
        "ab" * 32 + "\n\n",
        "٠" * 64,
        "",
    ],
)
def test_near_misses_are_refused(text):
    with pytest.raises(MasterKeyMalformed):
        decode_master_key(text, "here")


def test_keygen_makes_a_new_key_each_time():
    keys = {new_master_key() for _ in range(50)}
    assert len(keys) == 50
    assert {len(decode_master_key(key, "here")) for key in keys} == {32}


@pytest.mark.parametrize(
    "text", ["", "VAULT_MASTER_KEY", "env:", "env:A B", "file:", "keyring:x", "keyring:/x", "http://x"]
)
def test_what_is_no_reference_is_a_configuration_error(text):
    with pytest.raises(ConfigError) as caught:
        parse_reference(text)
    assert caught.value.key == "master_key"


def test_a_passphrase_written_in_place_of_a_reference_is_refused():
    with pytest.raises(ConfigError, match="passphrase"):
        parse_reference("passphrase:correct horse")


def test_a_key_pasted_in_place_of_a_reference_is_not_repeated():
    pasted = KEY.hex()
    with pytest.raises(ConfigError) as caught:
        parse_reference(pasted)
    assert pasted not in str(caught.value)


def load(text: str, directory: Path, **environ: str):
    return load_master_key(parse_reference(text), environ=environ, config_dir=directory)


def test_an_unset_variable_is_missing(tmp_path):
    for environ in ({}, {"K": ""}):
        with pytest.raises(MasterKeyMissing) as caught:
            load("env:K", tmp_path, **environ)
        assert caught.value.exit_code == 2


def test_a_file_is_looked_for_beside_the_configuration(tmp_path):
    path = tmp_path / "master.key"
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o600)
    assert material(load("file:master.key", tmp_path)) == KEY
    assert repr(load(f"file:{path}", tmp_path)) == f"<MasterKey from file:{path}>"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_touch_is_refused_with_the_command_that_helps(tmp_path, mode):
    path = tmp_path / "master.key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    with pytest.raises(MasterKeyMalformed) as caught:
        load("file:master.key", tmp_path)
    assert (caught.value.code, caught.value.hint) == ("master_key_exposed", f"chmod 600 {path}")


def test_a_link_a_directory_a_pipe_and_nothing_are_no_key_files(tmp_path):
    (tmp_path / "real").write_text(KEY.hex())
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(MasterKeyMissing):
        load("file:nothing", tmp_path)
    for name, hint in (("link", "readlink -f"), ("directory", "ls -ld"), ("pipe", "ls -ld")):
        with pytest.raises(MasterKeyMalformed) as caught:
            load(f"file:{name}", tmp_path)
        error = caught.value
        assert (error.code, error.exit_code) == ("master_key_unusable", 2)
        assert f"{hint} {tmp_path / name}" in error.hint


def test_binary_and_huge_files_are_refused(tmp_path):
    path = tmp_path / "master.key"
    for content in (KEY, b"\xff" * 44, b"a" * 10_000_000):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(MasterKeyMalformed):
            load("file:master.key", tmp_path)


def test_without_the_keyring_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match="keyring"):
        load("keyring:codespar/master", tmp_path)


def test_the_systems_keyring_is_asked(tmp_path, monkeypatch):
    (tmp_path / "keyring.py").write_text(
        "def get_password(service, name):\n"
        "    if service == 'broken': raise RuntimeError('secret words')\n"
        f"    return {{('codespar', 'a/b'): '{KEY.hex()}'}}.get((service, name))\n"
    )
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    assert material(load("keyring:codespar/a/b", tmp_path)) == KEY
    with pytest.raises(MasterKeyMissing, match="holds nothing"):
        load("keyring:codespar/other", tmp_path)
    with pytest.raises(MasterKeyMissing) as caught:
        load("keyring:broken/other", tmp_path)
    assert "secret words" not in str(caught.value)


def test_a_real_keyring_holds_the_key_of_a_real_vault(tmp_path, state):
    """The package `keyring` itself, over a backend of our own: no desktop is needed and none is touched."""
    program = tmp_path / "program.py"
    program.write_text(KEYRING_PROGRAM)
    told = subprocess.run([sys.executable, str(program), str(state)], capture_output=True, text=True, timeout=60)
    assert (told.stdout.splitlines(), told.returncode) == (
        [
            "v",
            "master key from keyring:codespar/master",
            "master_key_wrong",
            "master_key_missing",
            "master_key_missing",
        ],
        0,
    ), told.stderr


KEYRING_PROGRAM = """
import sys
from pathlib import Path
import keyring
from keyring.backend import KeyringBackend
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.secrets.vault import SecretsVault

class Held(KeyringBackend):
    priority = 1
    held = {("codespar", "master"): "hex:" + "ab" * 32, ("codespar", "other"): "hex:" + "cd" * 32}
    locked = False
    def get_password(self, service, username):
        if self.locked:
            raise keyring.errors.KeyringLocked("words that could be a secret")
        return self.held.get((service, username))
    def set_password(self, service, username, password): raise NotImplementedError
    def delete_password(self, service, username): raise NotImplementedError

keyring.set_keyring(Held())

def vault(name):
    services = Services(state_dir=Path(sys.argv[1]))
    return SecretsVault.from_options({"master_key": "keyring:codespar/" + name}, services, environ={})

vault("master").set("acme", "K", "v")
print(vault("master").get("acme", "K"))
print(vault("master").health().message)
for name in ("other", "none", "master"):
    Held.locked = name == "master"
    try:
        vault(name).get("acme", "K")
    except CodesparError as error:
        assert "words" not in str(error), error
        print(error.code)
"""
