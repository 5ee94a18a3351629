"""Observers on a server, for tests."""

from __future__ import annotations

import time
from contextlib import contextmanager

from codespar_cli.core.administration.metrics import MetricFilter


def tools(observer):
    return [row.tool for row in observer.rows(MetricFilter(), limit=100_000).rows]


def database_of(url):
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def within(seconds):
    started = time.monotonic()
    yield
    assert time.monotonic() - started <= seconds
