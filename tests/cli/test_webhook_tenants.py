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
