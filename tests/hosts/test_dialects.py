"""What hosts send is read as what it means, and what they are told is of the form that they publish."""

import json

import pytest
from host_golden import HOSTS, after, answers, before, denies, deny_schema, payloads, problem
from hostile_events import corpus
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.calls import PolicyDecision
from codespar_cli.hosts.answer import told
from codespar_cli.hosts.dialects import dialect_of
from codespar_cli.hosts.host_event import AFTER, ENDED, JUDGED, HostEvent, MalformedEvent
from codespar_cli.hosts.strict_event import MAX_BYTES
from codespar_cli.hosts.tool_alias import canonical_name
from codespar_cli.plugins.policy.language import tool_names

GOLDEN = payloads()
DENIED = PolicyDecision(allowed=False, reason="no force pushes", code="denied")
WAITS = PolicyDecision(False, "rule two needs 2 approvals", True, "approval_required", approval_id="ap-7Q2M4XKD")
ALLOWED = PolicyDecision(allowed=True, reason="allowed by rule reads")


def read(host, event):
    return dialect_of(host).read(json.dumps(event).encode())


@pytest.mark.parametrize(("name", "host", "event", "reads"), GOLDEN, ids=[golden[0] for golden in GOLDEN])
def test_a_golden_payload_reads_as_what_it_means(name, host, event, reads):
    found = read(host, event)
    assert {key: getattr(found, key) for key in reads} == reads
    assert found.host == host


@pytest.mark.parametrize(("name", "host", "event", "reads"), GOLDEN, ids=[golden[0] for golden in GOLDEN])
def test_every_answer_is_of_the_form_the_host_publishes(name, host, event, reads):
    found, published = read(host, event), answers(host)
    for decision in (None, ALLOWED, DENIED, WAITS):
        answer = dialect_of(host).answer(found, decision)
        assert (answer.code, answer.stderr) == (0, "")
        if found.kind in JUDGED and decision is not ALLOWED:
            assert problem(json.loads(answer.stdout), deny_schema(host, found.name)) is None
            assert denies(host, answer.stdout, answer.code)
            continue
        assert not denies(host, answer.stdout, answer.code)
        if found.kind in published["silence"]:
            assert answer.stdout == b""
        elif found.kind in JUDGED:
            assert problem(json.loads(answer.stdout), published["allow"]) is None
        else:
            neutral = published["neutral"]
            assert problem(json.loads(answer.stdout), neutral.get(found.name, neutral["*"])) is None


@pytest.mark.parametrize("host", HOSTS)
def test_what_cannot_be_judged_is_denied_in_the_form_of_its_event(host):
    published = answers(host)["deny"]
    for name in (*published, None, "NobodyKnowsThis"):
        if name == "*":
            continue
        answer = dialect_of(host).refuse("the event is not UTF-8", name)
        assert denies(host, answer.stdout, answer.code)
        assert "not UTF-8" in answer.stdout.decode() + answer.stderr
        if name in published:
            assert problem(json.loads(answer.stdout), published[name]) is None


@pytest.mark.parametrize("host", HOSTS)
def test_an_approval_that_is_missing_is_a_deny_with_its_token_and_never_an_ask(host):
    answer = dialect_of(host).answer(read(host, before(host)), WAITS)
    assert b"ap-7Q2M4XKD" in answer.stdout
    assert b"the very same call again" in answer.stdout
    assert b'"ask"' not in answer.stdout
    assert denies(host, answer.stdout, answer.code)


@pytest.mark.parametrize("host", HOSTS)
def test_an_unknown_event_that_names_a_tool_is_judged_and_one_that_does_not_is_nobodys_business(host):
    known = before(host)
    found = read(host, {**known, "hook_event_name": "SomethingOfNextYear"})
    assert found.kind in JUDGED
    answer = dialect_of(host).answer(found, DENIED)
    assert denies(host, answer.stdout, answer.code)
    tool_fields = {"tool_name", "tool_input", "toolName", "toolArgs", "command"}
    rest = {key: value for key, value in known.items() if key not in tool_fields}
    assert read(host, {**rest, "hook_event_name": "SomethingOfNextYear"}).kind == "other"


def test_a_byte_order_mark_is_taken_from_cursor_alone():
    for host in HOSTS:
        raw = b"\xef\xbb\xbf" + json.dumps(before(host)).encode()
        if host == "cursor":
            assert dialect_of(host).read(raw).tool == "Shell"
            with pytest.raises(MalformedEvent):
                dialect_of(host).read(b"\xef\xbb\xbf" + raw)
        else:
            with pytest.raises(MalformedEvent, match="not one JSON document"):
                dialect_of(host).read(raw)


def test_a_bare_name_of_an_mcp_server_cannot_pass_for_a_tool_of_cursors_own():
    event = {"hook_event_name": "beforeMCPExecution", "tool_name": "Read", "tool_input": "{}"}
    assert read("cursor", event).canonical == "MCP:Read"


def test_copilot_is_told_which_event_it_is_where_it_does_not_say():
    event = before("copilot")
    found = dialect_of("copilot").read(json.dumps(event).encode(), "permissionRequest")
    assert (found.kind, found.tool) == ("permission", "bash")
    answer = dialect_of("copilot").answer(found, DENIED)
    assert problem(json.loads(answer.stdout), deny_schema("copilot", "permissionRequest")) is None


