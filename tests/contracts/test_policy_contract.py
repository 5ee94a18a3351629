import pytest

from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.engine import PolicyEngine
from codespar_cli.testing import FakeClock, PolicyContract

RULES = """
version: 1
timezone: UTC
currency: USD
default: deny
rules:
  - {id: ask-first, effect: approve, tools: ["deploy/**"], quorum: 1, approvers: [lead], expires: 10m}
  - {id: cap, effect: budget, limit: "1000.00", per: agent, window: total}
  - {id: may, effect: allow, tools: ["fs/read", "deploy/**"]}
"""


class TestPolicyEngineOnPostgres(PolicyContract):
    @pytest.fixture(autouse=True)
    def _server(self, postgres):
        self.url = postgres.new_database()
        self.made = []
        yield
        for engine in self.made:
            engine._address.store.close()

    def make(self, tmp_path):
        (tmp_path / "policy.yaml").write_text(RULES)
        services = Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path)
        self.made.append(PolicyEngine.from_options({"rules": "policy.yaml", "store": self.url}, services))
        return self.made[-1]


class TestPolicyEngine(PolicyContract):
    def make(self, tmp_path):
        (tmp_path / "policy.yaml").write_text(RULES)
        services = Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path)
        return PolicyEngine.from_options({"rules": "policy.yaml"}, services)
