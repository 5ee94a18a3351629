"""What looks on at lists and calls: the parts are asked in their own words, and what they find is kept."""

from datetime import UTC, datetime

from codespar_cli.mcp.watcher import Checks, Pins, ToolWatcher, WatchedCall

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CALL = WatchedCall("echo", {"a": 1}, "bot", "s-1", "acme")
TOOLS = [{"name": "echo"}]


class Findings:
    """Every part in one place, writing down what it was asked."""

    def __init__(self, found=(), changes=(), last_listed=None):
        self.asked, self.kept, self.found = [], [], list(found)
        self.changes, self.drifted = list(changes), []
        self.pins = Pins(
            see=self._see,
            last_listed=lambda server: last_listed,
            drifted=lambda *told: self.drifted.append(told),
            clock=lambda: NOW,
        )
        checks = Checks(
            catalogue=lambda tools, server: (server, len(tools)),
            check=lambda call, catalogue: self._noted("check", call, catalogue),
            observe=lambda call: self._noted("observe", call),
            observed=lambda **fields: fields,
            finding=lambda **fields: fields,
            keep=self.kept.extend,
            clock=lambda: NOW,
        )
        self.watcher = ToolWatcher(self.pins, checks)

    def _see(self, *arguments, **more):
        self.asked.append(("see", *arguments, more))
        return self.changes

    def _noted(self, *what):
        self.asked.append(what)
        return self.found


def test_a_list_is_pinned_with_the_servers_version():
    findings = Findings()
    findings.watcher.listed("srv", TOOLS, "1.2")
    assert findings.asked == [("see", "srv", TOOLS, NOW, {"version": "1.2"})]


def test_a_call_is_checked_beside_the_catalogue_once_there_is_one():
    findings = Findings()
    findings.watcher.called("srv", CALL)
    assert findings.asked == []
    findings.watcher.listed("srv", TOOLS, None)
    findings.watcher.called("srv", CALL)
    assert findings.asked[-1] == ("check", {"name": "srv/echo", "arguments": {"a": 1}}, ("srv", 1))
    assert findings.kept == []


def test_an_answered_call_is_seen_in_its_row_and_findings_are_kept_with_their_call():
    findings = Findings(["loop"])
    findings.watcher.answered("srv", CALL, "tool_error", "digest")
    (asked,) = findings.asked
    assert asked == (
        "observe",
        {
            "name": "srv/echo",
            "arguments": {"a": 1},
            "agent": "bot",
            "session": "s-1",
            "error": "tool_error",
            "result": "digest",
        },
    )
    assert findings.kept == [
        {"time": NOW, "tenant": "acme", "agent": "bot", "session": "s-1", "call": None, "result": "loop"}
    ]


def test_what_is_not_as_it_was_pinned_is_told_with_its_server():
    findings = Findings(changes=["change"])
    findings.watcher.listed("srv", TOOLS, None)
    assert findings.drifted == [("srv", ["change"])]


def test_a_call_before_any_list_is_checked_beside_the_list_that_was_last_seen():
    findings = Findings(last_listed=[*TOOLS, *TOOLS])
    findings.watcher.called("srv", CALL)
    assert findings.asked == [("check", {"name": "srv/echo", "arguments": {"a": 1}}, ("srv", 2))]
    findings.watcher.listed("srv", TOOLS, None)
    findings.watcher.called("srv", CALL)
    assert findings.asked[-1][-1] == ("srv", 1)


def test_tools_are_pinned_where_no_findings_are_kept():
    findings = Findings(changes=["change"], last_listed=TOOLS)
    watcher = ToolWatcher(findings.pins)
    watcher.called("srv", CALL)
    watcher.listed("srv", TOOLS, "1.2")
    watcher.answered("srv", CALL, None, None)
    assert findings.asked == [("see", "srv", TOOLS, NOW, {"version": "1.2"})]
    assert findings.drifted == [("srv", ["change"])]
