"""`webhook list` and `show`, and what `doctor` and `plugins status` say of the inbox."""

import json
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webhook_inbox_kit import (
    GITHUB,
    NOON,
    answered,
    codespar,
    configure,
    fill,
    github_headers,
    linear_headers,
    linear_issue,
    told,
)

from codespar_cli.core.globs import matches
from codespar_cli.webhooks.inbox.delivery import STATUSES, Arrival, Task
from codespar_cli.webhooks.inbox.postgres_inbox import PostgresInbox
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

KEYS = [
    "id",
    "provider",
    "tenant",
    "delivery_id",
    "event_type",
    "severity",
    "title",
    "url",
    "status",
    "received_at",
    "attempts",
    "verified",
]


@pytest.fixture
def state(newcomer, monkeypatch):
    return configure(newcomer, monkeypatch)


def dead_letter(state, number=1):
    """A delivery whose route was given up, after an error with a hostile text."""
    store = SqliteInbox(state)
    try:
        [accepted] = store.accept([Arrival("default", "github", f"dead-{number}", b"{%d}" % number, (), NOON)])
        store.read(accepted.id, told(), ("agent",), at=NOON)
        [task] = store.claim("me", ("agent",), 1, now=NOON, lease=timedelta(seconds=9))
        store.failed(Task(*task), "answered 500 \x1b[31m", again_at=None)
        return accepted.id
    finally:
        store.close()


def test_an_inbox_that_was_never_made_is_empty_and_stays_unmade(state, capsysbinary):
    assert answered(capsysbinary, "webhook", "list")[:2] == (0, [])
    code, out, err = codespar(capsysbinary, "webhook", "list")
    assert (code, out, err) == (0, b"", "the inbox has no delivery like that\n")
    assert codespar(capsysbinary, "webhook", "show", "1")[0] == 6
    assert not state.exists()


def test_json_has_exactly_the_keys_of_the_design(state, capsysbinary):
    [number] = fill(state, [("github", GITHUB, github_headers(1), 0)])
    code, [row], _ = answered(capsysbinary, "webhook", "list")
    assert code == 0
    assert list(row) == KEYS
    assert row | {"title": ""} == {
        "id": number,
        "provider": "github",
        "tenant": "default",
        "delivery_id": "d-1",
        "event_type": "workflow_run.completed",
        "severity": "error",
        "title": "",
        "url": "https://github.com/octo-org/payments/actions/runs/17402958331",
        "status": "dispatched",
        "received_at": "2026-11-23T12:00:00.000000Z",
        "attempts": 0,
        "verified": True,
    }
    code, out, _ = codespar(capsysbinary, "webhook", "list", "-o", "jsonl")
    assert [json.loads(line) for line in out.splitlines()] == [row]


def test_dead_letters_are_listed_and_told_everywhere(state, capsysbinary):
    fill(state, [("github", GITHUB, github_headers(1), 0)])
    assert "no dead letters" in codespar(capsysbinary, "doctor")[1].decode()
    number = dead_letter(state)
    code, [row], _ = answered(capsysbinary, "webhook", "list", "--status", "dead")
    assert (code, row["id"], row["attempts"]) == (0, number, 1)
    code, found, _ = answered(capsysbinary, "doctor")
    [finding] = [each for each in found if each["check"] == "inbox"]
    assert finding == {
        "check": "inbox",
        "status": "warning",
        "message": "1 dead letter",
        "fix": "codespar webhook list --status dead",
    }
    assert "inbox: 1 dead letter, see: codespar webhook list" in codespar(capsysbinary, "plugins", "status")[2]
    shown = codespar(capsysbinary, "webhook", "show", number)[1]
    assert b"agent: dead, 1 attempt, answered 500 \\x1b[31m" in shown
    assert b"\x1b" not in shown


def test_a_broken_inbox_is_an_error_of_the_doctor(state, capsysbinary):
    fill(state, [("github", GITHUB, github_headers(1), 0)])
    for file in state.glob("inbox.db*"):  # the log beside it would mend it
        file.unlink()
    (state / "inbox.db").write_bytes(b"no database at all" * 500)
    (state / "inbox.db").chmod(0o600)
    code, found, _ = answered(capsysbinary, "doctor")
    assert code == 1
    assert [each["status"] for each in found if each["check"] == "inbox"] == ["error"]
    assert codespar(capsysbinary, "webhook", "list")[0] == 5


def test_one_delivery_is_shown_without_what_would_make_it_again(state, capsysbinary):
    raw = linear_issue()
    [number] = fill(state, [("linear", raw, linear_headers(raw, 1), 0)])
    code, shown, _ = answered(capsysbinary, "webhook", "show", number)
    assert code == 0
    assert [key for key in shown if key in KEYS] == KEYS
    assert shown["headers"] == [
        ["linear-event", "Issue"],
        ["linear-delivery", "l-1"],
        ["linear-signature", "[redacted]"],
    ]
    assert shown["event"]["event_type"] == "issue.create"
    assert (shown["size"], shown["tasks"], shown["error"]) == (len(raw), [], None)
    text = codespar(capsysbinary, "webhook", "show", number)[1].decode()
    assert "issue.create" in text
    assert "ünder [red]pressure" in text
    assert linear_headers(raw, 1)[2][1] not in text


