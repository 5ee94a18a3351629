"""The lines of the official `server-everything`, byte by byte: what it says to the same lines, direct and wrapped."""

import json
import re
import signal

import pytest
from everything_server import everything
from wrapped_kit import Wrapping

__all__ = ["everything"]

pytestmark = pytest.mark.slow
RULES = 'version: 1\ndefault: allow\nrules:\n  - {id: no-env, effect: deny, tools: ["everything/get-env"], reason: it holds keys}\n'
CLIENT = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {"listChanged": True}, "tasks": {}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": CLIENT, "clientInfo": {"name": "raw", "version": "1"}}
LONG = "trigger-long-running-operation"
# Those of tasks are random, and so are the times.
VARYING = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture
def wrapping(tmp_path):
    return Wrapping(tmp_path, RULES)


def both(wrapping, everything, talk):
    """What `talk` heard, which is the same from both."""
    with wrapping.direct(*everything) as direct:
        expected = greeted(direct, talk)
    with wrapping.wrapped(*everything, options=("--name", "everything")) as wrapped:
        heard = greeted(wrapped, talk)
    assert heard == expected
    assert wrapped.errors == direct.errors  # what it says on stderr passes as well
    return expected


def greeted(session, talk):
    session.send({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": HELLO})
    lines = [session.line()]
    session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    # It asks for the roots by itself, some time after that: until then its lines would come in any order.
    while b'"roots/list"' not in lines[-1]:
        lines.append(session.line())
    answer(session, lines[-1], {"roots": [{"uri": "file:///tmp/a"}]})
    lines.append(session.line())
    code = talk(session, lines) or 0
    session.process.stdin.close()
    while line := session.line():
        lines.append(line)
    assert session.wait() == code
    return lines


def request(session, id_, method, **params):
    session.send({"jsonrpc": "2.0", "id": id_, "method": method, "params": params})


def call(session, id_, tool, arguments=None, **params):
    request(session, id_, "tools/call", name=tool, arguments=arguments or {}, **params)


def answer(session, asked, result):
    session.send({"jsonrpc": "2.0", "id": json.loads(asked)["id"], "result": result})


def until(session, lines, id_):
    """Read to the answer with this id."""
    while True:
        lines.append(session.line())
        said = json.loads(lines[-1])
        if said.get("id") == id_ and "method" not in said:
            return said


def test_every_spelling_of_an_id_is_the_same(wrapping, everything):
    written = [
        "0",
        "-1",
        "1e2",
        "7.0",
        '"a"',
        '"\\u0061b"',
        '""',
        "9007199254740991",
        '"\U0001f600"',
        f'"{"i" * 9000}"',
    ]
    unanswered = ["1.5", "null", "[1]"]  # which the server takes for no request

    def talk(session, lines):
        for id_ in [*written, *unanswered]:
            session.write(
                f'{{"params":{{"arguments":{{"message":"{len(id_)}"}},"name":"ech\\u006f"}},"method":"tools/call",'
                f'"id":{id_} ,"jsonrpc":"2.0"}}\r\n'.encode()
            )
        request(session, "end", "ping")
        lines.extend(session.line() for _ in [*written, "end"])
        # Some calls are answered at once and some later; those that are not are read before the end, if they are.
        lines.sort()

    said = [json.loads(line) for line in both(wrapping, everything, talk)]
    answered = [each["id"] for each in said if "Echo: " in str(each.get("result"))]
    assert len(answered) == len(written)
    assert set(answered) == {json.loads(id_) for id_ in written}
    recorded = [row["error_type"] for row in wrapping.metrics()]
    assert sorted(map(str, recorded)) == ["None"] * len(written) + ["server_gone"] * len(unanswered)


def test_progress_and_what_the_server_tells_come_in_their_order(wrapping, everything):
    def talk(session, lines):
        request(session, 1, "resources/subscribe", uri="demo://resource/dynamic/text/1")
        until(session, lines, 1)
        call(session, 2, "toggle-subscriber-updates")
        until(session, lines, 2)
        call(session, 3, "toggle-subscriber-updates")
        until(session, lines, 3)
        for token in ("p", 0):
            call(session, 4, LONG, {"duration": 0.2, "steps": 4}, _meta={"progressToken": token})
            until(session, lines, 4)

    said = [json.loads(line) for line in both(wrapping, everything, talk)]
    told = [each["params"] for each in said if each.get("method") == "notifications/progress"]
    assert [(each["progressToken"], each["progress"]) for each in told] == [
        (token, done) for token in ("p", 0) for done in (1, 2, 3, 4)
    ]
    methods = {each["method"] for each in said if "method" in each and "id" not in each}
    assert methods >= {"notifications/message", "notifications/resources/updated", "notifications/tools/list_changed"}


def test_what_the_server_asks_has_ids_of_its_own_and_any_answer(wrapping, everything):
    schema = {"action": "accept", "content": {"name": "ü", "check": True}}
    sampled = {"role": "assistant", "model": "m", "content": {"type": "text", "text": "sampled"}}
    refused = {"code": -32603, "message": "the person said no"}

    def talk(session, lines):
        for tool, reply in (
            ("trigger-sampling-request", {"result": sampled}),
            ("trigger-sampling-request", {"error": refused}),
            ("trigger-elicitation-request", {"result": schema}),
            ("trigger-elicitation-request", {"result": {"action": "cancel"}}),
        ):
            # The server counts from 0 as well: the next id is that of what it asks for this very call.
            number = 1 + max(json.loads(line)["id"] for line in lines if b'"method"' in line and b'"id"' in line)
            call(session, number, tool, {"prompt": "x"})
            lines.append(session.line())
            asked = json.loads(lines[-1])
            assert (asked["id"], "method" in asked) == (number, True)
            session.send({"jsonrpc": "2.0", "id": number, **reply})
            until(session, lines, number)

    said = [json.loads(line) for line in both(wrapping, everything, talk)]
    assert {each["method"] for each in said if "method" in each and "id" in each} == {
        "roots/list", "sampling/createMessage", "elicitation/create",
    }  # fmt: skip
    assert [row["error_type"] for row in wrapping.metrics()].count(None) == 3


def test_a_cancelled_call_is_never_answered(wrapping, everything):
    def talk(session, lines):
        call(session, "given up", LONG, {"duration": 0.6, "steps": 3}, _meta={"progressToken": "t"})
        lines.append(session.line())
        assert json.loads(lines[-1])["params"]["progress"] == 1
        cancelled = {"requestId": "given up", "reason": "enough"}
        session.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled})
        # Longer than what is left of the other, which goes on, and would have been answered by then.
        call(session, "waited for", LONG, {"duration": 1.2, "steps": 1})
        until(session, lines, "waited for")

    lines = both(wrapping, everything, talk)
    assert not any(json.loads(line).get("id") == "given up" for line in lines)
    assert sorted(str(row["error_type"]) for row in wrapping.metrics()) == ["None", "cancelled"]


