"""Whatever opens a store of secrets is named, so that `secrets run` keeps it from the command."""

import subprocess
import sys

import pytest
from vault_kit import OLD, make_vault

from codespar_cli.cli.running.environment import child_environment, key_variables
from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.hashicorp import HashicorpSecrets
from codespar_cli.plugins.secrets.keyring_secrets import KeyringSecrets

ADDRESS = {"address": "https://vault.example.com:8200"}
APPROLE = {"role_id": "env:ROLE", "secret_id": "env:SECRET_ID"}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, set()),
        ({"token": "env:MY_TOKEN"}, {"MY_TOKEN"}),
        ({"token": "file:token"}, set()),
        ({"approle": APPROLE}, {"ROLE", "SECRET_ID"}),
        ({"approle": {"role_id": "file:role", "secret_id": "env:SECRET_ID"}}, {"SECRET_ID"}),
    ],
)
def test_hashicorp_names_what_holds_a_token(tmp_path, options, named):
    secrets = HashicorpSecrets.from_options({**ADDRESS, **options}, Services(tmp_path))
    assert set(secrets.key_variables) == {"VAULT_TOKEN", "BAO_TOKEN", *named}
    hidden = key_variables(options, secrets.key_variables)
    kept = {"VAULT_ADDR": "https://vault.example.com:8200", "VAULT_NAMESPACE": "team"}
    environ = {**kept, **dict.fromkeys(secrets.key_variables, "s.token")}
    assert child_environment(environ, hidden, {}) == kept


def test_keyring_names_what_unlocks_it(monkeypatch, tmp_path):
    assert KeyringSecrets.from_options({}, Services(tmp_path)).key_variables == ()
    monkeypatch.setenv("KEYRING_PROPERTY_KEYRING_KEY", "x")
    monkeypatch.setenv("KEYRING_CRYPTFILE_PASSWORD", "x")
    found = KeyringSecrets.from_options({}, Services(tmp_path)).key_variables
    assert set(found) == {"KEYRING_PROPERTY_KEYRING_KEY", "KEYRING_CRYPTFILE_PASSWORD"}


@pytest.mark.parametrize("reference", ["keyring:codespar/vault", "passphrase:keyring:codespar/vault"])
def test_a_vault_whose_key_lies_in_a_keyring_names_what_unlocks_that(tmp_path, reference):
    from codespar_cli.plugins.secrets.vault import SecretsVault

    environ = {"KEYRING_PROPERTY_KEYRING_KEY": "x", "VAULT_MASTER_KEY": OLD, "HOME": "/"}
    vault = SecretsVault.from_options({"master_key": reference}, Services(tmp_path), environ=environ)
    assert vault.key_variables == ("KEYRING_PROPERTY_KEYRING_KEY", "VAULT_MASTER_KEY_PREVIOUS")


def test_a_vault_names_its_variables(tmp_path):
    assert make_vault(tmp_path).key_variables == ("VAULT_MASTER_KEY", "VAULT_MASTER_KEY_PREVIOUS")


def test_a_command_does_not_find_them(codespar):
    codespar.run("set", "K", stdin=b"some-value")
    show = "import os; print(sorted(name for name in os.environ if 'TOKEN' in name or 'KEYRING' in name))"
    environ = {"VAULT_TOKEN": "t", "KEYRING_PROPERTY_KEYRING_KEY": "k"}
    ran = codespar.run("run", "--", sys.executable, "-c", show, **environ)
    assert isinstance(ran, subprocess.CompletedProcess)
    # The vault's key is in a variable: what opens other stores is no key of this one.
    assert ran.stdout == b"['KEYRING_PROPERTY_KEYRING_KEY', 'VAULT_TOKEN']\n"
    (codespar.directory / "plugins.toml").write_text('version = 1\n[secrets]\nbackend = "keyring"\n')
    backend = "keyring.backends.null.Keyring"
    refused = codespar.run(
        "run", "--only", "KEYRING_PROPERTY_KEYRING_KEY", "--", "true", PYTHON_KEYRING_BACKEND=backend, **environ
    )
    assert b"decides which code runs" in refused.stderr
