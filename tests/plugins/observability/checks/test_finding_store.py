from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import codespar_cli
from codespar_cli.core.administration.tool_checks import CheckFilter, CheckFinding, CheckResult, ObservedCall
from codespar_cli.errors import StoreError
from codespar_cli.plugins.observability.checks import finding_store
from codespar_cli.plugins.observability.checks.call import check_call
from codespar_cli.plugins.observability.checks.finding_store import FindingStore
from codespar_cli.plugins.observability.observer import MCPObserver

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def finding(n=0, **fields):
    result = CheckResult(
        "wrong_type", "error", fields.pop("tool", "read"), f"/a{n}", "string", "integer", (), "integer"
    )
    known = {"time": START + timedelta(minutes=n), "tenant": "default", "agent": "bot", "session": None, "call": n}
    return CheckFinding(**{**known, "result": result, **fields})


@pytest.fixture
def store(tmp_path):
    made = FindingStore(tmp_path / "state" / "checks.db")
    yield made
    made.close()


def test_what_is_kept_comes_back_in_its_order(store):
    found = [finding(n) for n in range(5)]
    assert store.append(found) == 5
    assert store.read() == found
    assert store.read(limit=2) == found[-2:]
    assert store.append([]) == 0


def test_filters(store):
    store.append(
        [finding(0, agent="a"), finding(1, tenant="acme"), finding(2, tool="git/push"), finding(3, session="s")]
    )

    def wanted(**fields):
        return [each.call for each in store.read(CheckFilter(**fields))]

    assert wanted(agent="a") == [0]
    assert wanted(tenant="acme") == [1]
    assert wanted(tenant="a\0cme") == []
    assert wanted(tool="git/**") == [2]
    assert wanted(tool="git/*", agent="b*") == [2]
    assert wanted(since=START + timedelta(minutes=1), until=START + timedelta(minutes=3)) == [1, 2]


def test_no_argument_value_is_kept(store, tmp_path):
    schema = {
        "properties": {
            "mode": {"enum": ["public"]}, "n": {"type": "integer", "maximum": 5}, "k": {"type": "integer"},
            "p": {"pattern": "^x"}, "q": {"type": "string"}, "t": {"type": "integer"}, "d": {"format": "date"},
        }
    }  # fmt: skip
    arguments = {
        "mode": "hush-1",
        "n": 48151623,
        "k": "11223344",
        "p": "hush-2",
        "q": ["hush-3"],
        "t": 2.3423,
        "d": "hush-4",
    }
    results = check_call({"name": "t", "arguments": arguments}, [{"name": "t", "inputSchema": schema}])
    assert len(results) == 7
    results += check_call({"name": "t", "arguments": '{"hush-5": '}, [{"name": "t", "inputSchema": schema}])
    store.append([finding()._replace(result=result) for result in results])
    store.close()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    assert b"wrong_type" in kept
    for value in (b"hush", b"48151623", b"11223344", b"2.3423"):
        assert value not in kept


def test_hostile_names_are_made_storable(store):
    result = CheckResult("unknown_tool", "error", "\ud800\0" * 5000, "/\udfff", "x" * 10**6, "", ("\0",), "y" * 10**6)
    store.append([finding(agent="\ud800", tenant="a\0", session="\0" * 1000)._replace(result=result)])
    (kept,) = store.read()
    assert len(kept.result.tool) == 256
    assert len(kept.result.expected) == 1000
    assert kept.agent == "\ufffd"


def test_the_oldest_go_when_there_are_too_many(store, monkeypatch):
    monkeypatch.setattr(finding_store, "MAX_ROWS", 10)
    for n in range(25):
        store.append([finding(n)])
    assert [each.call for each in store.read()] == list(range(15, 25))


def test_a_store_that_is_not_there_is_empty_and_stays_unmade(store, tmp_path):
    assert store.read() == []
    assert not (tmp_path / "state").exists()


def test_a_directory_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(StoreError):
        FindingStore(tmp_path / "state" / "checks.db").append([finding()])


def test_several_processes_write_at_once(store, tmp_path):
    code = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from codespar_cli.core.administration.tool_checks import CheckFinding, CheckResult\n"
        "from codespar_cli.plugins.observability.checks.finding_store import FindingStore\n"
        "store = FindingStore(Path(sys.argv[1]))\n"
        "for n in range(50):\n"
        "    result = CheckResult('cycle', 'warn', 't')\n"
        "    found = CheckFinding(datetime.now(UTC), 'default', sys.argv[2], None, n, result)\n"
        "    assert store.append([found, found]) == 2\n"
    )
    path = str(tmp_path / "state" / "checks.db")
    environ = {**os.environ, "PYTHONPATH": str(Path(codespar_cli.__file__).parents[1])}
    writers = [subprocess.Popen([sys.executable, "-c", code, path, f"w{n}"], env=environ) for n in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    for n in range(3):
        assert [each.call for each in store.read(CheckFilter(agent=f"w{n}"))] == [
            m for m in range(50) for _ in range(2)
        ]


def test_the_observer_keeps_findings_beside_its_calls(tmp_path):
    observer = MCPObserver(tmp_path / "state" / "metrics.db")
    assert list(observer.findings()) == []
    assert observer.record_findings([finding(1), finding(2)]) == 2
    assert [each.call for each in observer.findings(CheckFilter(agent="bot"), limit=1)] == [2]
    assert [each.call for each in MCPObserver(tmp_path / "state" / "metrics.db").findings()] == [1, 2]
    observer.close()


def test_an_observed_call_is_a_call():
    assert check_call(ObservedCall("t", {}), [{"name": "t"}]) == []
