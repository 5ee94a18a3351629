"""For people who write plugins: contract suites to inherit from, a clock that stands still, a recorder of metrics.

    class TestMyVault(SecretsContract):
        def make(self, tmp_path):
            return MyVault(tmp_path)

Every built-in is run through the same classes. They need pytest to be collected, and nothing else of codespar.
"""

from codespar_cli.testing.fake_clock import FakeClock
from codespar_cli.testing.integration_contract import IntegrationContract
from codespar_cli.testing.observability_contract import ObservabilityContract
from codespar_cli.testing.policy_contract import PolicyContract
from codespar_cli.testing.recorder import Recorder
from codespar_cli.testing.secrets_contract import SecretsContract

__all__ = [
    "FakeClock",
    "IntegrationContract",
    "ObservabilityContract",
    "PolicyContract",
    "Recorder",
    "SecretsContract",
]
