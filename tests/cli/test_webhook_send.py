"""`webhook send` and `sign`: what arrives is what the provider's own connector takes for genuine."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from webhook_inbox_kit import GITHUB, NOON, SECRETS, answered, codespar, configure, linear_issue, listening

from codespar_cli.core.headers import Headers
from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.linear import Linear
from codespar_cli.webhooks.authenticity import staleness
from codespar_cli.webhooks.payload import payload_of

SENTRY = json.dumps({"action": "created", "installation": {"uuid": "u"}, "data": {"issue": {"id": "1", "title": "t"}}})
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(autouse=True)
def state(newcomer, monkeypatch):
    (newcomer / "body.json").write_bytes(GITHUB)
    return configure(newcomer, monkeypatch)


def send(capsysbinary, url, *arguments):
    return codespar(capsysbinary, "webhook", "send", *arguments, "--to", url, "--allow-private")


def test_githubs_delivery_is_as_github_sends_it(capsysbinary):
    with listening(202) as (url, got):
        assert send(capsysbinary, url, "body.json", "--provider", "github") == (0, b"202\n", "")
        assert send(capsysbinary, url, "body.json", "--provider", "github", "--event", "ping")[0] == 0
    (_, first, body), (_, second, _) = got
    assert body == GITHUB
    assert GitHub().verify_signature(body, first["x-hub-signature-256"], SECRETS["GITHUB_WEBHOOK_SECRET"])
    assert (first["x-github-event"], second["x-github-event"]) == ("workflow_run", "ping")
    assert first["content-type"] == "application/json"
    assert UUID.fullmatch(first["x-github-delivery"])
    assert first["x-github-delivery"] != second["x-github-delivery"]


def test_linears_is_within_its_window_whenever_the_body_is_from(newcomer, capsysbinary):
    old = linear_issue(NOON - timedelta(days=400))
    (newcomer / "linear.json").write_bytes(old)
    with listening() as (url, got):
        code, _, err = send(capsysbinary, url, "linear.json", "--provider", "linear")
    assert (code, err) == (0, "the time of sending inside the body was renewed\n")
    _, headers, body = got[0]
    assert Linear().verify_signature(body, headers["linear-signature"], SECRETS["LINEAR_WEBHOOK_SECRET"])
    payload = payload_of("x", body.decode())
    assert staleness(Linear(), payload.value, Headers(headers), datetime.now(UTC)) is None
    assert len(body) == len(old)


def test_datadogs_has_its_token(newcomer, capsysbinary):
    (newcomer / "dd.json").write_text('{"id": "1", "title": "[Triggered] x", "event_type": "e", "date": "1"}')
    with listening() as (url, got):
        assert send(capsysbinary, url, "dd.json", "--provider", "datadog")[0] == 0
    assert got[0][1]["x-codespar-token"] == SECRETS["DATADOG_TOKEN"]


def test_a_form_is_sent_as_a_form(newcomer, capsysbinary):
    (newcomer / "form").write_text("payload=%7B%22zen%22%3A%22x%22%7D")
    with listening() as (url, got):
        assert send(capsysbinary, url, "form", "--provider", "github", "--event", "ping")[0] == 0
    assert got[0][1]["content-type"] == "application/x-www-form-urlencoded"


def test_the_header_of_sentry_and_its_seconds(newcomer, monkeypatch, capsysbinary):
    monkeypatch.setenv("S", "sentrys")
    (newcomer / "plugins.toml").write_text(
        '[integrations]\nactive = ["sentry"]\n[integrations.sentry]\nsecret = "env:S"\n'
    )
    (newcomer / "s.json").write_text(SENTRY)
    with listening() as (url, got):
        assert send(capsysbinary, url, "s.json", "--provider", "sentry")[0] == 0
    headers = got[0][1]
    assert headers["sentry-hook-resource"] == "issue"
    assert abs(int(headers["sentry-hook-timestamp"]) - datetime.now(UTC).timestamp()) < 60


@pytest.mark.parametrize("status", [301, 401, 503])
def test_an_answer_that_is_not_2xx_is_printed_and_exit_1(status, capsysbinary):
    with listening(status) as (url, _):
        code, out, err = send(capsysbinary, url, "body.json", "--provider", "github")
    assert (code, out) == (1, f"{status}\n".encode())
    assert f"answered {status}" in err


def test_nobody_there_is_exit_1(capsysbinary):
    with listening() as (url, _):
        pass
    code, out, err = send(capsysbinary, url, "body.json", "--provider", "github")
    assert (code, out) == (1, b"")
    assert "cannot be reached: connection refused" in err


def test_a_private_target_needs_to_be_asked_for(capsysbinary):
    with listening() as (url, got):
        code, _, err = codespar(capsysbinary, "webhook", "send", "body.json", "--to", url, "--provider", "github")
    assert (code, got) == (2, [])
    assert "`127.0.0.1` is a loopback address" in err
    assert "--allow-private" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nope.json", "--provider", "github"), 6),
        (("body.json", "--provider", "nobody"), 2),
        (("body.json", "--provider", "linear"), 2),
        (("body.json", "--provider", "github", "--event", "a\r\nX-Injected: 1"), 2),
    ],
)
def test_a_file_a_provider_or_a_time_that_is_missing(arguments, code, capsysbinary):
    with listening() as (url, got):
        assert send(capsysbinary, url, *arguments)[0] == code
    assert got == []


def test_sign_says_no_for_a_provider_that_signs_nothing(capsysbinary):
    code, _, err = codespar(capsysbinary, "webhook", "sign", "body.json", "--provider", "datadog")
    assert (code, "does not sign" in err) == (2, True)


def test_what_sign_prints_makes_the_doctor_happy(newcomer, capsysbinary):
    header = codespar(capsysbinary, "webhook", "sign", "body.json", "--provider", "github")[1].decode().strip()
    assert codespar(capsysbinary, "webhook", "doctor", "body.json", "--header", header)[0] == 0
    (newcomer / "other.json").write_bytes(json.dumps(json.loads(GITHUB)).encode())
    code, [found], err = answered(capsysbinary, "webhook", "doctor", "other.json", "--header", header)
    assert (code, found["genuine"]) == (5, False)
    # The file is indented and ends with a newline, what `json` wrote is neither.
    assert [list(finding) for finding in found["findings"]] == [["cause", "message", "fix"]] * 2
    assert [finding["cause"] for finding in found["findings"]] == ["body_rewritten", "trailing_newline_missing"]
    assert json.loads(err)["error"]["code"] == "bad_signature"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), 2), (("body.json", "--id", "1"), 2), (("nope",), 6), ((".",), 5), (("--id", "5"), 6)],
)
def test_the_doctor_needs_one_thing_to_look_at(arguments, code, capsysbinary):
    assert codespar(capsysbinary, "webhook", "doctor", *arguments)[0] == code
