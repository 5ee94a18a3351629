from __future__ import annotations

import io
import os

from codespar_cli.cli.tailing import ReaderWatch, follow
from codespar_cli.core.administration.metrics import MetricFilter


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
