from __future__ import annotations

from datetime import timedelta
from shutil import rmtree

import pytest

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.errors import StoreCorrupt, StoreError, UsageError
from codespar_cli.plugins.observability.call_store import SWEEP_EVERY, SWEEP_ROWS, CallStore
from codespar_cli.plugins.observability.observer import MCPObserver


def tools(observer):
    return [row.tool for row in observer.rows(MetricFilter(), limit=100_000).rows]


def test_rows_older_than_retention_go_by_their_own_time(path, clock, metric):
    keeper = MCPObserver(path, clock=clock, retention=timedelta(days=90))
    keeper.record_all(
        [
            metric("old", time=clock() - timedelta(days=91)),
            metric("young", time=clock() - timedelta(days=89)),
            metric("new"),
        ]
    )
    assert tools(keeper) == ["young", "new"]


def test_without_retention_nothing_goes(observer, clock, metric):
    observer.record(metric("ancient", time=clock() - timedelta(days=9000)))
    observer.record(metric("new"))
    assert tools(observer) == ["ancient", "new"]


def test_a_short_process_sweeps_too(path, clock, metric):
    MCPObserver(path, clock=clock).record_all([metric("old"), metric("old")])
    clock.advance(days=2)
    MCPObserver(path, clock=clock, retention=timedelta(days=1)).record(metric("new"))
    assert tools(MCPObserver(path, clock=clock)) == ["new"]


def test_a_sweep_is_bounded_and_the_next_ones_catch_up(path, clock, metric):
    MCPObserver(path, clock=clock).record_all([metric("old")] * (3 * SWEEP_ROWS))
    clock.advance(days=2)
    keeper = MCPObserver(path, clock=clock, retention=timedelta(days=1))
    keeper.record(metric("new"))
    assert tools(keeper).count("old") == 2 * SWEEP_ROWS
    keeper.record_all([metric("new")] * SWEEP_EVERY)
    keeper.record_all([metric("new")] * SWEEP_EVERY)
    assert tools(keeper) == ["new"] * (2 * SWEEP_EVERY + 1)


def test_a_cap_on_rows_keeps_the_newest(path, clock, metric):
    keeper = MCPObserver(path, clock=clock, max_rows=2)
    keeper.record_all([metric(f"t{number}") for number in range(5)])
    assert tools(keeper) == ["t3", "t4"]


@pytest.mark.parametrize("kept", [{"retention": timedelta.max}, {"max_rows": 10**30}])
def test_a_limit_beyond_all_numbers_keeps_everything(path, clock, metric, kept):
    keeper = MCPObserver(path, clock=clock, **kept)
    keeper.record_all([metric("old", time=clock() - timedelta(days=90_000)), metric("new")])
    assert tools(keeper) == ["old", "new"]


def test_a_writer_follows_its_store_to_the_file_that_took_its_place(path, clock, observer, metric):
    observer.record(metric("lost"))
    rmtree(path.parent)
    observer.record(metric("kept"))
    assert tools(MCPObserver(path, clock=clock)) == ["kept"]
    path.unlink()
    with pytest.raises(StoreError) as caught:
        observer.record(metric("refused"))
    assert caught.value.code == "store_missing"


def test_an_id_is_never_given_twice_though_every_row_has_expired(path, clock, metric):
    keeper = MCPObserver(path, clock=clock, retention=timedelta(days=1))
    long_ago = clock() - timedelta(days=9)
    keeper.record_all([metric(time=long_ago), metric(time=long_ago)])
    newest = keeper.last(MetricFilter(), 1).upto
    keeper.record(metric("after"))
    (row,) = keeper.rows(MetricFilter(), after=newest).rows
    assert (row.tool, row.id) == ("after", newest + 1)


def test_a_batch_is_whole_or_not_at_all(observer, metric):
    with pytest.raises(UsageError):
        observer.record_all([metric("good"), metric(latency_ms=-1)])
    assert tools(observer) == []


def test_looking_makes_no_store(path, clock):
    store = CallStore(path, clock=clock)
    assert store.last_id() == 0
    assert store.last_time() is None
    assert not path.parent.exists()


def test_a_file_that_is_no_store_is_named_and_left_alone(path, observer, metric):
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"not a database, but long enough to have a header of a hundred bytes" * 9)
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match=r"metrics\.db"):
        observer.record(metric())
    assert observer.health().state == "error"
    assert path.read_bytes() == before


def test_a_state_directory_that_cannot_be_made_is_a_store_error(tmp_path, metric):
    (tmp_path / "file").write_text("")
    blocked = MCPObserver(tmp_path / "file" / "state" / "metrics.db")
    with pytest.raises(StoreError):
        blocked.record(metric())
    assert blocked.health().state == "error"