def test_what_codex_asks_a_permission_for_is_the_call_that_it_asked_about():
    golden = {event["hook_event_name"]: event for _, host, event, _ in GOLDEN if host == "codex"}
    asked = golden["PermissionRequest"]
    assert set(asked["tool_input"]) == {"command", "description"}
    call = {**golden["PreToolUse"], "tool_name": "Bash", "tool_input": {"command": asked["tool_input"]["command"]}}
    assert read("codex", asked).args == read("codex", call).args
    mcp = {**asked, "tool_name": "mcp__tracker__open", "tool_input": {"description": "an argument of its own"}}
    assert read("codex", mcp).args == mcp["tool_input"]


@pytest.mark.parametrize(
    ("tool", "patch"),
    [
        ("apply_patch", '{"input": "*** Begin'),
        ("apply_patch", "--- a/x"),
        ("apply_patch", ""),
        ("bash", "*** Begin Patch"),
    ],
)
def test_copilots_bare_text_is_arguments_only_where_it_is_a_patch(tool, patch):
    with pytest.raises(MalformedEvent, match="toolArgs"):
        read("copilot", {**before("copilot"), "toolName": tool, "toolArgs": patch})


@pytest.mark.parametrize("host", HOSTS)
def test_of_a_key_given_twice_the_last_is_judged(host):
    raw = json.dumps(before(host))
    key = "toolName" if host == "copilot" else "tool_name"
    assert dialect_of(host).read(f'{raw[:-1]}, "{key}": "Other"}}'.encode()).tool == "Other"


@pytest.mark.parametrize("host", HOSTS)
def test_the_hostile_corpus_is_read_or_refused_and_never_anything_else(host):
    seen = 0
    for label, raw, must_deny in corpus(host):
        seen += 1
        dialect = dialect_of(host)
        try:
            found = dialect.read(raw)
        except MalformedEvent as error:
            assert must_deny is not False, label
            assert str(error).isprintable(), label
            answer = dialect.refuse(str(error), error.event_name)
        else:
            assert must_deny is not True, label
            answer = dialect.answer(found, DENIED)
        assert denies(host, answer.stdout, answer.code), label
        assert len(answer.stdout) < 4096
    assert seen > 300


def test_16_mib_are_read_and_not_a_byte_more():
    raw = json.dumps(before("claude")).encode()
    full = raw[:-1] + b" " * (MAX_BYTES - len(raw)) + b"}"
    assert dialect_of("claude").read(full).tool == "Bash"
    with pytest.raises(MalformedEvent, match="longer than 16 MiB"):
        dialect_of("claude").read(full + b" ")


def test_aliases_are_those_that_policies_know():
    names = [
        *tool_names._SAME,
        "mcp__github__create_issue",
        "MCP:a:b",
        "mcp_a_b_c",
        "mcp__a",
        "MCP:a",
        "fs/read",
        "mcp",
        "x",
    ]
    for name in names:
        assert canonical_name(name) == tool_names.canonical_name(name), name


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(host=st.sampled_from(HOSTS), raw=st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(host, raw):
    check_answered(host, raw)


@given(host=st.sampled_from(HOSTS), value=ANY_JSON)
def test_any_json_is_refused_or_read(host, value):
    check_answered(host, json.dumps(value).encode("utf-8", "surrogatepass"))


@given(data=st.data(), host=st.sampled_from(HOSTS))
def test_any_change_to_a_golden_payload_is_refused_or_read(data, host):
    event = dict(data.draw(st.sampled_from(payloads(host)))[2])
    for key in data.draw(st.lists(st.sampled_from(sorted(event)), max_size=3)):
        event[key] = data.draw(ANY_JSON)
    for key in data.draw(st.lists(st.sampled_from(sorted(event)), max_size=2)):
        event.pop(key, None)
    check_answered(host, json.dumps(event).encode("utf-8", "surrogatepass"))


def check_answered(host, raw):
    dialect = dialect_of(host)
    try:
        found = dialect.read(raw)
    except MalformedEvent as error:
        answer = dialect.refuse(str(error), error.event_name)
        if error.event_name is None:
            assert denies(host, answer.stdout, answer.code)
        return
    assert isinstance(found, HostEvent)
    if found.kind in JUDGED:
        assert found.tool.isascii()
        assert type(found.args) is dict
        assert denies(host, *[dialect.answer(found, DENIED)[index] for index in (0, 2)])
    elif found.kind in ENDED:
        assert (found.error is None) == (found.kind == AFTER)


@given(reason=st.text(max_size=6000))
def test_a_reason_is_one_printable_line_that_fits_into_one_write(reason):
    line = told(reason)
    assert line.isprintable()
    assert line.startswith("codespar: ")
    for host in HOSTS:
        assert len(dialect_of(host).refuse(reason).stdout) < 4096


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_over_is_never_denied(host):
    found = read(host, after(host))
    answer = dialect_of(host).answer(found, DENIED)
    assert not denies(host, answer.stdout, answer.code)
