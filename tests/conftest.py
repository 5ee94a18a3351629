"""Every test runs as a newcomer: an empty home, no codespar in the environment, no configuration above it."""

import os
import resource
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from openbao_server import openbao
from postgres_server import postgres

__all__ = ["openbao", "postgres"]

# `make test` draws the same examples each time: it says whether a change broke something. `make test-all` draws others
# each time: it looks for what nobody has found yet.
_usual = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.register_profile("same", _usual, derandomize=True)
settings.register_profile("searching", _usual, print_blob=True)
settings.register_profile("thorough", deadline=None, suppress_health_check=list(HealthCheck), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

CODESPAR = (sys.executable, "-m", "codespar_cli")

# A job in the background is started with these ignored, and hands that on to every process that a test starts.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP)
LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_CPU)


@pytest.fixture(autouse=True)
def process_left_as_it_was():
    """A test that takes SIGPIPE's handler away ends the worker in another one, long afterwards, without a word."""
    handlers, limits = [*map(signal.getsignal, SIGNALS)], [*map(resource.getrlimit, LIMITS)]
    yield
    left = [*map(signal.getsignal, SIGNALS)]
    for number, handler in zip(SIGNALS, handlers, strict=True):
        if callable(handler) or isinstance(handler, int):
            signal.signal(number, handler)
    assert left == handlers
    assert [*map(resource.getrlimit, LIMITS)] == limits


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(("CODESPAR_", "VAULT_", "XDG_")) or name in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    return home
