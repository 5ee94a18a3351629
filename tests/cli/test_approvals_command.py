"""`codespar approvals …` as people use it, beside `policy check --reserve` as an agent does."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from codespar_cli.cli.app import run

CODESPAR = (sys.executable, "-m", "codespar_cli")
RULES = """\
version: 1
rules:
  - {id: ask, effect: approve, tools: ["deploy/**"], quorum: 2, approvers: [ann, bob, eve], expires: 1h}
  - {id: solo, effect: approve, tools: [solo], expires: 1h}
  - {id: soon, effect: approve, tools: [soon], expires: 1s}
  - {id: cap, effect: budget, tools: [solo], limit: "1", window: total}
  - {id: all, effect: allow}
"""
TOML = 'version = 1\nstate_dir = "state"\n[policy]\nbackend = "engine"\n'


@pytest.fixture
def project(newcomer):
    (newcomer / "plugins.toml").write_text(TOML)
    (newcomer / "policy.yaml").write_text(RULES)
    return newcomer


@pytest.fixture
def codespar(project, capsys):
    def call(*words):
        code = run(words)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def ask(codespar, *words):
    code, out, _ = codespar("policy", "check", *words, "--reserve", "-o", "json")
    return code, json.loads(out)["approval"]


def test_the_session_of_the_documentation(codespar):
    call = ("policy", "check", "deploy/run", "--agent", "ci", "--args", '{"env": "prod"}', "--reserve")
    code, out, err = codespar(*call)
    token = out.splitlines()[1].removeprefix("approval ")
    assert (code, out) == (4, f"approval required  by rule ask: needs 2 of ann, bob, eve\napproval {token}\n")
    assert err == f"hint: codespar approvals approve {token} --as NAME\n"
    assert codespar(*call)[1] == out
    code, out, _ = codespar("approvals", "approve", token, "--as", "ann", "--reason", "looks right")
    assert (code, out) == (0, f"{token} pending: 2 of ann, bob, eve by rule ask, 1 so far (ann)\n")
    code, out, _ = codespar("approvals", "approve", token.lower(), "--as", "bob")
    assert code == 0
    assert out.startswith(f"{token} approved: this call is allowed once, until 20")
    code, out, _ = codespar(*call, "--approval", token)
    assert (code, out) == (0, f"allowed  by rule all\napproval {token}\n")
    code, other = ask(codespar, *call[2:-1])
    assert (code, other != token) == (4, True)
    assert codespar(*call, "--approval", token)[:2] == (
        3,
        f"denied  approval_invalid by rule ask: approval {token} has been used\n",
    )


def test_a_check_that_only_looks_says_how_to_ask(codespar, project):
    code, out, err = codespar("policy", "check", "deploy/run")
    assert (code, err) == (4, "hint: --reserve asks for the approval\n")
    assert "ap-" not in out
    assert not (project / "state").exists()


def test_list_shows_what_waits_and_all_of_it(codespar):
    assert codespar("approvals", "list") == (0, "", "nothing waits for approval\n")
    assert codespar("approvals", "list", "--all")[2] == "nothing has been asked yet\n"
    assert codespar("approvals", "list", "-o", "json")[:2] == (0, "[]\n")
    _, first = ask(codespar, "deploy/run", "--cost", "5", "--project", "web", "--env", "prod")
    _, second = ask(codespar, "solo", "--agent", "x", "--cost", "1")
    codespar("approvals", "approve", first, "--as", "ann")
    codespar("approvals", "deny", second, "--as", "bob", "--reason", "no")
    (found,) = json.loads(codespar("approvals", "list", "-o", "json")[1])
    asked, ends = datetime.fromisoformat(found.pop("created_at")), found.pop("expires_at")
    over = asked + timedelta(hours=1)
    assert over <= datetime.fromisoformat(ends) < over + timedelta(seconds=1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", ends)
    assert ends in codespar("approvals", "list")[1]
    assert f"  expires at    {ends}\n" in codespar("approvals", "show", first)[1]
    lines = codespar("approvals", "list", "-o", "jsonl")[1].splitlines()
    assert [json.loads(line)["token"] for line in lines] == [first]
    assert found == {
        "token": first, "agent": "cli", "tool": "deploy/run", "status": "pending", "votes": 1, "quorum": 2,
        "cost": "5", "project": "web", "environment": "prod", "notified": False,
    }  # fmt: skip
    every = json.loads(codespar("approvals", "list", "--all", "-o", "json")[1])
    assert [(each["token"], each["status"]) for each in every] == [(first, "pending"), (second, "denied")]
    lines = codespar("approvals", "list", "--all")[1].splitlines()
    assert lines[0].split() == ["TOKEN", "STATUS", "VOTES", "AGENT", "TOOL", "COST", "EXPIRES", "AT", "ARGS"]
    assert lines[1].split()[:6] == [first, "pending", "1/2", "cli", "deploy/run", "5"]


def test_show_says_what_is_approved_and_what_is_not_shown(codespar, project):
    args = {"env": "stаging", "api_token": "hush", "note": "a\x1b[2J\n  cost          0", "patch": "x" * 9000}
    _, token = ask(codespar, "solo", "--cost", "9", "--args", json.dumps(args), "--context", '{"owner": "zoe"}')
    codespar("approvals", "approve", token, "--as", "ann", "--reason", "hm\x1b[1m")
    code, out, _ = codespar("approvals", "show", token)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert code == 0
    assert lines[0].startswith(f"{token} approved, for another ")
    assert lines[1:5] == ["agent cli", "asked for zoe", "tool solo", "cost 9"]
    assert '"env": "st\\u0430ging"' in lines[5]
    assert '"api_token": "(not shown)"' in lines[5]
    assert '"a\\u001b[2J\\n cost 0"' in lines[5]
    assert lines[6:9] == [
        "the arguments are longer than shown here: what runs is what the digest covers",
        "1 value is not shown, or not whole: a name or a look that is a secret's",
        "needs 1, from anyone but who asked by rule solo, 1 so far (ann)",
    ]
    assert lines[9].endswith(r": hm\x1b[1m")
    assert lines[10].startswith("but even when approved it would be denied now, budget_exceeded: ")
    found = json.loads(codespar("approvals", "show", token, "-o", "json")[1])
    assert (found["args_complete"], found["args_hidden"], found["requesters"]) == (False, 1, ["cli", "zoe"])
    assert found["needs"] == [{"rule_id": "solo", "quorum": 1, "approvers": [], "approved_by": ["ann"]}]
    assert [(vote["name"], vote["approves"]) for vote in found["voters"]] == [("ann", True)]
    assert lines[-1] == f"digest {found['digest']}"
    assert "hush" not in out
    (project / "policy.yaml").write_text(RULES.replace('limit: "1"', 'limit: "2"'))
    assert "void: the policy has changed since it was asked for" in codespar("approvals", "show", token)[1]


def test_a_call_that_stays_denied_is_not_called_allowed_by_who_approves_it(codespar):
    _, token = ask(codespar, "solo", "--cost", "9")
    code, out, err = codespar("approvals", "approve", token, "--as", "ann")
    assert (code, "this call is allowed" in out) == (0, False)
    assert out.startswith(f"{token} approved, until 20")
    assert err.startswith("warning: even when approved it would be denied now, budget_exceeded: ")
    assert err.count("\n") == 1
    _, plain = ask(codespar, "solo", "--cost", "0.5")
    assert codespar("approvals", "approve", plain, "--as", "ann")[2] == ""


def test_calls_that_wait_are_told_apart_by_their_arguments(codespar, monkeypatch):
    tokens = [ask(codespar, "deploy/run", "--args", json.dumps({"n": n, "text": "x" * 200}))[1] for n in range(3)]
    hostile = ask(codespar, "deploy/run", "--args", json.dumps({"note": "a\x1b[2J\u202e"}))[1]
    for columns in (110, 140):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = {line.split()[0]: line for line in codespar("approvals", "list")[1].splitlines()}
        for n, token in enumerate(tokens):
            assert f'{{"n": {n}, "text": "x' in lines[token]
            assert lines[token].endswith("…")
        assert {len(lines[token]) for token in tokens} == {columns}
        assert "\\u001b" in lines[hostile]
        assert lines[hostile].isprintable()
    assert all("args" not in each for each in json.loads(codespar("approvals", "list", "-o", "json")[1]))


def test_a_vote_without_a_name_is_told_whose_it_may_be(codespar):
    _, token = ask(codespar, "deploy/run")
    code, _, err = codespar("approvals", "approve", token)
    assert (code, f"codespar approvals approve {token} --as NAME: one of ann, bob, eve\n" in err) == (2, True)
    _, token = ask(codespar, "solo")
    assert (
        f"codespar approvals deny {token} --as NAME: anyone but who asked\n" in codespar("approvals", "deny", token)[2]
    )


def test_the_rules_of_the_page_on_mcp_allow_what_was_approved(codespar, project):
    page = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text()
    (project / "policy.yaml").write_text(re.search(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    call = ("github/merge_pull_request", "--args", '{"number": 7}')
    code, token = ask(codespar, *call)
    assert code == 4
    code, out, err = codespar("approvals", "approve", token, "--as", "lead")
    assert (code, "this call is allowed once" in out, err) == (0, True, "")
    assert codespar("policy", "check", *call, "--reserve")[0] == 0
    assert codespar("policy", "check", *call, "--reserve")[0] == 4
    assert codespar("policy", "check", "github/get_issue")[0] == 0
    assert codespar("policy", "check", "github/delete_repository")[0] == 3


def test_exit_codes(codespar):
    _, token = ask(codespar, "deploy/run")
    assert codespar("approvals", "approve", token)[0] == 2
    assert codespar("approvals", "approve", token, "--as", "a\u200bnn")[0] == 2
    assert codespar("approvals", "approve", token, "--as", "mallory")[0] == 1
    assert codespar("approvals", "deny", token, "--as", "cli")[0] == 1
    assert codespar("approvals", "show", "ap-00000000")[0] == 6
    assert codespar("approvals", "approve", "nonsense\x1b", "--as", "ann")[0] == 6
    assert codespar("--tenant", "acme", "approvals", "approve", token, "--as", "ann")[0] == 6
    assert codespar("approvals", "deny", token, "--as", "ann")[:2] == (0, f"{token} denied\n")
    code, out, err = codespar("approvals", "approve", token, "--as", "bob", "-o", "json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "approval_closed")
    assert codespar("policy", "check", "deploy/run", "--reserve")[0] == 3


def test_without_an_engine_it_says_what_to_do(newcomer, capsys):
    (newcomer / "plugins.toml").write_text("version = 1\n")
    assert run(["approvals", "list"]) == 2
    assert "no policy plugin is active" in capsys.readouterr().err


def start(*words, **environ):
    return subprocess.Popen(
        [*CODESPAR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}
    )


def test_watching_shows_each_request_and_each_change(codespar):
    _, old = ask(codespar, "deploy/run", "--args", '{"n": 0}')
    process = start("approvals", "list", "--watch", "-o", "jsonl")
    try:
        seen = [json.loads(process.stdout.readline())]
        _, new = ask(codespar, "deploy/run")
        seen.append(json.loads(process.stdout.readline()))
        for name in ("ann", "bob"):
            codespar("approvals", "approve", new, "--as", name)
            seen.append(json.loads(process.stdout.readline()))
        codespar("policy", "check", "deploy/run", "--reserve")
        seen.append(json.loads(process.stdout.readline()))
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")
    assert [(each["token"], each["status"], each["votes"]) for each in seen] == [
        (old, "pending", 0), (new, "pending", 0), (new, "pending", 1), (new, "approved", 2), (new, "used", 2),
    ]  # fmt: skip


def test_watching_is_no_one_document(codespar):
    code, out, err = codespar("approvals", "list", "--watch", "-o", "json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"] == {
        "code": "usage", "message": "`-o json` is one document and needs an end",
        "hint": "use -o jsonl, or leave out --watch", "file": None, "line": None,
    }  # fmt: skip


def test_watching_shows_what_expires(codespar):
    process = start("approvals", "list", "--watch", "-o", "jsonl")
    try:
        _, token = ask(codespar, "soon")
        seen = [json.loads(process.stdout.readline()) for _ in range(2)]
    finally:
        process.kill()
        process.communicate()
    assert [(each["token"], each["status"]) for each in seen] == [(token, "pending"), (token, "expired")]
    assert codespar("approvals", "list")[2] == "nothing waits for approval\n"


@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_watching_ends_when_nobody_reads_any_more(codespar, output):
    ask(codespar, "deploy/run")
    process = start("approvals", "list", "--watch", "-o", output)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == 0
    process.stderr.close()


def put_notifier(home, script):
    directory = home / ".config" / "codespar" / "notifiers"
    directory.mkdir(parents=True)
    for each in (directory, directory.parent):
        each.chmod(0o755)
    (directory / "tell").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "tell").chmod(0o755)
    (home / "plugins.toml").write_text(TOML + '[policy.notify]\ncommand = "tell"\n')


def test_a_process_that_ends_has_told_people(project):
    put_notifier(project, f"cat > {project}/told.tmp; sleep 0.2; mv {project}/told.tmp {project}/told")
    process = start("policy", "check", "deploy/run", "--reserve", VAULT_MASTER_KEY="hush")
    first = process.stdout.readline()
    out, err = process.communicate(timeout=30)
    assert (process.returncode, first.startswith("approval required")) == (4, True)
    token = json.loads((project / "told").read_text())["data"]["token"]
    assert token in out + err
    listed = subprocess.run([*CODESPAR, "approvals", "list", "-o", "json"], capture_output=True, text=True, timeout=60)
    assert [(each["token"], each["notified"]) for each in json.loads(listed.stdout)] == [(token, True)]


def test_a_notifier_that_fails_is_seen_by_who_looks(codespar, project):
    put_notifier(project, "exit 1")
    earlier = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    made = subprocess.run(
        [*CODESPAR, "policy", "check", "deploy/run", "--reserve", "-o", "json", "--at", earlier],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    token = json.loads(made.stdout)["approval"]
    assert "1 request waits for approval that nobody has been told of" in codespar("plugins", "status")[1]
    code, out, err = codespar("approvals", "list")
    assert (code, token in out) == (0, True)
    assert err == f"nobody could be told of {token}: the notifier `tell` ended with exit code 1\n"
    program = project / ".config/codespar/notifiers/tell"
    program.chmod(0o777)
    assert "could be changed by others: chmod 755" in codespar("plugins", "status")[1]
    program.write_text(f"#!/bin/sh\ncat > {project}/told\n")
    program.chmod(0o755)
    assert codespar("approvals", "list")[2] == ""
    assert json.loads((project / "told").read_text())["data"]["token"] == token
    assert "nobody" not in codespar("plugins", "status")[1]


def test_a_webhook_gets_it_and_its_address_is_never_shown(project):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((dict(self.headers), self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(500 if len(got) == 1 else 200)
            self.end_headers()

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/T0K3N"
        (project / "plugins.toml").write_text(TOML + f'[policy.notify]\nwebhook = "{url}"\nsecret = "env:HOOK"\n')
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        process = start("policy", "check", "deploy/run", "--reserve", "-o", "json", HOOK=secret)
        out, err = process.communicate(timeout=30)
        server.shutdown()
        thread.join()
    assert process.returncode == 4
    assert [headers["webhook-id"] for headers, _ in got] == [json.loads(out)["approval"]] * 2
    assert "T0K3N" not in out + err
    listed = subprocess.run([*CODESPAR, "approvals", "list", "-o", "json"], capture_output=True, text=True, timeout=60)
    assert [each["notified"] for each in json.loads(listed.stdout)] == [True]


def test_an_answer_is_printed_at_once_and_the_process_ends_within_its_bound(project):
    put_notifier(project, "sleep 60")
    began = time.monotonic()
    process = start("policy", "check", "deploy/run", "--reserve")
    assert process.stdout.readline().startswith("approval required")
    answered = time.monotonic() - began
    process.communicate(timeout=60)
    ended = time.monotonic() - began
    assert process.returncode == 4
    assert answered < 8 < ended < 30


@pytest.mark.parametrize(
    "lines", ['command = "../../evil"', 'command = "sh -c evil"', 'webhook = "https://u:hush@x/"\nsecret = "env:A"', ""]
)
def test_a_file_cannot_name_what_to_run_or_hold_a_password(codespar, project, lines):
    (project / "plugins.toml").write_text(TOML + f"[policy.notify]\n{lines}\n")
    code, _, err = codespar("approvals", "list")
    assert code == 2
    assert err.startswith("error: plugins.toml:")
    assert "policy.notify" in err
    assert "hush" not in err
