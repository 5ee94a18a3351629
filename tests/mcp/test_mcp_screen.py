"""The screen between client and server, over a gate of its own: what is asked, recorded, settled, watched and hidden."""

import json
from decimal import Decimal

import pytest

from codespar_cli.core.gate import Gate
from codespar_cli.core.hooks import PolicyDecision
from codespar_cli.core.registry import PluginRegistry
from codespar_cli.errors import ConfigError
from codespar_cli.mcp.identity import Identity
from codespar_cli.mcp.screen import Screen


class Policy:
    """Answers what it is told to, and remembers everything."""

    bounded = reserves = True

    def __init__(self):
        self.asked, self.settled, self.released = [], [], []
        self.answer = PolicyDecision(allowed=True, reservation_id="rs-1", decision_id="de-1")
        self.previews = {}

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        self.asked.append((agent_id, tool_name, context))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def preview(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        return self.previews.get(tool_name, PolicyDecision(allowed=True))

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.settled.append((tool_name, cost, reservation_id))

    def release(self, reservation_id):
        self.released.append(reservation_id)


class Recorder:
    def __init__(self):
        self.metrics = []

    def record(self, metric):
        self.metrics.append(metric)


class Books:
    """Keeps what is to be done later, so that a test says when."""

    def __init__(self):
        self.tasks, self.failures = [], {}

    def add(self, task):
        self.tasks.append(task)

    def do(self):
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task()
        if self.tasks:
            self.do()
        self.round_off()

    def round_off_with(self, task):
        self.round_off = task


class Watching:
    def __init__(self):
        self.seen = []

    def listed(self, server, tools, version):
        self.seen.append(("listed", server, [tool["name"] for tool in tools], version))

    def called(self, server, call):
        self.seen.append(("called", server, call.tool, call.arguments))

    def answered(self, server, call, error, result):
        self.seen.append(("answered", server, call.tool, error))


class Desk:
    """A screen with all that it talks to."""

    def __init__(self, *, broken=None, **options):
        self.policy, self.recorder, self.books, self.watching = Policy(), Recorder(), Books(), Watching()
        registry = PluginRegistry()
        registry.register_policy(self.policy)
        registry.register_observability(self.recorder)
        self.now, self.notes, self.broken = 0.0, [], broken
        self.gate = Gate(registry)
        identity = options.pop("identity", Identity("srv", agent="bot", session="s-1"))
        self.screen = Screen(
            identity,
            self._gate,
            self.books,
            watcher=lambda: self.watching,
            note=self.notes.append,
            timer=lambda: self.now,
            **options,
        )

    def _gate(self):
        if self.broken is not None:
            raise self.broken
        return self.gate

    def up(self, method, params=None, id_=1):
        message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params or {}}
        return self.screen.from_client(json.dumps(message).encode() + b"\n")

    def call(self, tool="echo", arguments=None, id_=1, **params):
        return self.up("tools/call", {"name": tool, "arguments": arguments or {}, **params}, id_)

    def down(self, id_=1, **members):
        line = json.dumps({"jsonrpc": "2.0", "id": id_, **members}).encode() + b"\n"
        got = self.screen.from_server(line)
        return line, got

    def answer(self, result, id_=1):
        line, got = self.down(id_, result=result)
        assert got == line
        self.books.do()


def text(words="hello", **more):
    return {"content": [{"type": "text", "text": words}], **more}


def test_a_call_is_asked_about_with_all_that_is_known():
    desk = Desk(identity=Identity("srv", tenant="t", agent="bot", session="s", project="p", environment="prod"))
    assert desk.call("echo", {"a": [1]}) == (True, b"")
    ((agent, tool, context),) = desk.policy.asked
    assert (agent, tool) == ("bot", "srv/echo")
    assert (context.tenant, context.session, context.project, context.environment) == ("t", "s", "p", "prod")
    assert context.args == {"a": [1]}


