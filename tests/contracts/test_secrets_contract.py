import itertools

import keyring
import pytest
from keyring.backend import KeyringBackend

from codespar_cli.core.services import Services
from codespar_cli.plugins import BUILTINS
from codespar_cli.plugins.secrets.environment import EnvironmentSecrets, variable_name
from codespar_cli.plugins.secrets.hashicorp import HashicorpSecrets
from codespar_cli.plugins.secrets.keyring_secrets import KeyringSecrets
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock, SecretsContract

mounts = itertools.count()


def services(tmp_path, **more):
    return Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path, **more)


class TestVault(SecretsContract):
    def make(self, tmp_path):
        return SecretsVault.from_options({}, services(tmp_path), environ={"VAULT_MASTER_KEY": "hex:" + "ab" * 32})


class TestEnvironment(SecretsContract):
    def make(self, tmp_path):
        self.environ = {}
        return EnvironmentSecrets.from_options({}, services(tmp_path), environ=self.environ)

    def put(self, hook, tenant_id, key, value):
        self.environ[variable_name(tenant_id, key)] = value


class Shelf(KeyringBackend):
    """What a keyring is to the package: two names, one text."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


class TestKeyring(SecretsContract):
    @pytest.fixture(autouse=True)
    def before(self):
        earlier = keyring.core._keyring_backend
        yield
        keyring.core._keyring_backend = earlier

    def make(self, tmp_path):
        keyring.set_keyring(Shelf())
        return KeyringSecrets.from_options({}, services(tmp_path))


class TestHashicorp(SecretsContract):
    @pytest.fixture(autouse=True)
    def server(self, openbao, monkeypatch):
        self.openbao = openbao
        yield
        self.hook.close()

    def make(self, tmp_path):
        mount = self.openbao.mount(f"contract-{next(mounts)}")
        token = self.openbao.token(f'path "{mount}/*" {{ capabilities = ["create", "read", "update", "list"] }}')
        options = {"address": self.openbao.address, "mount": mount, "token": "env:TOKEN"}
        self.hook = HashicorpSecrets.from_options(options, services(tmp_path, resolve={"env:TOKEN": token}.get))
        return self.hook


def test_every_built_in_backend_is_under_the_contract():
    assert set(BUILTINS["secrets"]) == {"none", "vault", "keyring", "hashicorp"}


@pytest.mark.parametrize("backend", [EnvironmentSecrets, KeyringSecrets, HashicorpSecrets])
def test_who_cannot_do_everything_says_so(backend):
    everything = ("set", "put", "fetch", "describe", "entries", "history", "replace", "delete", "undelete", "destroy")
    missing = [name for name in (*everything, "rollback", "rotate_master", "verify") if not hasattr(backend, name)]
    assert missing
    assert backend.limits
    assert backend.instead
