"""`codespar mcp wrap` as a client meets it: the same server, direct and wrapped, says the same bytes."""

import itertools
import json
import threading

import pytest
from test_mcp_message import HOSTILE
from wrapped_kit import OPEN, Wrapping

DENYING = OPEN + '  - {id: keep-out, effect: deny, tools: ["small/secret/**"], reason: not for agents}\n'
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


@pytest.fixture
def wrapping(tmp_path):
    return Wrapping(tmp_path, DENYING)


def transcript(session, act):
    """Every line that came, as bytes; requests of one connection come back in any order."""
    act(session)
    session.process.stdin.close()
    lines = []
    while line := session.line():
        lines.append(line)
    assert session.wait() == 0, session.stderr
    return sorted(lines)


def both(wrapping, act):
    with wrapping.direct() as direct:
        expected = transcript(direct, act)
    received = wrapping.log.read_bytes()
    wrapping.log.unlink()
    with wrapping.wrapped() as wrapped:
        found = transcript(wrapped, act)
        assert wrapped.stderr == ""
    assert wrapping.log.read_bytes() == received
    assert found == expected
    return expected


def test_a_whole_conversation_is_the_same_with_initialize(wrapping):
    def talk(session):
        session.send({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO})
        session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        session.send({"jsonrpc": "2.0", "id": "list", "method": "tools/list"})
        session.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo"}})
        session.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "fail", "arguments": {}}})
        session.send({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "error", "arguments": {}}})
        session.send({"jsonrpc": "2.0", "id": 4, "method": "nobody/knows", "params": {"x": ["ü", "\u2028"]}})

    assert len(both(wrapping, talk)) == 6


def test_a_whole_conversation_is_the_same_without_initialize(wrapping):
    def talk(session):
        session.send({"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": MODERN}})
        session.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": MODERN}})
        call = {"name": "echo", "arguments": {"message": "hi"}, "_meta": MODERN}
        session.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})

    assert len(both(wrapping, talk)) == 3
    (row,) = wrapping.metrics()
    assert (row["agent"], row["tool"], row["cost"], row["cost_source"]) == ("test", "small/echo", None, "estimated")


def test_odd_ids_and_spellings_are_the_same(wrapping):
    ids = ["0", "-1", "1.5", "1e2", '"a"', '"\\u0061b"', '""', "null", "12345678901234567890123", '"\U0001f600"']

    def talk(session):
        for id_, end in itertools.product(ids, ("\n", "\r\n", " \t\n")):
            session.write(
                (
                    '{ "params":{"arguments" : {"message":"\\u00e9\\ud83d\\ude00"},"\\u006eame":"echo"},'
                    f'"method":"tools\\/call","id":{id_} ,"jsonrpc":"2.0"}}{end}'
                ).encode()
            )

    assert len(both(wrapping, talk)) == 3 * len(ids)


def test_empty_lines_batches_without_a_call_and_no_newline_at_the_end_pass(wrapping):
    def talk(session):
        session.write(b'\n\r\n  \n[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n')
        session.write(b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo"}}')

    assert len(both(wrapping, talk)) == 2


def test_notifications_and_progress_come_in_their_order(wrapping):
    with wrapping.direct() as direct:
        direct.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notify"}})
        expected = [direct.line() for _ in range(7)]
    with wrapping.wrapped() as wrapped:
        wrapped.send({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "notify"}})
        assert [wrapped.line() for _ in range(7)] == expected


def test_the_server_asks_the_client_and_gets_its_answers(wrapping):
    methods = ["sampling/createMessage", "elicitation/create", "roots/list"]

    def talk(session):
        session.send(
            {
                "jsonrpc": "2.0",
                "id": "server-0",  # the server uses this id as well, for a request of its own
                "method": "tools/call",
                "params": {"name": "ask-client", "arguments": {"methods": methods}},
            }
        )
        lines = []
        for number, method in enumerate(methods):
            lines.append(session.line())
            asked = json.loads(lines[-1])
            assert asked["method"] == method
            answer = {"result": {"n": number}} if number else {"error": {"code": -1, "message": "user said no"}}
            session.send({"jsonrpc": "2.0", "id": asked["id"], **answer})
        return [*lines, session.line()]

    with wrapping.direct() as direct:
        expected = talk(direct)
    with wrapping.wrapped() as wrapped:
        assert talk(wrapped) == expected


def test_a_cancelled_call_is_recorded_as_that(wrapping):
    with wrapping.wrapped() as wrapped:
        wrapped.send({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "slow"}})
        wrapped.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
        assert wrapped.call("echo", {"message": "still there"}, id_=6)["id"] == 6
        assert wrapped.end() == 0
    found = {row["tool"]: row["error_type"] for row in wrapping.metrics()}
    assert found == {"small/slow": "cancelled", "small/echo": None}


def test_ten_megabytes_pass_both_ways(wrapping):
    message = "ü" * (5 << 20)
    with wrapping.wrapped() as wrapped:
        assert wrapped.call("echo", {"message": message})["result"]["content"][0]["text"] == message
        assert len(wrapped.call("big", {"size": 10 << 20})["result"]["content"][0]["text"]) == 10 << 20


def test_a_denied_call_never_reaches_the_server(wrapping):
    with wrapping.wrapped() as wrapped:
        answer = wrapped.call("secret/admin", {"key": 1}, id_="x")
        assert answer["id"] == "x"
        assert answer["result"]["isError"] is True
        assert "not for agents" in answer["result"]["content"][0]["text"]
        assert wrapped.call("echo")["result"]["content"]
        assert wrapped.end() == 0
    assert b"admin" not in wrapping.seen_by_server()