def test_an_answer_settles_and_is_recorded_with_its_time():
    desk = Desk()
    desk.call(arguments={"message": "hi"})
    desk.now = 0.25
    desk.answer(text("a" * 41))
    (metric,) = desk.recorder.metrics
    assert (metric.tool_name, metric.agent_id, metric.session, metric.success) == ("srv/echo", "bot", "s-1", True)
    assert (metric.latency_ms, metric.decision_id) == (250.0, "de-1")
    assert (metric.input_tokens, metric.output_tokens) == (len('{"message":"hi"}') // 4, 11)
    assert (metric.cost, metric.cost_source) == (None, "estimated")
    assert desk.policy.settled == [("srv/echo", None, "rs-1")]


@pytest.mark.parametrize(
    ("meta", "cost"),
    [
        ({"codespar/cost": "0.0123"}, "0.0123"),
        ({"codespar/cost": 2, "cost": 5}, 2),
        ({"cost": 0.5}, 0.5),
        ({"response_cost": 0.25}, 0.25),
        ({"codespar/cost": 0}, 0),
    ],
)
def test_a_cost_is_settled_before_the_client_has_the_answer(meta, cost):
    desk = Desk()
    desk.call()
    desk.down(result=text(_meta={**meta, "usage": {"prompt_tokens": 10, "completion_tokens": 20}}))
    assert desk.policy.settled == [("srv/echo", cost, "rs-1")]
    (metric,) = desk.recorder.metrics
    assert (metric.cost, metric.cost_source, metric.input_tokens, metric.output_tokens) == (cost, "reported", 10, 20)


@pytest.mark.parametrize(
    "cost", [-1, "-0.01", "NaN", "Infinity", 1e400, True, "free", None, [], {"amount": 1}, "1" * 80]
)
def test_a_cost_that_is_none_is_not_known_and_not_zero(cost):
    desk = Desk()
    desk.call()
    line = json.dumps({"id": 1, "result": text(_meta={"codespar/cost": cost})}).encode()
    assert desk.screen.from_server(line) == line
    desk.books.do()
    assert desk.policy.settled == [("srv/echo", None, "rs-1")]
    assert desk.recorder.metrics[0].cost is None


def test_a_failed_call_has_run_and_costs_what_was_held():
    desk = Desk()
    desk.call()
    desk.answer(text(isError=True))
    assert (desk.policy.released, desk.policy.settled) == ([], [("srv/echo", None, "rs-1")])
    assert desk.recorder.metrics[0].error_type == "tool_error"


@pytest.mark.parametrize(
    ("code", "is_taken"), [(-32601, False), (-32602, False), (-32603, True), (-32000, True), (1, True)]
)
def test_a_request_that_the_server_did_not_take_gives_its_hold_back(code, is_taken):
    desk = Desk()
    desk.call()
    desk.down(error={"code": code, "message": "no"})
    desk.books.do()
    assert desk.policy.released == ([] if is_taken else ["rs-1"])
    assert desk.policy.settled == ([("srv/echo", None, "rs-1")] if is_taken else [])


def test_a_failed_call_that_says_its_cost_is_settled_at_it():
    desk = Desk()
    desk.call()
    desk.answer(text(isError=True, _meta={"codespar/cost": "3"}))
    assert (desk.policy.released, desk.policy.settled) == ([], [("srv/echo", "3", "rs-1")])
    metric = desk.recorder.metrics[0]
    assert (metric.success, Decimal(metric.cost), metric.decision_id) == (False, 3, "de-1")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-32700, "parse_error"),
        (-32600, "invalid_request"),
        (-32601, "method_not_found"),
        (-32602, "invalid_params"),
        (-32603, "internal_error"),
        (-32000, "server_error"),
        (-32099, "server_error"),
        (-32100, "rpc_error"),
        (7, "rpc_error"),
        ("x", "rpc_error"),
    ],
)
def test_a_protocol_error_is_recorded_by_its_class(code, name):
    desk = Desk()
    desk.call()
    desk.down(error={"code": code, "message": "a secret"})
    desk.books.do()
    (metric,) = desk.recorder.metrics
    assert (metric.success, metric.error_type) == (False, name)


@pytest.mark.parametrize("how", ["cancelled", "server_gone"])
def test_a_call_without_an_answer_is_settled_at_what_was_held(how):
    desk = Desk()
    desk.call(id_="x")
    if how == "cancelled":
        assert desk.screen.from_client(
            b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}\n'
        ).passes
    else:
        desk.screen.gone()
    desk.books.do()
    assert (desk.policy.released, desk.policy.settled) == ([], [("srv/echo", None, "rs-1")])
    assert desk.recorder.metrics[0].error_type == how
    desk.answer(text(), "x")  # what comes all the same is the client's, and is not counted twice
    assert len(desk.recorder.metrics) == 1


def test_a_server_that_asks_for_more_first_has_not_answered():
    desk = Desk()
    desk.call()
    desk.answer({"resultType": "input_required", "inputRequests": {}})
    assert (desk.policy.released, desk.policy.settled, desk.recorder.metrics) == (["rs-1"], [], [])


def test_what_it_says_to_have_cost_meanwhile_is_counted():
    desk = Desk()
    desk.call()
    desk.answer({"resultType": "input_required", "inputRequests": {}, "_meta": {"codespar/cost": "1"}})
    assert (desk.policy.released, desk.policy.settled) == ([], [("srv/echo", "1", "rs-1")])


