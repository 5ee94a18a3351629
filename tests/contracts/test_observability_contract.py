import pytest

from codespar_cli.core.services import Services
from codespar_cli.plugins.observability.observer import MCPObserver
from codespar_cli.testing import FakeClock, ObservabilityContract, Recorder


class TestObserver(ObservabilityContract):
    def make(self, tmp_path):
        return MCPObserver.from_options(
            {}, Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path)
        )


class TestObserverOnAServer(ObservabilityContract):
    @pytest.fixture(autouse=True)
    def database(self, postgres):
        self.url = postgres.new_database()

    def make(self, tmp_path):
        services = Services(state_dir=tmp_path / "state", clock=FakeClock(), config_dir=tmp_path)
        return MCPObserver.from_options({"store": self.url}, services)


class TestRecorder(ObservabilityContract):
    """The recorder that tests use instead of an observer is one."""

    def make(self, tmp_path):
        return Recorder()