def test_a_call_that_becomes_a_task_is_the_same(wrapping, everything):
    def talk(session, lines):
        call(session, 1, "simulate-research-query", {"topic": "python", "ambiguous": True}, task={"ttl": 60_000})
        task = until(session, lines, 1)["result"]["task"]["taskId"]
        request(session, 2, "tasks/get", taskId=task)
        until(session, lines, 2)
        request(session, 3, "tasks/result", taskId=task)
        lines.append(session.line())
        while b'"elicitation/create"' not in lines[-1]:
            lines.append(session.line())
        answer(session, lines[-1], {"action": "accept", "content": {"interpretation": "snake"}})
        assert "snake" in until(session, lines, 3)["result"]["content"][0]["text"]
        call(session, 4, "simulate-research-query", {"topic": "x"}, task={"ttl": 60_000})
        request(session, 5, "tasks/cancel", taskId=until(session, lines, 4)["result"]["task"]["taskId"])
        assert until(session, lines, 5)["result"]["status"] == "cancelled"
        lines[:] = [VARYING.sub(b"*", line) for line in lines]
        session.process.terminate()  # the task that was cancelled would keep it for minutes
        return -signal.SIGTERM

    both(wrapping, everything, talk)


def test_eight_megabytes_pass_both_ways(wrapping, everything):
    """The server itself ends at a line of more than ten."""
    message = "ü\\\U0001f600" * (1 << 20)
    params = {"name": "echo", "arguments": {"message": message}}
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, ensure_ascii=False)
    assert len(line.encode()) > 8 << 20

    def talk(session, lines):
        session.write(line.encode() + b"\n")
        assert until(session, lines, 1)["result"]["content"][0]["text"] == f"Echo: {message}"

    assert len(both(wrapping, everything, talk)[-1]) > 8 << 20


def test_a_denied_tool_is_listed_and_answers_that_it_is_an_error(wrapping, everything):
    with wrapping.wrapped(*everything, options=("--name", "everything")) as wrapped:

        def talk(session, lines):
            request(session, 1, "tools/list")
            assert "get-env" in {tool["name"] for tool in until(session, lines, 1)["result"]["tools"]}
            for number in (2, "three"):
                call(session, number, "get-env")
                denied = until(session, lines, number)["result"]
                assert denied["isError"] is True
                assert "it holds keys" in denied["content"][0]["text"]
                assert str(wrapping.directory) not in json.dumps(denied)

        greeted(wrapped, talk)
