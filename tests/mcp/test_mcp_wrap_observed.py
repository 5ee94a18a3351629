"""What the observer gets from a server that is wrapped: rows, costs, pins, findings, with nothing exported by hand."""

import json

import apsw
import pytest
from wrapped_kit import OPEN, Wrapping

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
ECHO = {"name": "echo", "description": "says it again", "inputSchema": SCHEMA}
PRICED = {"name": "priced", "inputSchema": {"type": "object"}}
PRICES = """
[[observability.prices]]
tool = "small/echo"
per_output_token = "0.002"
"""


@pytest.fixture
def wrapping(tmp_path):
    wrapping = Wrapping(tmp_path, config=PRICES)
    wrapping.environ["SMALL_SERVER_TOOLS"] = str(tmp_path / "tools.json")
    return offering(wrapping, ECHO, PRICED)


def offering(wrapping, *tools):
    (wrapping.directory / "tools.json").write_text(json.dumps(tools))
    return wrapping


def answered(wrapping, *arguments, code=0):
    done = wrapping.codespar(*arguments, "-o", "json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def listed(wrapping, times=1):
    """What one run of the wrapper says when its client asks for the tools."""
    with wrapping.wrapped() as session:
        for number in range(times):
            session.ask("tools/list", id_=number)
        assert session.end() == 0
        return session.stderr.splitlines()


def test_a_row_has_its_server_and_the_size_of_its_result(wrapping):
    with wrapping.wrapped() as session:
        session.call("echo", {"message": "hü"})
        session.call("error")
        session.end()
    size = len('{"content":[{"type":"text","text":"hü"}]}'.encode())
    store = apsw.Connection(str(wrapping.directory / "state/metrics.db"), flags=apsw.SQLITE_OPEN_READONLY)
    rows = store.execute("SELECT server, result_bytes FROM calls ORDER BY id").fetchall()
    assert rows == [("small", size), ("small", None)]


def test_costs_and_tokens_come_with_where_they_are_from(wrapping):
    usage = {"input_tokens": 30, "output_tokens": 4}
    with wrapping.wrapped() as session:
        session.call("priced", {"meta": {"codespar/cost": "0.25", "usage": usage}})
        session.call("echo", {"message": "x" * 40})
        session.call("priced", {"meta": {}})
        session.end()
    reported, estimated, unknown = wrapping.metrics()
    assert (reported["cost"], reported["cost_source"]) == ("0.25", "reported")
    assert (reported["input_tokens"], reported["output_tokens"]) == (30, 4)
    # 40 characters are ten tokens, by nobody's count: what the price table makes of them is an estimate.
    assert (estimated["output_tokens"], estimated["cost"], estimated["cost_source"]) == (10, "0.02", "estimated")
    assert (unknown["cost"], unknown["cost_source"]) == (None, "estimated")

    costs = answered(wrapping, "metrics", "costs")
    assert costs["total"] == "0.27"
    assert {row["tool"]: row["cost"] for row in costs["rows"]} == {"small/priced": "0.25", "small/echo": "0.02"}
    stats = {row["tool"]: row for row in answered(wrapping, "metrics", "stats")}
    assert stats["small/priced"]["calls"] == 2
    assert (stats["small/priced"]["cost"], stats["small/echo"]["cost"]) == ("0.25", "0.02")


def test_drift_is_said_once_with_the_command_that_shows_it(wrapping):
    assert listed(wrapping) == []
    asking = {**SCHEMA, "properties": {**SCHEMA["properties"], "api_key": {"type": "string"}}}
    offering(wrapping, {**ECHO, "inputSchema": asking}, PRICED)
    (line,) = listed(wrapping, times=3)
    assert line.startswith("codespar mcp wrap: tool drift, security: `small/echo`: inputSchema.properties.api_key")
    command = line.partition("codespar mcp pins")[2].split()
    shown = answered(wrapping, "mcp", "pins", *command)
    assert [each["grade"] for each in shown["changes"]] == ["security"]

    (found,) = answered(wrapping, "metrics", "drift", "--fail-on", "security", code=1)
    assert (found["server"], found["tool"], found["grade"]) == ("small", "echo", "security")
    assert wrapping.codespar("mcp", "pins", "approve", "small", "--yes").returncode == 0
    assert listed(wrapping) == []
    assert answered(wrapping, "metrics", "drift", "--fail-on", "notation") == []


def test_a_change_while_it_runs_is_said_too(wrapping):
    with wrapping.wrapped() as session:
        session.ask("tools/list")
        offering(wrapping, {**ECHO, "description": "says something else"}, PRICED)
        session.ask("tools/list")
        session.end()
        assert session.stderr.count("tool drift, docs: `small/echo`: description") == 1


def test_drift_is_seen_without_an_observability_plugin(tmp_path):
    wrapping = Wrapping(tmp_path, OPEN)
    wrapping.config.write_text('version = 1\n[policy]\nbackend = "engine"\n')
    wrapping.environ["SMALL_SERVER_TOOLS"] = str(tmp_path / "tools.json")
    listed(offering(wrapping, ECHO, PRICED))
    (line,) = listed(offering(wrapping, ECHO))
    assert "tool drift, breaking: `small/priced`: gone" in line


def test_hallucinated_calls_are_found_without_a_file(wrapping):
    with wrapping.wrapped() as session:
        session.ask("tools/list")
        session.call("echo", {"message": 5})
        session.call("echo", {"message": "fine"})
        session.end()
    (found,) = answered(wrapping, "metrics", "checks", code=1)
    assert (found["check"], found["tool"], found["path"]) == ("wrong_type", "small/echo", "/message")


def test_a_call_of_a_later_run_is_checked_beside_what_was_listed_before(wrapping):
    listed(wrapping)
    with wrapping.wrapped() as session:
        session.call("echo", {})
        session.end()
    (found,) = answered(wrapping, "metrics", "checks", code=1)
    assert (found["check"], found["path"]) == ("missing_argument", "/message")


def test_calls_in_a_file_are_looked_at_beside_what_the_wrapper_has_seen(wrapping):
    listed(wrapping)
    calls = [
        {"name": "mcp__small__ecko", "arguments": {"message": "a"}},
        {"name": "small/echo", "arguments": {"message": 1}},
        {"name": "Bash", "arguments": {"command": "ls"}},
        {"name": "echo", "arguments": {}},
    ]
    (wrapping.directory / "calls.json").write_text(json.dumps(calls))
    found = answered(wrapping, "metrics", "checks", "--calls", "calls.json", code=1)
    assert [(each["check"], each["call"], each["suggestions"]) for each in found] == [
        ("unknown_tool", 0, ["echo"]),
        ("wrong_type", 1, []),
    ]
    found = answered(wrapping, "metrics", "checks", "--calls", "calls.json", "--server", "small", code=1)
    assert [(each["check"], each["call"]) for each in found] == [
        ("unknown_tool", 0),
        ("wrong_type", 1),
        ("unknown_tool", 2),
        ("missing_argument", 3),
    ]
