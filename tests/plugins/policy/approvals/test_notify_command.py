"""A notifier that is a program of the user's own, and none of anybody else's."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from codespar_cli.core.services import Services
from codespar_cli.plugins.policy.approvals.approval import Approval, Need
from codespar_cli.plugins.policy.approvals.notice import Undelivered
from codespar_cli.plugins.policy.approvals.notify_command import Command, _end_session

APPROVAL = Approval(
    token="ap-7K2M9QXA", tenant="acme", digest="d" * 64, agent="a\n", tool="deploy/run", cost="5", project=None,
    policy="p" * 64, created_at=1_700_000_000_000_000, expires_at=1_700_000_600_000_000,
    needs=(Need("ask", 2, ("ann", "bob"), False),), requesters=("a\n",), preview='{"x": 1}',
)  # fmt: skip


@pytest.fixture
def notifiers(newcomer):
    directory = newcomer / ".config" / "codespar" / "notifiers"
    directory.mkdir(parents=True)
    for each in (directory, directory.parent):
        each.chmod(0o755)
    return directory


def put(directory: Path, script: str, name: str = "tell", mode: int = 0o755) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(mode)
    return path


def command(name: str = "tell", **environ: str) -> Command:
    values = {"HOME": os.environ["HOME"], **environ}
    return Command.from_services(name, Services(Path(), resolve=lambda key: values.get(key.removeprefix("env:"))))


def test_it_gets_the_request_on_stdin_and_no_secret(notifiers, tmp_path, monkeypatch):
    monkeypatch.setenv("VAULT_MASTER_KEY", "hush")
    put(
        notifiers, f"cat > {tmp_path}/in; env > {tmp_path}/env; pwd > {tmp_path}/dir; ps -o sid= -p $$ > {tmp_path}/sid"
    )
    notifier = command(LANG="C.UTF-8", VAULT_MASTER_KEY="hush")
    assert notifier.problem() is None
    notifier.deliver(APPROVAL)
    document = json.loads((tmp_path / "in").read_text())
    assert document["type"] == "approval.requested"
    assert document["timestamp"] == "2023-11-14T22:13:20.000000Z"
    assert document["data"] == {
        "token": "ap-7K2M9QXA", "tenant": "acme", "agent": "a\n", "tool": "deploy/run", "cost": "5", "project": None,
        "environment": None, "args": '{"x": 1}', "args_complete": True, "args_hidden": 0,
        "needs": [{"rule_id": "ask", "quorum": 2, "approvers": ["ann", "bob"]}], "requesters": ["a\n"],
        "also_denied": None, "expires_at": "2023-11-14T22:23:20Z", "policy_hash": "p" * 64, "digest": "d" * 64,
    }  # fmt: skip
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == {"HOME", "LANG", "PATH"}
    assert (tmp_path / "dir").read_text() == "/\n"
    assert int((tmp_path / "sid").read_text()) != os.getsid(0)


def test_one_that_hangs_is_killed_with_its_children(notifiers, tmp_path):
    path = put(notifiers, f"sleep 60 & echo $! > {tmp_path}/child; sleep 60")
    began = time.monotonic()
    with pytest.raises(Undelivered, match=r"took longer than 0\.5 s"):
        Command(path, {"PATH": "/usr/bin:/bin"}, limit_s=0.5).deliver(APPROVAL)
    assert time.monotonic() - began < 20
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "stat"
    deadline = time.monotonic() + 20
    while child.exists() and child.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline


@pytest.mark.parametrize("error", [subprocess.TimeoutExpired("x", 1), KeyboardInterrupt, OSError(5, "broken")])
def test_its_group_is_killed_only_while_it_is_unreaped(notifiers, monkeypatch, error):
    """Whatever ends the waiting. Afterwards the group's number may be another's."""
    begun, killed, really = [], [], os.killpg

    class Broken(subprocess.Popen):
        def communicate(self, *arguments, **named):
            begun.append(self)
            raise error

    def killpg(group, number):
        assert group > 1
        assert group != os.getpgid(0)
        os.waitid(os.P_PID, group, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # ChildProcessError when it is reaped
        killed.append(number)
        really(group, number)

    put(notifiers, "exec sleep 60")
    monkeypatch.setattr(subprocess, "Popen", Broken)
    monkeypatch.setattr(os, "killpg", killpg)
    with pytest.raises((Undelivered, KeyboardInterrupt, OSError)):
        command().deliver(APPROVAL)
    assert killed == [signal.SIGKILL]
    assert begun[0].returncode == -signal.SIGKILL
    _end_session(begun[0])
    assert killed == [signal.SIGKILL]


def test_one_that_fails_has_not_told(notifiers):
    put(notifiers, "exit 3")
    with pytest.raises(Undelivered, match=r"^the notifier `tell` ended with exit code 3$"):
        command().deliver(APPROVAL)
    put(notifiers, "exec 0<&-; exit 0")  # reads nothing, and that is its own affair
    command().deliver(APPROVAL)


def test_what_is_no_program_cannot_be_run(notifiers):
    path = put(notifiers, "")
    path.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(Undelivered, match=r"cannot be run: exec format error$"):
        command().deliver(APPROVAL)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: path.unlink(), "there is no notifier `tell`: put a program of yours at "),
        (lambda path: path.chmod(0o775), "could be changed by others: chmod 755 "),
        (lambda path: path.chmod(0o757), "could be changed by others: chmod 755 "),
        (lambda path: path.parent.chmod(0o777), "could be changed by others: chmod 755 "),
        (lambda path: path.parent.parent.chmod(0o770), "could be changed by others: chmod 755 "),
        (lambda path: path.rename(path.with_name("real")).__class__ and path.symlink_to("real"), "is no regular file"),
        (lambda path: path.unlink() or path.mkdir(), "is no regular file"),
        (lambda path: path.chmod(0o644), "is not executable: chmod 755 "),
    ],
)
def test_what_others_could_have_put_there_is_not_run(notifiers, tmp_path, spoil, problem):
    path = put(notifiers, f"touch {tmp_path}/ran")
    spoil(path)
    assert problem in command().problem()
    with pytest.raises(Undelivered, match=problem.rstrip()):
        command().deliver(APPROVAL)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_program_is_not_run(notifiers):
    path = put(notifiers, "exit 0")
    os.chown(path, 12345, 12345)
    assert "could be changed by others" in command().problem()


def test_a_relative_config_home_is_not_followed(notifiers, tmp_path, monkeypatch):
    """It would lead into whatever project the agent works in."""
    evil = tmp_path / "project" / "codespar" / "notifiers"
    evil.mkdir(parents=True)
    put(evil, f"touch {tmp_path}/ran")
    monkeypatch.chdir(tmp_path)
    put(notifiers, f"touch {tmp_path}/mine")
    command(XDG_CONFIG_HOME="project").deliver(APPROVAL)
    assert (tmp_path / "mine").exists()
    assert not (tmp_path / "ran").exists()
