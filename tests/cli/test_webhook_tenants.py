"""`--tenant` in the webhook tools: a tenant with a table of its own is signed for, and verified, with its own secret."""

import hashlib
import hmac
import json

import pytest
from webhook_inbox_kit import codespar

BODY = json.dumps({"zen": "z", "hook_id": 1, "hook": {"id": 1}, "sender": {"login": "o"}}).encode()
CONFIG = """version = 1
[integrations]
active = ["github"]
[integrations.github]
secret = "env:OURS"
[integrations.tenants.acme.github]
secret = "env:THEIRS"
"""


@pytest.fixture
def signed(newcomer, monkeypatch):
    (newcomer / "plugins.toml").write_text(CONFIG)
    (newcomer / "body.json").write_bytes(BODY)
    monkeypatch.setenv("OURS", "ours")
    monkeypatch.setenv("THEIRS", "theirs")
    return {
        secret: "sha256=" + hmac.new(secret.encode(), BODY, hashlib.sha256).hexdigest() for secret in ("ours", "theirs")
    }


@pytest.mark.parametrize(
    ("tenant", "secret"), [([], "ours"), (["--tenant", "acme"], "theirs"), (["--tenant", "x"], "ours")]
)
def test_a_tenants_own_secret_signs_and_verifies(signed, capsysbinary, tenant, secret):
    code, out, _ = codespar(capsysbinary, *tenant, "webhook", "sign", "body.json", "--provider", "github")
    assert (code, out.decode().split()[-1]) == (0, signed[secret])
    for given in signed:
        header = ["--header", f"X-Hub-Signature-256: {signed[given]}", "--header", "X-GitHub-Event: ping"]
        verified, *_ = codespar(capsysbinary, *tenant, "webhook", "replay", "body.json", "--verify", *header)
        genuine, *_ = codespar(capsysbinary, *tenant, "webhook", "doctor", "body.json", *header)
        assert (verified, genuine) == ((0, 0) if given == secret else (5, 5))


def test_the_providers_own_secret_is_tried_for_a_tenant_that_has_one(signed, capsysbinary):
    header = ["--header", f"X-Hub-Signature-256: {signed['ours']}", "-o", "json"]
    code, out, _ = codespar(capsysbinary, "--tenant", "acme", "webhook", "doctor", "body.json", *header)
    [finding] = json.loads(out)[0]["findings"]
    assert (code, finding["cause"], "tenant" in finding["message"]) == (5, "other_secret", False)
    header[1] = header[1].replace(signed["ours"], signed["theirs"])
    [finding] = json.loads(codespar(capsysbinary, "webhook", "doctor", "body.json", *header)[1])[0]["findings"]
    assert "of the tenant `acme`" in finding["message"]


def test_a_secret_that_is_missing_is_asked_for_in_the_tenants_table(signed, newcomer, capsysbinary):
    (newcomer / "plugins.toml").write_text(CONFIG.replace('secret = "env:THEIRS"', ""))
    header = ["--header", f"X-Hub-Signature-256: {signed['theirs']}", "-o", "json"]
    for tenant, table in ((["--tenant", "acme"], "integrations.tenants.acme.github"), ([], None)):
        out = codespar(capsysbinary, *tenant, "webhook", "doctor", "body.json", *header)[1]
        [finding] = json.loads(out)[0]["findings"]
        assert finding["cause"] == ("no_secret" if table else "unknown_secret")
        assert table is None or (f"`[{table}] secret`" in finding["message"] and f"to [{table}]," in finding["fix"])