def test_no_other_notation_of_a_denied_call_reaches_the_server(wrapping):
    with wrapping.wrapped() as wrapped:
        for text in HOSTILE.values():
            data = text.encode() if isinstance(text, str) else text
            wrapped.write(data.replace(b"admin", b"secret/admin") + b"\n")
        for spelling in (r"secret\/admin", r"\u0073ecret/admin", "secret/\\u0061dmin"):
            line = '{"id":1,"method":"\\u0074ools/call","params":{"name":"%s"}}\n' % spelling  # noqa: UP031
            wrapped.write(line.encode())
        wrapped.send({"jsonrpc": "2.0", "id": "end", "method": "tools/call", "params": {"name": "echo"}})
        answers = iter(wrapped.read, None)
        assert any(isinstance(answer, dict) and answer["id"] == "end" for answer in answers)
        assert wrapped.end() == 0
    (passed,) = [line for line in wrapping.seen_by_server().splitlines() if b"tools" in line or b"secret" in line]
    assert json.loads(passed)["id"] == "end"


def test_an_approval_lets_the_same_call_pass_once(tmp_path):
    rules = OPEN + '  - {id: ask, effect: approve, tools: ["small/echo"], quorum: 1, approvers: [cto], expires: 1h}\n'
    wrapping = Wrapping(tmp_path, rules)
    with wrapping.wrapped(options=("--name", "small", "--agent", "bot")) as wrapped:
        words = wrapped.call("echo", {"message": "x"})["result"]["content"][0]["text"]
        token = next(word for word in words.split() if word.startswith("ap-")).rstrip(":")
        assert wrapping.codespar("approvals", "approve", token, "--as", "cto").returncode == 0
        assert "isError" not in wrapped.call("echo", {"message": "x"})["result"]
        assert wrapped.call("echo", {"message": "x"})["result"]["isError"] is True
        assert wrapped.end() == 0


def test_a_changed_rule_holds_for_the_next_call_and_a_broken_one_stops_all(wrapping):
    with wrapping.wrapped() as wrapped:
        assert "isError" not in wrapped.call("echo")["result"]
        wrapping.rules.write_text(DENYING.replace("secret/**", "echo"))
        assert "not for agents" in wrapped.call("echo")["result"]["content"][0]["text"]
        wrapping.rules.write_text("version: 1\nrules: [")
        assert "policy.yaml" in wrapped.call("echo")["result"]["content"][0]["text"]
        assert wrapped.ask("tools/list")["result"]["tools"]
        wrapping.rules.unlink()
        assert wrapped.call("echo")["result"]["isError"] is True
        wrapping.rules.write_text(OPEN)
        assert "isError" not in wrapped.call("echo")["result"]
        wrapping.config.write_text("version = 1\n[policy]\nbackend = 'nobody'\n")
        assert "nobody" in wrapped.call("echo")["result"]["content"][0]["text"]
        wrapping.config.unlink()
        gone = wrapped.call("echo")["result"]
        assert gone["isError"] is True
        assert gone["content"][0]["text"].endswith("; hint: put it back, or start it again")
        assert wrapped.end() == 0


def test_denied_tools_are_hidden_when_asked_and_those_that_wait_for_arguments_are_not(tmp_path):
    rules = (
        'version: 1\ndefault: deny\nrules:\n  - {id: e, effect: allow, tools: ["small/echo"]}\n'
        '  - {id: b, effect: allow, tools: ["small/big"], when: {args.size: {lt: 5}}}\n'
    )
    wrapping = Wrapping(tmp_path, rules)
    with wrapping.wrapped(options=("--name", "small", "--hide-denied")) as wrapped:
        assert [tool["name"] for tool in wrapped.ask("tools/list")["result"]["tools"]] == ["echo", "big"]
        assert wrapped.end() == 0
    with wrapping.wrapped() as wrapped:
        assert len(wrapped.ask("tools/list")["result"]["tools"]) == 11


def test_a_budget_counts_what_the_server_reports(tmp_path):
    rules = (
        'version: 1\ncosts: {"small/**": "1"}\nrules:\n  - {id: all, effect: allow, tools: ["**"]}\n'
        '  - {id: b, effect: budget, limit: "10", per: tenant, window: total}\n'
    )
    wrapping = Wrapping(tmp_path, rules)
    with wrapping.wrapped() as wrapped:
        wrapped.call("priced", {"meta": {"codespar/cost": "9.5"}})
        assert "budget_exceeded" in wrapped.call("echo")["result"]["content"][0]["text"]
        assert wrapped.end() == 0
    assert [row["cost"] for row in wrapping.metrics()] == ["9.5"]


def test_denials_and_answers_never_run_into_each_other(wrapping):
    """Both threads write to the client: every line is one whole message."""
    count = 300
    with wrapping.wrapped() as wrapped:

        def ask():
            for number in range(count):
                tool = "secret/admin" if number % 2 else "big"
                params = {"name": tool, "arguments": {"size": 20_000}}
                wrapped.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

        sender = threading.Thread(target=ask)
        sender.start()
        found = [wrapped.read() for _ in range(count)]
        sender.join()
        assert wrapped.end() == 0
    assert sorted(message["id"] for message in found) == list(range(count))
    assert all(message["result"].get("isError", False) == bool(message["id"] % 2) for message in found)
