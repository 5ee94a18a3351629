"""Replay from the inbox: what is chosen, what would change, what is sent elsewhere, what is dispatched again."""

import json
import re
from datetime import timedelta

import pytest
from webhook_inbox_kit import (
    GITHUB,
    NOON,
    SECRETS,
    answered,
    codespar,
    configure,
    fill,
    github_headers,
    linear_headers,
    linear_issue,
    listening,
    numbered,
)

from codespar_cli.net.standard_webhooks import key_of
from codespar_cli.net.standard_webhooks import sign as sign_standard
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.webhooks.inbox.delivery import Arrival
from codespar_cli.webhooks.inbox.sqlite_inbox import SqliteInbox

ROW = ["source", "provider", "event_type", "severity", "title", "detail", "url", "delivery_id", "handled", "error"]
WHSEC = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def state(newcomer, monkeypatch):
    return configure(newcomer, monkeypatch)


@pytest.fixture
def three(state):
    """Two of GitHub's, ten minutes apart, and one of Linear's."""
    raw = linear_issue()
    return fill(
        state,
        [
            ("github", numbered(0), github_headers(0, numbered(0)), 0),
            ("github", numbered(1), github_headers(1, numbered(1)), 10),
            ("linear", raw, linear_headers(raw, 1), 20),
        ],
    )


def sources(rows):
    return [row["source"] for row in rows]


def tasks(state, number):
    store = SqliteInbox(state)
    try:
        return [task[:2] for task in store.tasks_of(number)]
    finally:
        store.close()


# ── which ──


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (("--last", "2"), [1, 2]),
        (("--provider", "linear"), [2]),
        (("--event", "workflow_run.*"), [0, 1]),
        (("--event", "workflow_run"), []),
        (("--status", "dispatched"), [0, 1, 2]),
        (("--status", "dead"), []),
        (("--since", (NOON + timedelta(minutes=10)).isoformat()), [1, 2]),
        (("--until", (NOON + timedelta(minutes=10)).isoformat()), [0]),
        (("--since", "3650d", "--provider", "github", "--last", "1"), [1]),
    ],
)
def test_deliveries_are_chosen_by_what_is_known_of_them(options, places, three, capsysbinary):
    code, rows, _ = answered(capsysbinary, "webhook", "replay", *options)
    assert sources(rows) == [f"inbox:{three[place]}" for place in places]
    assert code == (0 if places else 6)
    assert all(list(row) == ROW and row["handled"] for row in rows)


def test_ids_are_chosen_each(three, capsysbinary):
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--id", three[2], "--id", three[0])
    assert (code, sources(rows)) == (0, [f"inbox:{three[0]}", f"inbox:{three[2]}"])
    assert (rows[1]["event_type"], rows[1]["delivery_id"]) == ("issue.create", "l-1")
    code, out, err = codespar(capsysbinary, "webhook", "replay", "--id", three[0], "--id", "99")
    assert (code, out) == (6, b"")
    assert "no delivery 99" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "codespar webhook replay --last 10"),
        (("payload.json", "--last", "1"), "--last: expected files or deliveries"),
        (("payload.json", "--dispatch"), "--dispatch: expected deliveries of the inbox"),
        (("--last", "1", "--sign-with", "env:X"), "--sign-with: expected --to"),
        (("--last", "1", "--dispatch", "--to", "https://x.example"), "--dispatch: expected no --to"),
        (("--provider", "gihub"), "did you mean `github`"),
    ],
)
def test_options_that_make_no_sense_together(arguments, words, state, capsysbinary):
    code, _, err = codespar(capsysbinary, "webhook", "replay", *arguments)
    assert (code, words in err) == (2, True)


def test_verification_works_for_what_was_kept_whatever_its_age(three, capsysbinary, monkeypatch):
    assert codespar(capsysbinary, "webhook", "replay", "--last", "3", "--verify")[0] == 0
    monkeypatch.setenv("LINEAR_WEBHOOK_SECRET", "another")
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--last", "3", "--verify")
    assert (code, [row["handled"] for row in rows]) == (5, [True, True, False])


def test_a_replay_has_no_second_effect(three, state, capsysbinary):
    before = {path.name: path.read_bytes() for path in state.glob("inbox.db")}
    listed = answered(capsysbinary, "webhook", "list")[1]
    for more in ((), ("--dry-run",), ("--diff",), ("--verify",), ("--dry-run", "--dispatch")):
        assert codespar(capsysbinary, "webhook", "replay", "--last", "3", *more)[0] == 0
    assert answered(capsysbinary, "webhook", "list")[1] == listed
    assert {path.name: path.read_bytes() for path in state.glob("inbox.db")} == before


# ── dry run and diff ──


def test_a_dry_run_runs_no_handler_and_asks_no_target(three, capsysbinary):
    with listening() as (url, got):
        code, rows, _ = answered(
            capsysbinary, "webhook", "replay", "--last", "3", "--dry-run", "--to", url, "--allow-private"
        )
    assert (code, len(rows), got) == (0, 3, [])
    assert not any(row["handled"] for row in rows)
    _, out, err = codespar(capsysbinary, "webhook", "replay", "--last", "3", "--dry-run")
    assert out.count(b"would be replayed") == 3
    assert err == "3 payloads: 3 would replay\n"


