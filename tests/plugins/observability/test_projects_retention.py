"""A plugins.toml that came with what somebody cloned removes nothing of what its user did elsewhere."""

from __future__ import annotations

import pytest

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.core.services import Services
from codespar_cli.plugins.observability.observer import MCPObserver

REMOVING = {"retention": "1s", "max_rows": 1, "max_size": "1kB"}


def made(state, project, options, *, users_own=False, resolve=lambda reference: None):
    return MCPObserver.from_options(options, Services(state, config_dir=project, users_own=users_own, resolve=resolve))


@pytest.fixture
def shared(tmp_path, metric):
    """A state directory with calls of other projects."""
    state = tmp_path / "shared"
    observer = made(state, tmp_path / "home", {}, users_own=True)
    observer.record_all([metric(f"t{number}") for number in range(5)])
    return state


def left(state):
    return len(made(state, state, {}, users_own=True).rows(MetricFilter()).rows)


@pytest.mark.parametrize("key", REMOVING)
def test_a_projects_file_removes_nothing_from_the_users_store(shared, tmp_path, metric, key):
    observer = made(shared, tmp_path / "cloned", {key: REMOVING[key]})
    observer.record(metric())
    observer._store.sweep()
    assert left(shared) == 6
    assert observer.health()[0] == "ok"
    assert observer.health().message.endswith(f"; {key}: not honoured in a project's file")


@pytest.mark.parametrize(("key", "kept"), [("max_rows", 1)])
def test_it_removes_from_a_store_in_its_own_directory(tmp_path, metric, key, kept):
    observer = made(tmp_path / "cloned" / ".state", tmp_path / "cloned", {key: REMOVING[key]})
    for _ in range(5):
        observer.record(metric())
    observer._store.sweep()
    assert left(tmp_path / "cloned" / ".state") == kept
    assert "honoured" not in observer.health().message


def test_a_link_in_the_project_is_followed(shared, tmp_path, metric):
    (tmp_path / "cloned").mkdir()
    (tmp_path / "cloned" / "link").symlink_to(shared.parent)
    observer = made(tmp_path / "cloned" / "link" / shared.name, tmp_path / "cloned", {"max_rows": 1})
    observer.record(metric())
    observer._store.sweep()
    assert left(shared) == 6


def test_a_project_removes_nothing_from_a_server(tmp_path):
    options = {"store": "postgresql:///metrics", "max_rows": 1}
    state = tmp_path / "cloned" / "state"
    assert made(state, tmp_path / "cloned", options).max_rows is None
    assert made(state, tmp_path / "cloned", options, users_own=True).max_rows == 1


def test_the_users_own_file_removes(shared, tmp_path, metric):
    observer = made(shared, tmp_path / "home", {"max_rows": 1}, users_own=True)
    observer.record(metric())
    observer._store.sweep()
    assert left(shared) == 1


def test_the_status_says_so(codespar, tmp_path):
    (tmp_path / "cloned").mkdir()
    (tmp_path / "cloned" / "plugins.toml").write_text("[observability]\nbackend = 'observer'\nretention = '1s'\n")
    codespar.directory = tmp_path / "cloned"
    done = codespar.run("plugins", "status", "-o", "json")
    assert "retention: not honoured in a project's file" in done.stdout
