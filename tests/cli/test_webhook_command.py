import hashlib
import hmac
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from codespar_cli.plugins.integrations.github import GitHub

ROOT = Path(__file__).parents[2]
PAYLOAD = ROOT / "payload.json"
CONFIG = """
version = 1
[integrations]
active = ["github", "sentry"]
[integrations.github]
secret = "env:GITHUB_WEBHOOK_SECRET"
"""
ROW = ["source", "provider", "event_type", "severity", "title", "detail", "url", "delivery_id", "handled", "error"]


@pytest.fixture(autouse=True)
def configured(newcomer, monkeypatch):
    (newcomer / "plugins.toml").write_text(CONFIG)
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "s3cret")


def codespar(*arguments, stdin=b"", env=None):
    result = subprocess.run(
        [sys.executable, "-m", "codespar_cli", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )
    assert b"Traceback" not in result.stderr
    return result.returncode, result.stdout.decode(), result.stderr.decode()


def rows(*arguments, **more):
    code, out, err = codespar("webhook", "replay", *arguments, "-o", "json", **more)
    return code, json.loads(out), err


def test_the_command_of_the_readme():
    code, out, err = codespar("webhook", "replay", PAYLOAD)
    assert code == 0
    assert "workflow_run.completed" in out
    assert "CI failure on main" in out
    assert err == "1 payload: 1 handled\n"


def test_it_works_without_any_configuration(newcomer):
    (newcomer / "plugins.toml").unlink()
    assert codespar("webhook", "replay", PAYLOAD)[0] == 0


def test_json_is_one_list_with_stable_keys():
    code, [handled, ignored], _ = rows(PAYLOAD, "-", stdin=b'{"not": "known"}')
    assert code == 0
    assert list(handled) == list(ignored) == ROW
    assert (handled["provider"], handled["severity"], handled["handled"]) == ("github", "error", True)
    assert handled["url"] == "https://github.com/octo-org/payments/actions/runs/17402958331"
    assert (ignored["source"], ignored["handled"], ignored["event_type"], ignored["error"]) == ("-", False, None, None)


def test_a_good_signature_from_the_command_line():
    signature = GitHub().sign(PAYLOAD.read_bytes(), "s3cret")
    code, [row], _ = rows(PAYLOAD, "--verify", "--header", f"X-Hub-Signature-256: {signature}")
    assert (code, row["handled"]) == (0, True)


def test_a_bad_signature_decides_whatever_else_there_is(tmp_path):
    good = {"headers": {"X-GitHub-Event": "workflow_run"}, "body": PAYLOAD.read_text()}
    good["headers"]["X-Hub-Signature-256"] = GitHub().sign(PAYLOAD.read_bytes(), "s3cret")
    bad = json.loads(json.dumps(good))
    bad["headers"]["X-Hub-Signature-256"] = GitHub().sign(PAYLOAD.read_bytes(), "wrong")
    (tmp_path / "records.json").write_text(json.dumps([good, bad, 5]))
    code, outcomes, err = rows(tmp_path / "records.json", "missing.json", "--verify")
    assert code == 5
    assert [row["handled"] for row in outcomes] == [True, False, False, False]
    assert json.loads(err)["error"]["code"] == "bad_signature"
    assert "s3cret" not in err


def test_a_missing_file_is_not_found():
    code, _, err = codespar("webhook", "replay", "nope.json")
    assert code == 6
    assert "error: no such file: `nope.json`" in err
    assert codespar("webhook", "replay", "nope.json", PAYLOAD)[0] == 6


def test_nothing_taken_is_not_found():
    assert rows("-", stdin=b"{}")[0] == 6
    assert rows("-", stdin=b"[]")[:2] == (6, [])
    assert rows("-", stdin=b"")[0] == 6
    assert rows("-", stdin=b"{broken")[0] == 6


def test_an_unknown_provider_is_a_usage_error_with_the_nearest():
    code, _, err = codespar("webhook", "replay", PAYLOAD, "--provider", "gihub")
    assert code == 2
    assert "hint: did you mean `github`?" in err


@pytest.mark.parametrize("header", ["X-No-Colon", ": value", ""])
def test_a_header_that_is_none_is_a_usage_error(header):
    code, _, err = codespar("webhook", "replay", PAYLOAD, "--header", header)
    assert code == 2
    assert "NAME:VALUE" in err


def test_an_unset_secret_verifies_nothing():
    signature = "sha256=" + hmac.new(b"", PAYLOAD.read_bytes(), hashlib.sha256).hexdigest()
    for value in ("", "  "):
        code, [row], _ = rows(
            PAYLOAD, "--verify", "--header", f"X-Hub-Signature-256: {signature}", env={"GITHUB_WEBHOOK_SECRET": value}
        )
        assert (code, row["handled"]) == (5, False)


def test_what_sign_prints_is_what_verify_wants():
    code, header, _ = codespar("webhook", "sign", PAYLOAD, "--provider", "github")
    assert code == 0
    assert rows(PAYLOAD, "--verify", "--header", header.strip())[0] == 0
    again = codespar("webhook", "sign", "-", "--provider", "github", stdin=PAYLOAD.read_bytes())
    assert again[1] == header


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nope.json", "--provider", "github"), 6),
        ((PAYLOAD, "--provider", "nobody"), 2),
        ((PAYLOAD, "--provider", "sentry"), 2),
        ((".", "--provider", "github"), 1),
    ],
)
def test_sign_without_a_body_a_provider_or_a_secret(arguments, code):
    assert codespar("webhook", "sign", *arguments)[0] == code


def test_hostile_titles_do_not_reach_the_terminal():
    payload = json.loads(PAYLOAD.read_text())
    payload["workflow_run"]["display_title"] = "\x1b[2J\u202e[red]x[/nope]\nsecond line"
    _, out, err = codespar("webhook", "replay", "-", stdin=json.dumps(payload).encode())
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
    assert "[red]x[/nope] second line" in out
    assert out.count("\n") == 2


def test_hostile_names_of_files_do_not_reach_the_terminal(tmp_path):
    name = tmp_path / "a\x1b[31m\nb.json"
    name.write_bytes(PAYLOAD.read_bytes())
    _, out, err = codespar("webhook", "replay", name)
    assert "\x1b" not in out + err


def test_a_reader_that_goes_away_is_no_traceback():
    process = subprocess.Popen(
        [sys.executable, "-m", "codespar_cli", "webhook", "replay", str(PAYLOAD), "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait(timeout=30)
    process.stderr.close()


def test_replaying_imports_no_store_and_no_crypto():
    code = (
        "import sys; sys.argv = ['codespar', 'webhook', 'replay', sys.argv[1]]\n"
        "from codespar_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, sep='\\n')"
    )
    out = subprocess.run([sys.executable, "-c", code, str(PAYLOAD)], capture_output=True, text=True, timeout=60).stdout
    modules = set(io.StringIO(out).read().split("\n"))
    assert "codespar_cli.plugins.integrations.github" in modules
    assert modules & {"apsw", "cryptography", "yaml", "rich", "codespar_cli.plugins.secrets.vault"} == set()