def test_what_did_not_change_differs_in_nothing(three, capsysbinary):
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--last", "3", "--diff")
    assert (code, [row["changed"] for row in rows]) == (0, [{}, {}, {}])


def test_a_difference_is_told_by_field_and_is_exit_1(three, newcomer, capsysbinary):
    with (newcomer / "plugins.toml").open("a") as file:
        file.write("[integrations.linear.severity]\nurgent = 'info'\n")
    code, rows, err = answered(capsysbinary, "webhook", "replay", "--last", "3", "--diff")
    assert code == 1
    assert [row["changed"] for row in rows] == [{}, {}, {"severity": {"was": "critical", "would_be": "info"}}]
    assert json.loads(err)["error"]["code"] == "replay_differs"
    _, out, err = codespar(capsysbinary, "webhook", "replay", "--last", "3", "--diff")
    assert re.search(rb"inbox:3 +would change +severity +critical -> info\n", out)
    assert "3 payloads: 3 handled, 1 would change" in err


def test_a_record_in_a_file_is_compared_by_what_it_says(newcomer, state, capsysbinary):
    record = {"headers": dict(github_headers(1)), "body": GITHUB.decode()}
    (newcomer / "same.json").write_text(json.dumps({**record, "event_type": "workflow_run.completed"}))
    (newcomer / "other.json").write_text(json.dumps({**record, "event": {"severity": "info", "url": None}}))
    (newcomer / "silent.json").write_text(json.dumps(record))
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "same.json", "silent.json", "--diff")
    assert (code, [row["changed"] for row in rows]) == (0, [{}, None])
    code, [row], _ = answered(capsysbinary, "webhook", "replay", "other.json", "--diff")
    assert (code, set(row["changed"])) == (1, {"severity", "url"})


# ── to another address ──


def test_the_original_bytes_arrive_with_the_headers_worth_sending(three, capsysbinary):
    with listening() as (url, got):
        code, rows, _ = answered(
            capsysbinary, "webhook", "replay", "--last", "3", "--to", f"{url}/in?a=1", "--allow-private"
        )
    assert (code, [row["answered"] for row in rows]) == (0, [200, 200, 200])
    assert [body for _, _, body in got] == [numbered(0), numbered(1), linear_issue()]
    path, headers, _ = got[0]
    assert path == "/in?a=1"
    assert headers["x-github-event"] == "workflow_run"
    assert headers["x-hub-signature-256"] == dict(github_headers(0, numbered(0)))["x-hub-signature-256"]


def test_credentials_of_a_record_stay_here(newcomer, state, capsysbinary):
    headers = {**dict(github_headers(1)), "Authorization": "Bearer x", "Cookie": "c=1", "X-GitHub-Token": "t"}
    (newcomer / "r.json").write_text(json.dumps({"headers": headers, "body": GITHUB.decode()}))
    with listening() as (url, got):
        assert codespar(capsysbinary, "webhook", "replay", "r.json", "--to", url, "--allow-private")[0] == 0
    assert {"authorization", "cookie", "x-github-token"} & set(got[0][1]) == set()


def test_it_is_signed_anew_in_the_providers_own_way(three, capsysbinary, monkeypatch):
    monkeypatch.setenv("OTHER", "the-targets-own")
    with listening() as (url, got):
        code, _, err = codespar(
            capsysbinary, "webhook", "replay", "--last", "3", "--to", url, "--allow-private", "--sign-with", "env:OTHER"
        )
    assert (code, "3 taken by the target" in err) == (0, True)
    _, headers, body = got[0]
    assert body == numbered(0)
    assert GitHub().verify_signature(body, headers["x-hub-signature-256"], "the-targets-own")
    _, headers, body = got[2]
    assert Linear().verify_signature(body, headers["linear-signature"], "the-targets-own")
    before, after = json.loads(linear_issue()), json.loads(body)
    assert after["webhookTimestamp"] != before["webhookTimestamp"]
    assert {**after, "webhookTimestamp": 0} == {**before, "webhookTimestamp": 0}
    assert len(body) == len(linear_issue())


def test_a_secret_of_standard_webhooks_signs_as_they_do(three, capsysbinary, monkeypatch):
    monkeypatch.setenv("OTHER", WHSEC)
    with listening() as (url, got):
        arguments = ("--id", three[0], "--to", url, "--allow-private", "--sign-with", "env:OTHER")
        assert codespar(capsysbinary, "webhook", "replay", *arguments)[0] == 0
    _, headers, body = got[0]
    assert headers["webhook-id"] == "d-0"
    assert headers["webhook-signature"] == sign_standard(key_of(WHSEC), "d-0", int(headers["webhook-timestamp"]), body)


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_target_that_does_not_take_it_is_exit_1(status, three, capsysbinary):
    with (
        listening() as (elsewhere, never),
        listening(status, headers=[("location", elsewhere)]) as (url, got),
    ):
        code, rows, _ = answered(capsysbinary, "webhook", "replay", "--last", "2", "--to", url, "--allow-private")
    assert (code, len(got), never) == (1, 2, [])
    assert [(row["answered"], row["error"]) for row in rows] == [(status, f"the target answered {status}")] * 2


