"""`codespar metrics report` as a real process, on what other commands recorded."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from report_values import parsed

from codespar_cli.core.administration.metrics import MetricFilter
from codespar_cli.plugins.observability.observer import MCPObserver


def report(codespar, *more, name="report.html"):
    done = codespar.run("metrics", "report", "--html", name, *more)
    page = codespar.directory / name
    return done, page.read_bytes() if page.exists() else b""


def words_of(page):
    return re.sub(r"\s+", " ", " ".join(parsed(page).words))


def test_the_example_is_told_with_the_numbers_of_the_other_commands(example):
    since = (datetime.now(UTC) - timedelta(days=14)).strftime("%Y-%m-%dT%H:%M:%SZ")  # one moment for all commands
    done, page = report(example, "--since", since)
    assert (done.returncode, done.stdout) == (0, "")
    assert len(page) < 500_000
    words = words_of(page)
    stats = json.loads(example.run("metrics", "stats", "--since", since, "-o", "json").stdout)
    assert f"{sum(each['calls'] for each in stats):,}" in words
    assert {each["tool"] for each in stats} <= set(parsed(page).words)
    costs = json.loads(example.run("metrics", "costs", "--since", since, "-o", "json").stdout)
    assert f"{float(costs['total']):,.2f} in this period" in words
    for one in json.loads(example.run("metrics", "anomalies", "--since", since, "-o", "json").stdout):
        assert one["explanation"] in words
    for one in json.loads(example.run("metrics", "drift", "-o", "json").stdout):
        assert one["field"] in words
    assert "unknown tool" in words
    for one in costs["budgets"]:
        assert f"of {float(one['limit']):.2f} a {one['per']} ({int(one['share'] * 1000) / 10:.1f}%)" in words


def test_a_page_on_stdout_is_the_page(codespar):
    codespar.run("metrics", "record", "git/push", "--latency-ms", "12")
    done = codespar.run("metrics", "report", "--html", "-")
    assert done.returncode == 0
    assert "git/push" in parsed(done.stdout.encode()).words
    assert re.fullmatch(r"a report of 1 call, \d+ kB\n", done.stderr)


def test_only_one_tool_one_agent_one_tenant_one_period(example):
    _, page = report(example, "--tool", "llm/*", "--agent", "research-*", "--since", "14d")
    words = words_of(page)
    assert "only tool llm/*, agent research-*" in words
    assert "1 tool, the busiest first" in words
    assert "llm/classify" not in words
    done, page = report(example, "--since", "14d", "--until", "13d")
    stats = json.loads(example.run("metrics", "stats", "--since", "14d", "--until", "13d", "-o", "json").stdout)
    assert abs(int(re.search(r"report of (\d+) calls", done.stderr)[1]) - sum(each["calls"] for each in stats)) <= 2
    done = example.run("--tenant", "nobody", "metrics", "report", "--html", "none.html")
    assert "a report of 0 calls" in done.stderr
    assert "no calls since 7d" in done.stderr


def test_nothing_recorded_is_a_page_and_makes_no_store(codespar):
    done, page = report(codespar)
    assert done.returncode == 0
    assert "No call was recorded in this period." in words_of(page)
    assert not (codespar.state_dir / "metrics.db").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--since", "1d", "--until", "2d"), "--until: expected a time after --since, found `2d`"),
        (("--since", "2999-01-01"), "--since: 2999-01-01 is not past"),
        (("--since", "soon"), "--since: expected a duration such as 10m"),
    ],
)
def test_a_period_that_is_none_is_refused(codespar, more, said):
    done, page = report(codespar, *more)
    assert (done.returncode, page) == (2, b"")
    assert said in done.stderr


def test_a_file_that_cannot_be_written_is_said(codespar):
    done, _ = report(codespar, name="missing/report.html")
    assert done.returncode == 1
    assert "missing/report.html: cannot be written: no such file or directory" in done.stderr
    assert codespar.run("metrics", "report").returncode == 2


def test_without_a_plugin_there_is_a_hint(codespar):
    codespar.configure("[observability]\nbackend = 'none'\n")
    done, _ = report(codespar)
    assert done.returncode == 2
    assert "hint: codespar plugins enable observability observer" in done.stderr


def test_damaged_pins_are_said_and_the_rest_is_written(example):
    for beside in example.state_dir.glob("pins.db-*"):
        beside.unlink()
    (example.state_dir / "pins.db").write_bytes(b"no database at all " * 1000)
    done, page = report(example, "--since", "14d")
    assert done.returncode == 5
    assert "pins.db" in done.stderr
    assert "The pins of tools could not be read" in words_of(page)
    assert "github/list_issues" in words_of(page)


def test_all_tenants_together_have_exact_sums_and_percentiles_of_one_histogram(observer, metric, clock):
    latencies = [float(value) for value in range(1, 1001)]
    observer.record_all(
        metric(latency_ms=value, tenant="a" if index % 3 else "b", success=index % 10 != 0, cost="0.1")
        for index, value in enumerate(latencies)
    )
    whole = observer.overall(MetricFilter())
    assert (whole.calls, whole.errors, str(whole.cost)) == (1000, 100, "100.000000")
    assert whole.latency_ms.max == 1000
    assert whole.latency_ms.mean == pytest.approx(500.5)
    for found, exact in ((whole.latency_ms.p50, 500.5), (whole.latency_ms.p95, 950.05), (whole.latency_ms.p99, 990.01)):
        assert found == pytest.approx(exact, rel=0.01)
    assert whole.trend is None
    clock.advance(hours=1)
    observer.record_all(metric(time=clock.now) for _ in range(500))
    recent = MetricFilter(since=clock.now - timedelta(minutes=59), until=clock.now + timedelta(seconds=1))
    assert observer.overall(recent).trend == pytest.approx(-0.5)
    assert observer.overall(MetricFilter(tool="other")) is None


@pytest.mark.slow
def test_a_hundred_thousand_tools_are_a_small_page(codespar, metric):
    observer = MCPObserver(codespar.state_dir / "metrics.db")
    now = datetime.now(UTC)
    for start in range(0, 100_000, 10_000):
        observer.record_all(
            metric(f"tool/{number}", time=now - timedelta(minutes=number % 9000), cost="0.01")
            for number in range(start, start + 10_000)
        )
    observer.close()
    done, page = report(codespar)
    assert done.returncode == 0
    assert len(page) < 500_000
    words = words_of(page)
    assert "100,000" in words
    assert "more than 10,000 tools" in words