def test_raw_is_every_byte(state, capsysbinary):
    raw = b'{"a": "\xff\x1b[2J"}\r\n'
    store = SqliteInbox(state)
    [accepted] = store.accept([Arrival("default", "github", None, raw, (), NOON)])
    store.close()
    assert codespar(capsysbinary, "webhook", "show", accepted.id, "--raw")[:2] == (0, raw)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--status", "ded"), 2, "did you mean `dead`"),
        (("--since", "yesterday"), 2, "--since: expected a duration"),
        (("--since", "banana"), 2, "hint: --since 2h means two hours ago"),
        (("--until", "banana"), 2, "hint: --until 2h means two hours ago"),
        (("--until", "1"), 2, "--until"),
        (("--id", "77"), 6, "no delivery 77"),
        (("--last", "0"), 2, "0"),
    ],
)
def test_a_filter_that_is_none_says_so(arguments, code, words, state, capsysbinary):
    fill(state, [("github", GITHUB, github_headers(1), 0)])
    found, _, err = codespar(capsysbinary, "webhook", "list", *arguments)
    assert (found, words in err) == (code, True)


def test_the_help_names_every_status(state, capsysbinary):
    text = " ".join(codespar(capsysbinary, "webhook", "list", "--help")[1].decode().split())
    for status in STATUSES:
        assert status in text


# ── the filters against a list ──

TYPES = ["push", "issue.create", "issue.close", None]
KINDS = list(product(("github", "linear"), TYPES, range(3)))
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "--provider": st.sampled_from(["github", "linear", "sentry"]),
        "--event": st.sampled_from(["push", "issue.*", "*", "nothing.*"]),
        "--status": st.sampled_from(["received", "dispatched", "ignored"]),
        "--since": st.integers(-1, 30).map(lambda minute: (NOON + timedelta(minutes=minute)).isoformat()),
        "--until": st.integers(-1, 30).map(lambda minute: (NOON + timedelta(minutes=minute)).isoformat()),
        "--last": st.integers(1, 30).map(str),
        "--tenant": st.sampled_from(["default", "other"]),
    },
)


@pytest.fixture
def many(state):
    store = SqliteInbox(state)
    for index, (provider, event_type, left) in enumerate(KINDS):
        at = NOON + timedelta(minutes=index)
        tenant = "other" if index % 5 == 0 else "default"
        [accepted] = store.accept([Arrival(tenant, provider, f"m-{index}", b"%d" % index, (), at)])
        if left:
            store.read(accepted.id, None if event_type is None else told(event_type), (), at=at)
    store.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS)
def test_filters_are_what_a_list_would_answer(options, many, capsysbinary):
    everything = answered(capsysbinary, "webhook", "list")[1]
    assert len(everything) == len(KINDS)
    wanted = [
        row
        for row in everything
        if options.get("--provider", row["provider"]) == row["provider"]
        and options.get("--status", row["status"]) == row["status"]
        and options.get("--tenant", row["tenant"]) == row["tenant"]
        and ("--event" not in options or (row["event_type"] and matches(options["--event"], row["event_type"])))
        and ("--since" not in options or row["received_at"][:16] >= options["--since"][:16])
        and ("--until" not in options or row["received_at"][:16] < options["--until"][:16])
    ]
    if "--last" in options:
        wanted = wanted[-int(options["--last"]) :]
    words = [word for pair in options.items() for word in pair]
    assert answered(capsysbinary, "webhook", "list", *words)[:2] == (0, wanted)


def test_an_inbox_on_a_server_is_looked_at_the_same_way(newcomer, state, postgres, capsysbinary):
    url = postgres.new_database()
    text = (newcomer / "plugins.toml").read_text()
    (newcomer / "plugins.toml").write_text(text.replace("[integrations]\n", f'[integrations]\nstore = "{url}"\n', 1))
    assert answered(capsysbinary, "webhook", "list")[:2] == (0, [])
    store = PostgresInbox(url)
    [accepted] = store.accept([Arrival("default", "github", "p-1", GITHUB, github_headers(1), NOON)])
    store.close()
    code, [row], _ = answered(capsysbinary, "webhook", "list", "--provider", "github")
    assert (code, row["delivery_id"], row["status"]) == (0, "p-1", "received")
    assert codespar(capsysbinary, "webhook", "replay", "--id", accepted.id, "--verify")[0] == 0
    assert codespar(capsysbinary, "webhook", "show", accepted.id, "--raw")[:2] == (0, GITHUB)
    assert "inbox" in codespar(capsysbinary, "doctor")[1].decode()
    assert not (state / "inbox.db").exists()
