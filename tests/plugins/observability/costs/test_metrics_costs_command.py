from __future__ import annotations

import csv
import json
import stat

import pytest

PRICED = """[observability]
backend = "observer"
[[observability.prices]]
tool = "search/**"
per_call = "0.005"
from = 2026-10-01
[[observability.prices]]
tool = "llm/*"
per_input_token = "0.000003"
[[observability.budgets]]
name = "searches"
tool = "search/**"
limit = "0.01"
per = "day"
"""


@pytest.fixture
def filled(codespar):
    codespar.configure(PRICED)
    lines = [
        {"tool": "search/web", "agent": "bot"},
        {"tool": "search/web", "agent": "bot", "time": "2026-09-30T23:59:59Z"},
        {"tool": "llm/ask", "input_tokens": 1000},
        {"tool": "llm/ask"},
        {"tool": "=1+1", "cost": "0.5", "cost_source": "estimated"},
        {"tool": "=1+1", "cost": "1.5"},
    ]
    done = codespar.run("metrics", "record", "--from", "-", given="\n".join(map(json.dumps, lines)))
    assert done.returncode == 0
    return codespar


def test_costs_tell_how_each_sum_is_known(filled):
    found = json.loads(filled.run("metrics", "costs", "-o", "json").stdout)
    assert found["total"] == "2.008"
    assert found["sources"] == {
        "reported": {"cost": "1.5", "calls": 1},
        "estimated": {"cost": "0.5", "calls": 1},
        "configured": {"cost": "0.008", "calls": 2},
        "unknown": {"cost": None, "calls": 2},
    }
    assert [{key: row[key] for key in ("tool", "cost", "calls")} for row in found["rows"]] == [
        {"tool": "=1+1", "cost": "2", "calls": 2},
        {"tool": "search/web", "cost": "0.005", "calls": 2},
        {"tool": "llm/ask", "cost": "0.003", "calls": 2},
    ]
    assert set(found["forecast"]) == {"day", "month"}
    (budget,) = found["budgets"]
    assert {key: budget[key] for key in ("name", "per", "limit", "spent", "share", "unknown_calls")} == {
        "name": "searches", "per": "day", "limit": "0.01", "spent": "0.005", "share": 0.5, "unknown_calls": 0,
    }  # fmt: skip


def test_the_table_marks_what_nobody_billed(filled):
    done = filled.run("metrics", "costs")
    lines = done.stdout.splitlines()
    assert lines[1].split(maxsplit=5) == ["=1+1", "2", "99.6%", "2", "0", "reported, estimated 25.0%"]
    assert lines[2].split() == ["search/web", "0.005", "0.2%", "2", "1", "configured"]
    assert "of which 0.5 estimated and 0.008 configured" in done.stderr
    assert "the cost of 2 calls is not known" in done.stderr
    assert any(line.startswith("searches") and "50.0%" in line for line in lines)


@pytest.mark.parametrize(("share", "code"), [("50%", 1), ("50.1%", 0), ("100%", 0), ("0%", 1)])
def test_a_budget_can_fail_a_build(filled, share, code):
    done = filled.run("metrics", "costs", "--fail-on-budget", share)
    assert done.returncode == code
    assert ("budget `searches` is spent by 50.0%" in done.stderr) == bool(code)


def test_a_budget_that_is_not_there_fails_nothing_silently(codespar):
    for share in ("80%", "80", "-1%", "x"):
        done = codespar.run("metrics", "costs", "--fail-on-budget", share)
        assert (done.returncode, done.stdout) == (2, "")


def test_a_period_limits_the_rows_and_has_a_beginning_before_its_end(filled):
    found = json.loads(filled.run("metrics", "costs", "--until", "2026-10-01", "--by", "day", "-o", "json").stdout)
    assert [(row["day"], row["cost"]) for row in found["rows"]] == [("2026-09-30", None)]
    done = filled.run("metrics", "costs", "--since", "1d", "--until", "2d")
    assert (done.returncode, done.stdout) == (2, "")


def test_csv_has_the_sources_and_runs_nothing(filled, tmp_path):
    assert filled.run("metrics", "costs", "--csv", "costs.csv").returncode == 0
    header, first, *_ = csv.reader((tmp_path / "costs.csv").read_text().splitlines())
    assert header == ["tool", "cost", "share", "calls", "unknown_calls", "reported", "estimated", "configured"]
    assert first == ["'=1+1", "2", "0.996016", "2", "0", "1.5", "0.5", ""]
    assert stat.S_IMODE((tmp_path / "costs.csv").stat().st_mode) & 0o044  # a file for others to read, as the umask says


def test_a_csv_that_cannot_be_written_leaves_nothing(filled, tmp_path):
    before = sorted(tmp_path.iterdir())
    done = filled.run("metrics", "costs", "--csv", "missing/costs.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_price_is_an_error_with_its_line(codespar):
    codespar.configure(PRICED.replace('"0.005"', "0.005"))
    done = codespar.run("metrics", "costs")
    assert done.returncode == 2
    assert "plugins.toml:6" in done.stderr
    assert 'hint: per_call = "0.005"' in done.stderr
