"""`webhook send`, `sign` and `doctor` know by a file whose webhook it is."""

import base64
import json
from datetime import UTC, datetime

import pytest
from webhook_inbox_kit import GITHUB, SECRETS, answered, codespar, configure, linear_issue, listening

from codespar_cli.plugins.integrations.github import GitHub
from codespar_cli.plugins.integrations.linear import Linear

DATADOG = b'{"id": "1", "title": "[Triggered] cpu", "event_type": "metric_alert_monitor", "body": "b"}'
FILES = {"github": GITHUB, "linear": linear_issue(datetime.now(UTC)), "datadog": DATADOG}


@pytest.fixture(autouse=True)
def state(newcomer, monkeypatch):
    for name, raw in FILES.items():
        (newcomer / f"{name}.json").write_bytes(raw)
    return configure(newcomer, monkeypatch)


@pytest.mark.parametrize("provider", FILES)
def test_a_body_is_sent_as_by_the_provider_whose_shape_it_has(provider, capsysbinary):
    header = {"github": "x-hub-signature-256", "linear": "linear-signature", "datadog": "x-codespar-token"}[provider]
    with listening() as (url, got):
        code, out, _ = codespar(capsysbinary, "webhook", "send", f"{provider}.json", "--to", url, "--allow-private")
    assert (code, out) == (0, b"200\n")
    assert header in got[0][1]


@pytest.mark.parametrize("kind", [GitHub, Linear])
def test_sign_tells_it_by_the_shape(kind, capsysbinary):
    code, out, _ = codespar(capsysbinary, "webhook", "sign", f"{kind.id}.json")
    secret = SECRETS[f"{kind.id.upper()}_WEBHOOK_SECRET"]
    assert (code, out.decode()) == (0, f"{kind.wire.signature_header}: {kind().sign(FILES[kind.id], secret)}\n")


@pytest.mark.parametrize("form", ["body", "body_b64"])
@pytest.mark.parametrize("told_by", ["provider", "header"])
def test_a_record_is_sent_as_what_it_records(newcomer, form, told_by, capsysbinary):
    raw = b'{"zen": "x"}\n'  # has no shape of its own
    record = {"headers": {"X-GitHub-Event": "ping"} if told_by == "header" else {}}
    record |= {"provider": "github"} if told_by == "provider" else {}
    record[form] = raw.decode() if form == "body" else base64.b64encode(raw).decode()
    (newcomer / "record.json").write_text(json.dumps(record))
    with listening() as (url, got):
        code, *_ = codespar(capsysbinary, "webhook", "send", "record.json", "--to", url, "--allow-private")
    [(_, headers, sent)] = got
    assert (code, sent) == (0, raw)
    assert GitHub().verify_signature(raw, headers["x-hub-signature-256"], SECRETS["GITHUB_WEBHOOK_SECRET"])
    assert headers.get("x-github-event") == ("ping" if told_by == "header" else None)


@pytest.mark.parametrize("raw", [b"{}", b"\xff\xfe\x00", b"", b"[1]", b'{"a": {"body": 1}}', b"{"])
def test_what_has_no_shape_needs_a_name(newcomer, raw, capsysbinary):
    (newcomer / "odd").write_bytes(raw)
    for verb in (("sign", "odd"), ("send", "odd", "--to", "https://192.0.2.1")):
        code, out, err = codespar(capsysbinary, "webhook", *verb)
        assert (code, out) == (2, b"")
        assert "nothing in it says whose webhook it is, active: `github`, `linear`, `datadog`" in err
        assert "hint: --provider NAME" in err
    code, out, _ = codespar(capsysbinary, "webhook", "sign", "odd", "--provider", "github")
    assert (code, out.decode().split()[-1]) == (0, GitHub().sign(raw, SECRETS["GITHUB_WEBHOOK_SECRET"]))


def test_a_record_without_the_bytes_is_told(newcomer, capsysbinary):
    (newcomer / "r.json").write_text(json.dumps({"headers": {}, "provider": "github", "body": {"zen": "x"}}))
    code, _, err = codespar(capsysbinary, "webhook", "sign", "r.json")
    assert (code, "the bytes to be signed are gone" in err, "hint: record the raw body" in err) == (2, True, True)


def test_a_record_that_is_none_is_not_guessed_at(newcomer, capsysbinary):
    (newcomer / "r.json").write_text(json.dumps({"provider": "github", "body": "{}", "boddy": 1}))
    code, out, err = codespar(capsysbinary, "webhook", "sign", "r.json")
    assert (code, out, "unknown key `boddy`, did you mean `body`?" in err) == (2, b"", True)


def test_a_provider_that_is_not_active_is_told_before_stdin_is_read(capsysbinary):
    code, _, err = codespar(capsysbinary, "webhook", "sign", "-", "--provider", "githb")
    assert (code, "did you mean `github`" in err) == (2, True)


@pytest.mark.parametrize("provider", FILES)
def test_the_doctor_tells_it_by_the_shape(provider, capsysbinary):
    code, [found], _ = answered(capsysbinary, "webhook", "doctor", f"{provider}.json")
    assert (code, found["provider"]) == (5, provider)
    assert [finding["cause"] for finding in found["findings"]] == ["header_missing"]