@pytest.mark.parametrize("id_", [0, 1, -1, 1.5, "1", "", "ä", None, True, 10**30, [1], {"a": 1}])
def test_every_id_finds_its_answer(id_):
    desk = Desk()
    desk.call(id_=id_)
    desk.call("other", id_="another")
    desk.answer(text(), id_)
    assert [metric.tool_name for metric in desk.recorder.metrics] == ["srv/echo"]


def test_an_id_that_is_used_twice_at_once_is_answered_in_order():
    desk = Desk()
    desk.call("first")
    desk.call("second")
    desk.answer(text())
    desk.answer(text())
    assert [metric.tool_name for metric in desk.recorder.metrics] == ["srv/first", "srv/second"]


def test_a_request_of_the_server_is_not_taken_for_an_answer():
    desk = Desk()
    desk.call(id_=5)
    line = b'{"jsonrpc":"2.0","id":5,"method":"sampling/createMessage","params":{}}\n'
    assert desk.screen.from_server(line) == line
    assert len(desk.screen.calls) == 1


@pytest.mark.parametrize("line", [b"not json\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b"7\n", b'{"id":[[]]}\n', b""])
def test_whatever_the_server_says_passes(line):
    desk = Desk()
    desk.call()
    assert desk.screen.from_server(line) == line
    assert len(desk.screen.calls) == 1


def denied(verdict):
    assert not verdict.passes
    message = json.loads(verdict.reply)
    assert message["result"]["isError"] is True
    (block,) = message["result"]["content"]
    return message, block["text"]


def test_a_denial_is_a_result_that_says_why():
    desk = Desk()
    desk.policy.answer = PolicyDecision(allowed=False, reason="not\x1b[31m today", code="denied_by_rule")
    message, words = denied(desk.call(id_="7"))
    assert words == "codespar denied `srv/echo`: not\\x1b[31m today (denied_by_rule)."
    assert message["id"] == "7"
    assert set(message["result"]) == {"content", "isError"}
    assert desk.recorder.metrics == []


def test_a_denial_names_its_type_where_the_protocol_has_types():
    desk = Desk()
    desk.policy.answer = PolicyDecision(allowed=False)
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    message, _ = denied(desk.call(_meta=meta))
    assert message["result"]["resultType"] == "complete"
    message, _ = denied(desk.call(_meta={"io.modelcontextprotocol/protocolVersion": "2025-11-25"}))
    assert "resultType" not in message["result"]


def test_the_token_to_approve_is_in_the_reason():
    desk = Desk()
    desk.policy.answer = PolicyDecision(
        allowed=False, requires_approval=True, approval_id="ap-QW0F3M7K", reason="needs 1 of cto"
    )
    _, words = denied(desk.call())
    assert "codespar approvals approve ap-QW0F3M7K --as NAME" in words
    assert "needs 1 of cto" in words


@pytest.mark.parametrize(
    ("after", "never", "words"),
    [
        (0.2, False, "in 1s."),
        (90, False, "in 2m."),
        (7200, False, "in 2h."),
        (200_000, False, "in 2d."),
        (None, True, "not help."),
    ],
)
def test_when_it_may_pass_is_in_the_reason(after, never, words):
    desk = Desk()
    desk.policy.answer = PolicyDecision(allowed=False, reason="no", retry_after=after, never=never)
    assert denied(desk.call())[1].endswith(words)


@pytest.mark.parametrize("failure", [ValueError("a secret"), SystemExit(0), "nonsense"])
def test_a_policy_that_fails_denies(failure):
    desk = Desk()
    desk.policy.answer = failure
    _, words = denied(desk.call())
    assert "a secret" not in words


def test_without_a_policy_no_call_passes_and_all_else_does():
    desk = Desk(broken=ConfigError("`backend` is unknown", file="plugins.toml", line=3))
    _, words = denied(desk.call())
    assert "plugins.toml:3: `backend` is unknown" in words
    assert desk.up("tools/list").passes
    assert desk.screen.from_client(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n').passes


def test_what_nobody_foresaw_is_a_refusal():
    desk = Desk(broken=RuntimeError("bug"))
    verdict = desk.call()
    assert not verdict.passes
    assert json.loads(verdict.reply)["error"]["code"] == -32600


@pytest.mark.parametrize(
    ("hello", "meta", "agent"),
    [
        ({"clientInfo": {"name": "claude-code"}}, {}, "claude-code"),
        (None, {"io.modelcontextprotocol/clientInfo": {"name": "new-client"}}, "new-client"),
        ({"clientInfo": {"name": "old"}}, {"io.modelcontextprotocol/clientInfo": {"name": "new"}}, "new"),
        ({"clientInfo": {"name": "bad\u202e"}}, {}, "agent"),
        ({"clientInfo": {"name": "x" * 257}}, {}, "agent"),
        ({"clientInfo": "x"}, {}, "agent"),
        (None, {}, "agent"),
    ],
)
def test_the_agent_is_what_the_client_calls_itself_when_nobody_says_better(hello, meta, agent):
    desk = Desk(identity=Identity("srv"))
    if hello is not None:
        desk.up("initialize", hello, id_="hello")
    desk.call(_meta=meta)
    assert desk.policy.asked[0][0] == agent
    named = Desk(identity=Identity("srv", agent="operator"))
    named.call(_meta=meta)
    assert named.policy.asked[0][0] == "operator"


def tools(*names):
    return [{"name": name, "inputSchema": {}} for name in names]


def test_lists_are_put_together_and_watched_with_the_servers_version():
    desk = Desk()
    desk.up("initialize", id_=0)
    desk.answer({"serverInfo": {"name": "x", "version": "9.1"}}, 0)
    desk.up("tools/list", id_=1)
    desk.answer({"tools": tools("a", "b"), "nextCursor": "more"}, 1)
    assert desk.watching.seen == []
    desk.up("tools/list", {"cursor": "more"}, id_=2)
    desk.answer({"tools": tools("c")}, 2)
    assert desk.watching.seen == [("listed", "srv", ["a", "b", "c"], "9.1")]


def test_a_page_of_another_list_is_not_added():
    desk = Desk()
    desk.up("tools/list", id_=1)
    desk.answer({"tools": tools("a"), "nextCursor": "one"}, 1)
    desk.up("tools/list", {"cursor": "other"}, id_=2)
    desk.answer({"tools": tools("z")}, 2)
    assert desk.watching.seen == []


def test_calls_are_watched_in_their_order():
    desk = Desk()
    desk.call("echo", {"a": 1})
    desk.answer(text(isError=True))
    assert desk.watching.seen == [("called", "srv", "echo", {"a": 1}), ("answered", "srv", "echo", "tool_error")]


LISTED = (
    b'{"jsonrpc" :"2.0", "result": {"x":1e0, "tools":[ {"name":"a","t":"\\u00e9"} ,{"inputSchema":{},"name":"\\u0062"},'
    b' {"name":"c"}], "nextCursor":"q"} ,"id":1}\r\n'
)


@pytest.mark.parametrize(
    ("code", "hidden"),
    [("denied_by_rule", True), ("no_rule_allows", False), ("rate_limited", False), ("outside_window", False)],
)
def test_denied_tools_are_cut_out_of_a_list_and_nothing_else_changes(code, hidden):
    desk = Desk(hide_denied=True)
    desk.policy.previews = {"srv/b": PolicyDecision(allowed=False, code=code)}
    desk.up("tools/list")
    got = desk.screen.from_server(LISTED)
    if hidden:
        expected = LISTED.replace(b'[ {"name"', b'[{"name"').replace(b' ,{"inputSchema":{},"name":"\\u0062"}, {', b",{")
        assert got == expected
    else:
        assert got == LISTED


def test_a_tool_that_waits_for_a_person_is_not_hidden():
    desk = Desk(hide_denied=True)
    desk.policy.previews = {"srv/b": PolicyDecision(allowed=False, requires_approval=True, code="approval_required")}
    desk.up("tools/list")
    assert desk.screen.from_server(LISTED) == LISTED


@pytest.mark.parametrize(
    "result", [b"{}", b'{"tools":7}', b'{"tools":[7,"b",{"name":7},{}]}', b'{"tools":[],"tools":[]}']
)
def test_a_list_that_is_none_passes_as_it_is(result):
    desk = Desk(hide_denied=True)
    desk.policy.previews = {"srv/b": PolicyDecision(allowed=False, code="denied_by_rule")}
    desk.up("tools/list")
    line = b'{"id":1,"result":' + result + b"}\n"
    assert desk.screen.from_server(line) == line


def test_every_request_of_a_refused_batch_is_answered():
    desk = Desk()
    line = b'[{"id":1,"method":"ping"},{"id":"x","method":"tools/call","params":{"name":"a"}}]\n'
    verdict = desk.screen.from_client(line)
    assert not verdict.passes
    assert [item["id"] for item in json.loads(verdict.reply)] == [1, "x"]
    assert desk.policy.asked == []
