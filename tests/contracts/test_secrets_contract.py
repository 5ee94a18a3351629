from codespar_cli.core.services import Services
from codespar_cli.plugins.secrets.environment import EnvironmentSecrets, variable_name
from codespar_cli.plugins.secrets.vault import SecretsVault
from codespar_cli.testing import FakeClock, SecretsContract


def services(tmp_path):
    return Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path)


class TestVault(SecretsContract):
    def make(self, tmp_path):
        return SecretsVault.from_options({}, services(tmp_path), environ={"VAULT_MASTER_KEY": "hex:" + "ab" * 32})


class TestEnvironment(SecretsContract):
    def make(self, tmp_path):
        self.environ = {}
        return EnvironmentSecrets.from_options({}, services(tmp_path), environ=self.environ)

    def put(self, hook, tenant_id, key, value):
        self.environ[variable_name(tenant_id, key)] = value
