"""How many processes there are where nobody says: no more than there are processors to run them."""

import pytest

from codespar_cli.server import serving


def started(monkeypatch, path, cores):
    monkeypatch.setattr(serving.sys, "platform", "linux")
    monkeypatch.setattr(serving.os, "sched_getaffinity", lambda _pid: set(range(cores)), raising=False)
    monkeypatch.setattr(serving, "_QUOTA", path)
    return serving.default_workers()


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (2, 2), (3, 3), (4, 4), (64, 4)])
def test_one_for_each_processor_up_to_four(monkeypatch, tmp_path, cores, workers):
    assert started(monkeypatch, tmp_path / "none", cores) == workers


@pytest.mark.parametrize(
    ("quota", "workers"),
    [
        ("max 100000\n", 4),
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("100001 100000\n", 2),
        ("300000 100000\n", 3),
        ("6400000 100000\n", 4),
        ("", 4),
        ("5 0\n", 4),
        ("x y z", 4),
    ],
)
def test_a_container_has_as_many_as_it_may_use_the_time_of(monkeypatch, tmp_path, quota, workers):
    (tmp_path / "cpu.max").write_text(quota)
    assert started(monkeypatch, tmp_path / "cpu.max", 64) == workers


def test_where_they_could_outlive_us_there_is_one(monkeypatch):
    monkeypatch.setattr(serving.sys, "platform", "darwin")
    assert serving.default_workers() == 1
