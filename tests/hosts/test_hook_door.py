"""`codespar hook HOST` as the process that a host starts: what it answers, keeps and settles."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hook_world import ALLOW_ALL, PLUGINS, World, shell
from host_golden import HOSTS, denies, deny_schema, payloads, problem
from hostile_events import corpus

from codespar_cli.hosts.heartbeats import last_heartbeat

ENDS = {
    "claude": {"hook_event_name": "PostToolUse", "tool_response": {}, "duration_ms": 40},
    "codex": {"hook_event_name": "PostToolUse", "tool_response": "ok"},
    "gemini": {"hook_event_name": "AfterTool", "tool_response": {"llmContent": "ok", "returnDisplay": "ok"}},
    "cursor": {"hook_event_name": "postToolUse", "tool_output": "ok", "duration": 40},
    "copilot": {"toolResult": {"resultType": "success", "textResultForLlm": "ok"}},
}
FAILS = {
    "claude": {"hook_event_name": "PostToolUseFailure", "error": "exit code 1"},
    "gemini": {"hook_event_name": "AfterTool", "tool_response": {"llmContent": "no", "error": {"message": "no"}}},
    "cursor": {"hook_event_name": "postToolUseFailure", "error_message": "no", "failure_type": "error"},
    "copilot": {"error": "exit code 1"},
}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.mark.parametrize("host", HOSTS)
def test_a_call_is_allowed_held_settled_and_recorded(world, host):
    allowed = world.hook(host, shell(host, "ls"))
    assert (allowed.returncode, denies(host, allowed.stdout, allowed.returncode)) == (0, False)
    assert world.budget(host) == (("1.00", "0.00") if host == "codex" else ("0.00", "1.00"))
    ended = world.hook(host, shell(host, "ls", **ENDS[host]))
    assert (ended.returncode, denies(host, ended.stdout, ended.returncode)) == (0, False)
    assert world.budget(host) == ("1.00", "0.00")
    assert [(row["calls"], row["errors"]) for row in world.metrics()] == [(1, 0)]
    assert last_heartbeat(str(world.state), host).outcome == "recorded"
    assert list((world.state / "hooks" / "calls").iterdir()) == []


@pytest.mark.parametrize("host", FAILS)
def test_a_call_that_failed_costs_what_was_held_and_is_recorded_as_an_error(world, host):
    world.hook(host, shell(host, "ls"))
    world.hook(host, shell(host, "ls", **FAILS[host]))
    assert world.budget(host) == ("1.00", "0.00")
    assert [(row["calls"], row["errors"]) for row in world.metrics()] == [(1, 1)]


@pytest.mark.parametrize("host", HOSTS)
def test_a_deny_says_why_in_the_hosts_own_form(world, host):
    event = shell(host, "rm -rf build")
    done = world.hook(host, event)
    assert (done.returncode, done.stderr) == (0, b"")
    name = event.get("hook_event_name", "preToolUse")
    assert problem(json.loads(done.stdout), deny_schema(host, name)) is None
    assert b"nothing is removed here" in done.stdout
    beat = last_heartbeat(str(world.state), host)
    assert (beat.outcome, beat.event, beat.config) == ("deny", name, str(world.config))


@pytest.mark.parametrize("host", HOSTS)
def test_a_budget_ends_calls_however_often_the_same_event_comes(world, host):
    verdicts = []
    for _ in range(4):
        done = world.hook(host, shell(host, "ls"))
        verdicts.append(denies(host, done.stdout, done.returncode))
    assert verdicts == [False, False, False, True]


@pytest.mark.parametrize("host", ["claude", "gemini"])
def test_an_approved_call_passes_once(world, host):
    waits = world.hook(host, shell(host, "deploy shop", "a"))
    token = next(word.strip(",") for word in waits.stdout.decode().split() if word.startswith("ap-"))
    again = world.hook(host, shell(host, "deploy shop", "b"))
    assert denies(host, again.stdout, again.returncode)
    assert f"(codespar approvals show {token})".encode() in again.stdout
    assert b"approvals approve" not in again.stdout
    world.codespar("approvals", "approve", token, "--as", "ana")
    other = world.hook(host, shell(host, "deploy bank", "c"))
    assert denies(host, other.stdout, other.returncode)
    passes = world.hook(host, shell(host, "deploy shop", "d"))
    assert not denies(host, passes.stdout, passes.returncode)
    once = world.hook(host, shell(host, "deploy shop", "e"))
    assert denies(host, once.stdout, once.returncode)


def test_an_approval_is_for_the_directory_that_was_shown(world):
    here = {**shell("claude", "deploy shop", "a"), "cwd": "/srv/staging"}
    waits = world.hook("claude", here)
    token = next(word.strip(",") for word in waits.stdout.decode().split() if word.startswith("ap-"))
    assert 'in "/srv/staging": {"command": "deploy shop"' in world.codespar("approvals", "show", token)
    world.codespar("approvals", "approve", token, "--as", "ana")
    elsewhere = world.hook("claude", {**here, "cwd": "/srv/production", "tool_use_id": "b"})
    assert denies("claude", elsewhere.stdout, elsewhere.returncode)
    assert not denies("claude", (again := world.hook("claude", {**here, "tool_use_id": "c"})).stdout, again.returncode)


@pytest.mark.parametrize("host", ["claude", "codex"])
def test_a_permission_is_answered_as_the_call_was_and_holds_nothing_more(world, host):
    for _ in range(3):
        world.hook(host, shell(host, "ls"))
    ask = {key: value for key, value in shell(host, "ls").items() if key != "tool_use_id"}
    ask["hook_event_name"] = "PermissionRequest"
    allowed = world.hook(host, ask)
    assert (allowed.stdout, allowed.returncode) == (b"", 0)
    assert world.budget(host) == (("3.00", "0.00") if host == "codex" else ("0.00", "3.00"))
    ask["tool_input"] = {"command": "rm x"}
    denied = world.hook(host, ask)
    assert problem(json.loads(denied.stdout), deny_schema(host, "PermissionRequest")) is None


def test_a_permission_is_judged_by_the_rules_of_now(world):
    world.hook("claude", shell("claude", "ls"))
    ask = {**shell("claude", "ls"), "hook_event_name": "PermissionRequest"}
    assert world.hook("claude", ask).stdout == b""
    world.rules.write_text(ALLOW_ALL.replace("default: allow", "default: deny"))
    denied = world.hook("claude", ask)
    assert problem(json.loads(denied.stdout), deny_schema("claude", "PermissionRequest")) is None


@pytest.mark.parametrize("name", ["PreToolUse", "PermissionRequest", "PostToolUse"])
def test_a_malformed_event_is_denied_in_the_form_of_that_event(world, name):
    event = {**shell("claude", "ls", hook_event_name=name), "tool_input": None}
    done = world.hook("claude", event)
    assert problem(json.loads(done.stdout), deny_schema("claude", name)) is None


def test_results_are_matched_to_their_own_calls(world):
    for use in ("one", "two"):
        world.hook("claude", shell("claude", "ls", use))
    world.hook("claude", shell("claude", "changed by another hook", "two", **FAILS["claude"]))
    assert world.budget("claude") == ("1.00", "1.00")
    for _ in range(2):
        world.hook("claude", shell("claude", "ls", "one", **ENDS["claude"]))
    assert world.budget("claude") == ("2.00", "0.00")


def test_who_calls_is_what_the_command_line_says_and_never_what_the_event_says(world):
    event = shell("claude", "ls", agent_type="deploy-bot")
    world.hook("claude", event, "--agent", "reviewer")
    assert world.budget("reviewer") == ("0.00", "1.00")
    assert world.budget("deploy-bot") is None


@pytest.mark.parametrize("host", HOSTS)
def test_events_that_are_not_about_tools_are_nobodys_business(world, host):
    world.config.write_text("broken")
    for _, owner, event, reads in payloads(host):
        if reads["kind"] == "other":
            done = world.hook(owner, event)
            assert (done.returncode, denies(host, done.stdout, done.returncode), done.stderr) == (0, False, b"")


def test_without_any_configuration_every_call_is_allowed(tmp_path):
    world = World(tmp_path, plugins=None)
    for host in HOSTS:
        done = world.hook(host, shell(host, "rm -rf build"))
        assert (done.returncode, denies(host, done.stdout, 0), done.stderr) == (0, False, b"")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "how", ["deleted", "named and missing", "broken", "a directory", "rules deleted", "rules broken"]
)
def test_a_configuration_that_cannot_be_used_is_a_deny_that_says_what_mends_it(world, host, how):
    assert not denies(host, world.hook(host, shell(host, "ls")).stdout, 0)
    options = ()
    if how == "deleted":
        world.config.unlink()
    elif how == "named and missing":
        options = ("--config", str(world.project / "other.toml"))
    elif how == "a directory":
        options = ("--config", str(world.project))
    elif how == "rules deleted":
        world.rules.unlink()
    else:
        (world.rules if how.startswith("rules") else world.config).write_text("{[broken\n")
    done = world.hook(host, shell(host, "ls"), *options)
    assert denies(host, done.stdout, done.returncode)
    assert done.returncode == 0
    assert b"codespar: " in done.stdout
    # What is over is over: its host is told nothing.
    ended = world.hook(host, shell(host, "ls", **ENDS[host]), *options)
    assert (ended.returncode, denies(host, ended.stdout, ended.returncode)) == (0, False)
    assert last_heartbeat(str(world.state), host).outcome == "refused"


def test_a_configuration_that_governed_another_place_is_not_missed_here(world, tmp_path):
    world.hook("claude", shell("claude", "ls"))
    world.config.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert world.hook("claude", shell("claude", "ls"), cwd=elsewhere).stdout == b""
    denied = world.hook("claude", shell("claude", "ls"))
    assert b"governed the calls made here and is not there any more" in denied.stdout


@pytest.mark.parametrize(
    "arguments",
    [("nobody",), (), ("claude", "codex"), ("claude", "--what"), ("claude", "--agent"), ("gemini", "--config=")],
)
def test_a_command_line_that_cannot_be_meant_is_a_deny(world, arguments):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "codespar_cli", "hook", *arguments],
        input=b"{}", capture_output=True, timeout=30, cwd=world.project, env=world.env, check=False,
    )  # fmt: skip
    host = next((name for name in arguments if name in HOSTS), "claude")
    assert denies(host, done.stdout, done.returncode)
    assert (done.stdout == b"") == (done.returncode == 2)


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_malformed_or_hostile_is_a_deny_where_the_policy_allows_everything(tmp_path, host):
    world = World(tmp_path, rules=ALLOW_ALL)
    check_corpus(world, host, list(corpus(host)))


def check_corpus(world, host, events):
    listed = world.project.parent / "events.json"
    listed.write_text(json.dumps([raw.hex() for _, raw, _ in events]))
    batch = Path(__file__).parent / "hook_batch.py"
    done = subprocess.run(
        [sys.executable, "-P", batch, listed, host],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=world.project,
        env=world.env,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(events) > 300
    for (label, _, must_deny), (stdout, stderr, code, took) in zip(events, answers, strict=True):
        assert must_deny in {None, denies(host, stdout, code)}, (label, stdout, stderr)
        assert took < 3, label
        assert "Traceback" not in stderr, label


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_the_same_with_an_interpreter_of_its_own_for_every_event(tmp_path, host):
    world = World(tmp_path, rules=ALLOW_ALL)
    for label, raw, must_deny in corpus(host):
        done = world.hook(host, None, raw=raw)
        assert must_deny in {None, denies(host, done.stdout, done.returncode)}, (label, done)


FORBIDDEN = {"typer", "rich", "pydantic", "mcp", "asyncio", "click", "cryptography", "logging", "subprocess", "socket"}
NEEDLESS = {"yaml", "re", "enum", "typing", "dataclasses", "json", "inspect", "signal", "tomllib", "hashlib", "pathlib"}


def imported(world, host, event):
    env = {**world.env, "PYTHONPROFILEIMPORTTIME": "1"}
    done = world.hook(host, event, env=env)
    found = {
        line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines() if line.startswith("import time:")
    }
    bare = subprocess.run([sys.executable, "-c", ""], capture_output=True, text=True, env=env, timeout=30, check=True)
    return found - {line.rpartition("|")[2].strip() for line in bare.stderr.splitlines()}


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_heavy_is_imported(world, host):
    names = imported(world, host, shell(host, "ls"))
    assert "codespar_cli" in names
    assert not {name.partition(".")[0] for name in names} & FORBIDDEN
    others = [name for name in HOSTS if name != host]
    assert not names & {f"codespar_cli.hosts.dialects.{name}" for name in others}


def test_what_was_compiled_once_is_not_read_again(world):
    for path in (world.config, world.rules):
        os.utime(path, (1, 1))
    for _ in range(2):
        world.hook("claude", shell("claude", "ls"))
    names = {name.partition(".")[0] for name in imported(world, "claude", shell("claude", "ls"))}
    assert not names & (FORBIDDEN | NEEDLESS)


def test_nor_where_a_users_own_file_speaks_as_well(world, tmp_path):
    world.env["HOME"] = str(tmp_path)
    own = tmp_path / ".config" / "codespar"
    own.mkdir(parents=True, mode=0o700)
    for path in (world.config, world.rules):
        (own / path.name).write_text(path.read_text())
        for each in (path, own / path.name):
            os.utime(each, (1, 1))
    for _ in range(2):
        world.hook("claude", shell("claude", "ls"))
    found = imported(world, "claude", shell("claude", "ls"))
    assert "codespar_cli.core.layered_policy" in found
    assert not {name.partition(".")[0] for name in found} & (FORBIDDEN | NEEDLESS)


def test_an_event_that_is_refused_needs_no_policy_and_next_to_nothing_else(world):
    world.hook("claude", shell("claude", "ls"))
    names = imported(world, "claude", {"hook_event_name": "PreToolUse", "tool_name": "B ash", "tool_input": {}})
    assert not names & {"codespar_cli.startup", "codespar_cli.core.gate"}
    assert not {name.partition(".")[0] for name in names} & (NEEDLESS | FORBIDDEN | {"apsw", "decimal", "threading"})


def test_people_are_told_of_a_request_before_the_process_is_gone(world, tmp_path):
    told = tmp_path / "told.json"
    notifiers = Path(world.env["HOME"]) / ".config" / "codespar" / "notifiers"
    notifiers.mkdir(parents=True)
    for directory in (notifiers, notifiers.parent, notifiers.parent.parent):
        directory.chmod(0o700)
    program = notifiers / "desk"
    program.write_text(f"#!/bin/sh\ncat > {told}\n")
    program.chmod(0o700)
    world.config.write_text(world.config.read_text() + '[policy.notify]\ncommand = "desk"\n')
    done = world.hook("claude", shell("claude", "deploy shop"))
    token = json.loads(told.read_text())["data"]["token"]
    assert token.encode() in done.stdout


def test_a_repository_made_below_a_governed_directory_is_not_free(world):
    inner = world.project / "sub"
    (inner / ".git").mkdir(parents=True)
    ask = shell("claude", "rm x")
    assert not denies("claude", *_said(world.hook("claude", ask, cwd=inner)))  # nobody has seen the project govern
    world.hook("claude", ask)
    denied = world.hook("claude", ask, cwd=inner)
    assert denies("claude", *_said(denied))
    assert str(world.config).encode() in denied.stdout
    (inner / "plugins.toml").write_text(world.config.read_text())
    (inner / "policy.yaml").write_text(ALLOW_ALL)
    assert not denies("claude", *_said(world.hook("claude", ask, cwd=inner)))


@pytest.mark.parametrize("what", ["a directory", "a pipe", "a device"])
def test_what_is_no_file_in_the_place_of_plugins_toml_is_a_deny(world, what):
    world.hook("claude", shell("claude", "ls"))
    world.config.unlink()
    if what == "a directory":
        world.config.mkdir()
    elif what == "a pipe":
        os.mkfifo(world.config)
    else:
        world.config.symlink_to("/dev/null")
    assert denies("claude", *_said(world.hook("claude", shell("claude", "ls"))))


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_an_environment_that_looks_away_from_the_users_file_is_a_deny(tmp_path, variable):
    world = World(tmp_path, plugins=None)
    (tmp_path / "empty").mkdir()
    own = tmp_path / ".config" / "codespar"
    own.mkdir(parents=True)
    (own / "plugins.toml").write_text(PLUGINS)
    (own / "policy.yaml").write_text(ALLOW_ALL)
    world.env |= {"HOME": str(tmp_path)}
    world.env.pop("XDG_CONFIG_HOME", None)
    assert not denies("claude", *_said(world.hook("claude", shell("claude", "ls"))))
    world.env[variable] = str(tmp_path / "empty")
    assert denies("claude", *_said(world.hook("claude", shell("claude", "ls"))))


def _said(done):
    return done.stdout, done.returncode
