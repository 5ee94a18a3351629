from __future__ import annotations

import io
import os
from shutil import rmtree

import pytest

from codespar_cli.cli.tailing import ReaderWatch, follow
from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.errors import StoreError
from codespar_cli.plugins.observability.observer import MCPObserver


def test_a_pipe_is_watched_until_its_reader_goes():
    read, write = os.pipe()
    with os.fdopen(write, "w") as output:
        watch = ReaderWatch(output)
        assert watch.wait(0.001)
        os.close(read)
        assert not watch.wait(10)


def test_what_is_no_stream_of_the_system_is_only_waited_for():
    assert ReaderWatch(io.StringIO()).wait(0.001)


def test_a_regular_file_never_goes(tmp_path):
    with (tmp_path / "out").open("w") as output:
        assert ReaderWatch(output).wait(0.001)


def test_a_descriptor_that_cannot_be_watched_is_only_waited_for():
    read, write = os.pipe()
    output = os.fdopen(write, "w")
    watch = ReaderWatch(output)
    output.close()
    os.close(read)
    assert watch.wait(0.001)
    assert watch.wait(0.001)


def test_following_goes_on_where_it_was_until_nobody_waits(observer, metric):
    observer.record(metric("before"))
    batches = [["a", "other"], [], ["other"], ["b"]]

    def wait(seconds):
        if not batches:
            return False
        observer.record_all(map(metric, batches.pop(0)))
        return True

    found = follow(observer, MetricFilter(tool="*"), observer.last(MetricFilter(), 1).upto, wait)
    assert [row.tool for row in found] == ["a", "other", "other", "b"]


@pytest.mark.parametrize("seen_gone", [False, True])
def test_a_store_that_took_the_place_of_ours_is_followed_from_its_beginning(path, observer, metric, seen_gone):
    observer.record_all([metric("before")] * 3)
    steps = [lambda: rmtree(path.parent), lambda: MCPObserver(path).record_all([metric("a"), metric("b")])]

    def wait(seconds):
        if not steps:
            return False
        steps.pop(0)()
        if not seen_gone and steps:
            steps.pop(0)()
        return True

    found = follow(observer, MetricFilter(), observer.last(MetricFilter(), 1).upto, wait)
    assert [(row.id, row.tool) for row in found] == [(1, "a"), (2, "b")]


def test_a_store_that_is_gone_ends_the_following(path, observer, metric):
    observer.record(metric())

    def wait(seconds):
        for name in ("metrics.db", "metrics.db-wal", "metrics.db-shm"):
            path.with_name(name).unlink()
        return True

    with pytest.raises(StoreError) as caught:
        list(follow(observer, MetricFilter(), 1, wait))
    assert caught.value.code == "store_missing"
