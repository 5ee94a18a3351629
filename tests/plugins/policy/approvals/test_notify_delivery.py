"""People are told beside the call: never delaying it, never changing it, at least once."""

import threading
import time

import pytest
from policy_world import EVERYTHING, World

from codespar_cli.core.options import Problem
from codespar_cli.errors import StoreError
from codespar_cli.plugins.policy import NOTIFY, OPTIONS
from codespar_cli.plugins.policy.approvals.notice import Notifier, Undelivered
from codespar_cli.plugins.policy.stores.store_address import StoreAddress

ASK = {"id": "ask", "effect": "approve", "tools": ["deploy/**"], "expires": "1h"}


class Channel:
    """Fails as long as there are failures to raise; waits at a gate, if there is one."""

    def __init__(self, *failures, gate=None, problem=None):
        self.failures = list(failures)
        self.gate = gate
        self.told = []
        self.found = problem

    def problem(self):
        return self.found

    def deliver(self, approval):
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.failures:
            raise self.failures.pop(0)
        self.told.append(approval.token)


def world(channel, **more):
    w = World(ASK, EVERYTHING, **more)
    w.notifier = w.engine._notify = Notifier(StoreAddress.of(w.store), channel, clock=lambda: w.now)
    return w


def notified(w):
    return [state.notified for state in w.engine.approvals()]


def test_each_new_request_is_told_once_and_remembered(store):
    channel = Channel()
    w = world(channel, store=store)
    token = w.ask("deploy/run").approval_id
    w.ask("deploy/run")
    w.look("deploy/other")
    w.ask("fs/read")
    w.notifier.finish()
    assert channel.told == [token]
    assert notified(w) == [True]
    w.wait(minutes=1)
    assert w.engine.remind() == []
    assert channel.told == [token]


def test_the_answer_does_not_wait_and_votes_meanwhile_are_kept():
    gate = threading.Event()
    channel = Channel(gate=gate)
    w = world(channel)
    began = time.perf_counter()
    token = w.ask("deploy/run").approval_id
    assert time.perf_counter() - began < 5
    w.engine.vote(token, "ann", approves=True)
    gate.set()
    w.notifier.finish()
    (state,) = w.engine.approvals()
    assert (state.status, state.notified) == ("approved", True)


def test_finishing_is_bounded():
    gate = threading.Event()
    w = world(Channel(gate=gate))
    w.ask("deploy/run")
    worker = w.notifier._worker
    w.notifier.finish(0.05)
    assert worker.is_alive()
    assert worker.daemon
    gate.set()
    worker.join(30)


@pytest.mark.parametrize("failure", [Undelivered("no way"), RuntimeError("https://user:hush@host"), StoreError("busy")])
def test_what_failed_is_tried_again_by_hand_and_after_the_next_request(failure):
    channel = Channel(failure, failure)
    w = world(channel)
    token = w.ask("deploy/run").approval_id
    w.notifier.finish()
    assert (channel.told, notified(w)) == ([], [False])
    assert w.engine.remind() == []  # too young: another process may be at it
    w.wait(seconds=15)
    (said,) = w.engine.remind()
    assert said.startswith(f"{token}: ")
    assert "hush" not in said
    assert w.engine.health().state == "warning"
    assert w.engine.health().message.endswith("1 request waits for approval that nobody has been told of")
    second = w.ask("deploy/other").approval_id
    w.notifier.finish()
    assert channel.told == [second, token]
    assert notified(w) == [True, True]
    assert w.engine.health().state == "ok"


def test_only_what_still_waits_is_told_late():
    channel = Channel(*[Undelivered("no")] * 4)
    w = world(channel)
    tokens = []
    for number in range(4):
        tokens.append(w.ask("deploy/run", args={"n": number}).approval_id)
        w.notifier.finish()
    w.engine.vote(tokens[0], "ann", approves=True)
    w.engine.vote(tokens[1], "ann", approves=False)
    w.wait(minutes=1)
    assert w.engine.remind() == []
    assert channel.told == tokens[2:]
    w.wait(hours=1)
    w.engine.remind()
    assert len(channel.told) == 2


def test_what_another_policy_has_voided_is_not_told():
    channel = Channel(Undelivered("no"))
    w = world(channel)
    token = w.ask("deploy/run").approval_id
    w.notifier.finish()
    w.wait(minutes=1)
    assert w.notifier.remind("default", "another policy's hash") == []
    assert channel.told == []
    assert w.engine.remind() == []
    assert channel.told == [token]


def test_no_thread_to_be_had_changes_nothing(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    channel = Channel()
    w = world(channel)
    monkeypatch.setattr(threading.Thread, "start", start)
    assert w.ask("deploy/run").requires_approval
    monkeypatch.undo()
    w.wait(minutes=1)
    second = w.ask("deploy/other").approval_id
    w.notifier.finish()
    assert second in channel.told
    assert notified(w) == [True, True]


def test_a_problem_is_a_warning_of_health():
    health = world(Channel(problem="there is no notifier `x`: put one there")).engine.health()
    assert (health.state, health.message) == (
        "warning", "2 rules from policy.yaml; there is no notifier `x`: put one there",
    )  # fmt: skip


def problems(value) -> list[Problem]:
    return list(NOTIFY(value, ("policy", "notify")))


@pytest.mark.parametrize(
    "value",
    [
        {"command": "slack"},
        {"command": "my_own-1"},
        {"webhook": "https://hooks.example.com/T/B?x=1", "secret": "secret:HOOK"},
        {"webhook": "http://localhost:8080/x", "secret": "env:HOOK"},
        {"webhook": "http://[::1]:8080/", "secret": "env:HOOK"},
    ],
)
def test_what_the_file_may_say(value):
    assert problems(value) == []


@pytest.mark.parametrize(
    "value",
    [
        {}, "slack", {"command": ""}, {"command": "../evil"}, {"command": "/bin/sh"}, {"command": "sh -c x"},
        {"command": "a.b"}, {"command": ["sh"]}, {"command": "é"}, {"commandx": "slack"},
        {"command": "a", "webhook": "https://x/", "secret": "env:A"}, {"command": "a", "secret": "env:A"},
        {"webhook": "https://x/"}, {"webhook": "https://x/", "secret": "whsec_hush"}, {"secret": "env:A"},
        *({"webhook": url, "secret": "env:A"} for url in (
            "http://example.com/", "http://127.0.0.1.evil.example/", "ftp://x/", "file:///etc/passwd", "https://",
            "https://user:hush@x/", "https://x:hush@", "https://x y/", "https://x/\n", "https://x:0/", "https://x:99999/",
            "https://[::1/", "https://x/#y", "HTTPS", 7, "https://ex\u0430mple.com/",
        )),
    ],
)  # fmt: skip
def test_what_it_may_not_say_is_refused_without_repeating_a_secret(value):
    found = problems(value)
    assert found
    assert not any("hush" in problem.message for problem in found)


def test_it_is_an_option_of_the_engine():
    assert OPTIONS["engine"]["notify"] is NOTIFY