def test_a_target_that_is_not_there_is_exit_1(three, capsysbinary):
    with listening() as (url, _):
        pass
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--last", "1", "--to", url, "--allow-private")
    assert (code, rows[0]["answered"]) == (1, None)
    assert "connection refused" in rows[0]["error"]


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("http://127.0.0.1:9", ()),
        ("http://localhost:9", ()),
        ("http://10.0.0.1", ()),
        ("http://[::ffff:127.0.0.1]:9", ()),
        ("http://169.254.169.254/latest", ("--allow-private",)),
        ("http://[fe80::1]", ("--allow-private",)),
        ("ftp://example.org", ()),
        ("https://user:pass@example.org", ()),
        ("no url", ()),
    ],
)
def test_a_target_that_may_not_be_reached_is_refused_before_anything(url, more, three, capsysbinary):
    code, out, err = codespar(capsysbinary, "webhook", "replay", "--last", "1", "--to", url, *more)
    assert (code, out) == (2, b"")
    assert "--to: " in err
    assert "user:pass" not in err


def test_a_value_in_place_of_a_reference_is_refused_and_not_repeated(three, capsysbinary):
    code, out, err = codespar(
        capsysbinary, "webhook", "replay", "--last", "1", "--to", "https://1.1.1.1", "--sign-with", "my-own-value"
    )
    assert (code, out) == (2, b"")
    assert "my-own-value" not in err


# ── dispatched again ──


def test_dispatch_makes_tasks_for_the_routes_that_want_it(three, state, capsysbinary):
    assert [tasks(state, number) for number in three] == [[], [], []]
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--id", three[0], "--id", three[2], "--dispatch")
    assert (code, [row["routes"] for row in rows]) == (0, [["all-errors"], ["all-errors", "linear-only"]])
    assert [tasks(state, number) for number in three] == [
        [("all-errors", "waiting")],
        [],
        [("all-errors", "waiting"), ("linear-only", "waiting")],
    ]
    statuses = {row["id"]: row["status"] for row in answered(capsysbinary, "webhook", "list")[1]}
    assert statuses == {three[0]: "received", three[1]: "dispatched", three[2]: "received"}


def test_a_suspected_replay_is_dispatched_once_somebody_vouches_for_it(three, state, capsysbinary):
    store = SqliteInbox(state)
    [accepted] = store.accept([Arrival("default", "github", "forged", numbered(0), github_headers("x"), NOON)])
    store.close()
    assert accepted.verdict == "suspected_replay"
    assert codespar(capsysbinary, "webhook", "replay", "--id", accepted.id)[0] == 0
    assert tasks(state, accepted.id) == []
    code, [row], _ = answered(capsysbinary, "webhook", "replay", "--status", "suspected_replay", "--dispatch")
    assert (code, row["routes"]) == (0, ["all-errors"])
    assert tasks(state, accepted.id) == [("all-errors", "waiting")]


def test_no_route_is_no_task(three, newcomer, state, capsysbinary):
    text = (newcomer / "plugins.toml").read_text()
    (newcomer / "plugins.toml").write_text(text.partition("[[routes]]")[0])
    code, rows, _ = answered(capsysbinary, "webhook", "replay", "--last", "3", "--dispatch")
    assert (code, [row["routes"] for row in rows]) == (0, [[], [], []])
    assert [tasks(state, number) for number in three] == [[], [], []]


# ── many ──


def test_a_table_is_drawn_anew_every_thousand(newcomer, state, capsysbinary):
    (newcomer / "many.ndjson").write_text('{"none": 1}\n' * 2000 + GITHUB.decode().replace("\n", "") + "\n")
    code, out, err = codespar(capsysbinary, "webhook", "replay", "many.ndjson")
    assert (code, err) == (0, "2001 payloads: 1 handled, 2000 ignored\n")
    assert out.count(b"SOURCE") == 3
    assert out.count(b"\n") == 2001 + 3


def test_the_doctor_looks_into_the_inbox(three, capsysbinary, monkeypatch):
    assert codespar(capsysbinary, "webhook", "doctor", "--id", three[2])[0] == 0
    monkeypatch.setenv("LINEAR_WEBHOOK_SECRET", "new")
    monkeypatch.setenv("DATADOG_TOKEN", SECRETS["LINEAR_WEBHOOK_SECRET"])
    code, [found], _ = answered(capsysbinary, "webhook", "doctor", "--id", three[2])
    assert (code, found["genuine"], found["provider"]) == (5, False, "linear")
    assert [finding["cause"] for finding in found["findings"]] == ["other_secret"]
    assert "`datadog`" in found["findings"][0]["message"]
