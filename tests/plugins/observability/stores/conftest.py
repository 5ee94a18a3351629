import pytest

from codespar_cli.plugins.observability.observer import MCPObserver


@pytest.fixture
def url(postgres):
    return postgres.new_database()


@pytest.fixture
def opened(path, clock, url):
    """Observers on one server."""
    made = []

    def make(**options):
        made.append(MCPObserver(path, clock=clock, server=lambda: url, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
