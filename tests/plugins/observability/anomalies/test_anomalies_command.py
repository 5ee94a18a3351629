"""`codespar metrics anomalies`, as a process."""

import json

import pytest
from anomaly_world import HOUR, MINUTE, START, Call, steady

from codespar_cli.core.clock import from_micros, iso

KEYS = [
    "id", "tool", "agent", "kind", "severity", "started_at", "resolved_at", "explanation", "observed", "expected",
]  # fmt: skip


def recorded(codespar, calls):
    rows = [
        {
            "time": iso(from_micros(call.time)), "tool": call.tool, "agent": call.agent, "latency_ms": call.latency_ms,
            "success": call.success, "cost": None if call.cost is None else f"{call.cost:.6f}", "tenant": call.tenant,
        }
        for call in calls
    ]  # fmt: skip
    done = codespar.run("metrics", "record", "--from", "-", given="\n".join(map(json.dumps, rows)))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def faulty(codespar):
    calls = steady(1, 2000)
    at = calls[1500].time
    calls = [call._replace(success=False) if call.time >= at else call for call in calls]
    recorded(codespar, calls)
    return codespar


def test_nothing_is_unusual_where_nothing_was_recorded(codespar):
    done = codespar.run("metrics", "anomalies", "--fail-on", "info")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing unusual\n")
    assert json.loads(codespar.run("metrics", "anomalies", "-o", "json").stdout) == []


def test_the_document_and_the_exit_code(faulty):
    done = faulty.run("metrics", "anomalies", "-o", "json")
    assert done.returncode == 0
    (found,) = json.loads(done.stdout)
    assert list(found) == KEYS
    assert (found["tool"], found["agent"], found["kind"], found["severity"]) == (
        "search/web", None, "error_rate", "critical",
    )  # fmt: skip
    assert found["resolved_at"] is None
    assert found["observed"] == 1.0
    assert 0 < found["expected"] < 0.05
    assert found["explanation"].startswith("4 of 4 calls failed, usual ") or " of " in found["explanation"]
    assert json.loads(faulty.run("metrics", "anomalies", "-o", "json").stdout) == [found]
    for least in ("info", "warning", "critical"):
        assert faulty.run("metrics", "anomalies", "--fail-on", least).returncode == 1
    assert faulty.run("metrics", "anomalies", "--fail-on", "critical", "--tool", "fs/**").returncode == 0
    assert faulty.run("metrics", "anomalies", "--fail-on", "critical", "--agent", "bot").returncode == 0
    assert faulty.run("--tenant", "acme", "metrics", "anomalies", "--fail-on", "info").returncode == 0
    assert faulty.run("metrics", "anomalies", "--fail-on", "worse").returncode == 2


def test_the_table_says_what_and_how_many(faulty):
    done = faulty.run("metrics", "anomalies", "--since", "2024-01-01")
    assert done.returncode == 0
    assert "still open" in done.stdout
    assert "search/web" in done.stdout
    assert done.stderr == "1 anomaly: 1 critical; 1 still open\n"


def test_hostile_names_are_printed_harmless(codespar):
    name = "\x1b[2J\u202etool\n[red]x"
    calls = [Call(START + number * MINUTE, tool=name, success=number < 300) for number in range(400)]
    recorded(codespar, calls)
    done = codespar.run("metrics", "anomalies")
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    (found,) = json.loads(codespar.run("metrics", "anomalies", "-o", "json").stdout)
    assert found["tool"] == name


def test_a_backend_that_cannot_is_an_error_of_usage(codespar):
    codespar.configure("[observability]\nbackend = 'none'\n")
    done = codespar.run("metrics", "anomalies")
    assert done.returncode == 2
    assert "hint:" in done.stderr


def test_since_leaves_out_what_was_over(codespar):
    calls = steady(1, 3000)
    first = calls[1500].time
    calls = [call._replace(success=not first <= call.time < first + 2 * HOUR) for call in calls]
    recorded(codespar, calls)
    (found,) = json.loads(codespar.run("metrics", "anomalies", "-o", "json").stdout)
    assert found["resolved_at"] is not None
    assert json.loads(codespar.run("metrics", "anomalies", "--since", found["resolved_at"], "-o", "json").stdout)
    later = iso(from_micros(first + 20 * HOUR))
    assert json.loads(codespar.run("metrics", "anomalies", "--since", later, "-o", "json").stdout) == []
