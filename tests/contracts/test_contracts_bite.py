"""A contract that no hook can fail is none: hooks that break a promise, and the test that must notice."""

from datetime import timedelta
from pathlib import Path

import pytest

from codespar_cli.core.hooks import IntegrationEvent, PolicyDecision, ToolMetric
from codespar_cli.testing import (
    FakeClock,
    IntegrationContract,
    ObservabilityContract,
    PolicyContract,
    Recorder,
    SecretsContract,
)


def broken_promises(contract, make, **overrides):
    """The names of the tests that a hook fails."""
    suite = type("Suite", (contract,), {"make": lambda self, tmp_path: make(), **overrides})()
    failed = set()
    for name in dir(suite):
        if name.startswith("test_"):
            try:
                getattr(suite, name)(Path())
            except pytest.skip.Exception:
                continue
            except Exception:
                failed.add(name)
    return failed


class Policy:
    def __init__(self, answer):
        self.answer = answer

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        return self.answer(tool_name, estimated_cost)


@pytest.mark.parametrize(
    ("answer", "noticed"),
    [
        (lambda tool, cost: True, "test_an_answer_is_a_decision_with_a_plain_allowed"),
        (lambda tool, cost: PolicyDecision(1), "test_an_answer_is_a_decision_with_a_plain_allowed"),
        (lambda tool, cost: PolicyDecision(False), "test_an_answer_is_a_decision_with_a_plain_allowed"),
        (lambda tool, cost: PolicyDecision(True, requires_approval=True), "test_a_pending_approval_is_never_an_allow"),
        (lambda tool, cost: PolicyDecision(len(tool.encode()) > 0, "r"), "test_hostile_names_are_answered"),
        (lambda tool, cost: PolicyDecision(float(cost or 0) < 1, "r"), "test_hostile_costs_are_answered"),
    ],
)
def test_a_bad_policy_is_noticed(answer, noticed):
    assert noticed in broken_promises(PolicyContract, lambda: Policy(answer))


def test_a_good_policy_passes():
    assert broken_promises(PolicyContract, lambda: Policy(lambda tool, cost: PolicyDecision(True))) == set()


def test_an_observer_that_needs_a_cost_is_noticed():
    class Summing(Recorder):
        def record(self, metric):
            self.total = getattr(self, "total", 0) + float(metric.cost)

    assert "test_the_least_a_metric_can_say_is_enough" in broken_promises(ObservabilityContract, Summing)


class Shelf:
    def __init__(self):
        self.kept = {}

    def get(self, tenant_id, key):
        return self.kept.get((tenant_id, key))

    def set(self, tenant_id, key, value):
        self.kept[tenant_id, key] = value


def test_a_good_shelf_passes():
    assert broken_promises(SecretsContract, Shelf) == set()


def test_a_shelf_that_only_reads_is_asked_what_it_can_answer():
    empty = type("Empty", (), {"get": lambda self, tenant, key: None})
    assert broken_promises(SecretsContract, empty) == set()


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ({"get": lambda self, tenant, key: self.kept[tenant, key]}, "test_what_is_not_there_is_none"),
        (
            {"get": lambda self, tenant, key: self.kept.get((tenant, key)) or None},
            "test_difficult_values_come_back_exactly",
        ),
        (
            {"set": lambda self, tenant, key, value: self.kept.update({(tenant, key): value.strip()})},
            "test_difficult_values_come_back_exactly",
        ),
        (
            {"get": lambda self, tenant, key: next((v for (_, k), v in self.kept.items() if k == key), None)},
            "test_a_tenant_never_sees_anothers",
        ),
        (
            {"set": lambda self, tenant, key, value: self.kept.setdefault((tenant, key), value)},
            "test_the_last_value_wins",
        ),
        ({"__repr__": lambda self: repr(self.kept)}, "test_no_value_shows_in_a_repr"),
        (
            {
                "get": lambda self, tenant, key: self.kept.get(f"{tenant}/{key}"),
                "set": lambda self, tenant, key, value: self.kept.update({f"{tenant}/{key.casefold()}": value}),
            },
            "test_difficult_names_are_never_mixed_up",
        ),
        ({"delete": lambda self, tenant, key, actor: self.kept.clear()}, "test_what_was_deleted_is_not_there"),
    ],
)
def test_a_bad_shelf_is_noticed(change, noticed):
    assert noticed in broken_promises(SecretsContract, type("BadShelf", (Shelf,), change))


class Hook:
    id = "hook"
    name = "Hook"

    async def handle_webhook(self, payload, headers):
        if not isinstance(payload, dict) or "title" not in payload:
            return None
        title = str(payload["title"]).encode("ascii", "ignore").decode().strip() or "untitled"
        title = "".join(char for char in title if char.isprintable())[:300].strip() or "untitled"
        return IntegrationEvent("hook", headers.get("x-event", "thing"), "info", title)


SAMPLES = {"samples": lambda self: [({"title": "x", "more": [1]}, {"X-Event": "a"})]}


def test_a_good_hook_passes():
    assert broken_promises(IntegrationContract, Hook, **SAMPLES) == set()


async def _trusting(self, payload, headers):
    return IntegrationEvent("hook", "x", "info", payload["title"].strip()) if "title" in payload else None


async def _everything(self, payload, headers):
    return IntegrationEvent("hook", "x", "info", "t")


async def _mutating(self, payload, headers):
    return (
        IntegrationEvent("hook", "x", "info", str(payload.pop("title")))
        if isinstance(payload, dict) and payload.get("title") == "x"
        else None
    )


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        ({"id": "Hook!"}, "test_it_says_who_it_is"),
        ({"handle_webhook": _trusting}, "test_nothing_from_outside_makes_it_raise"),
        ({"handle_webhook": _everything}, "test_what_is_not_its_own_is_none"),
        ({"handle_webhook": _mutating}, "test_a_payload_is_left_as_it_was"),
        (
            {"verify_signature": lambda self, payload, signature, secret: not secret},
            "test_only_a_right_signature_verifies",
        ),
        ({"verify_signature": lambda self, payload, signature, secret: False}, "test_a_parsed_body_cannot_be_verified"),
        (
            {"sign": lambda self, p, s: "x", "verify_signature": lambda self, p, signature, secret: False},
            "test_what_it_signs_it_verifies",
        ),
    ],
)
def test_a_bad_hook_is_noticed(change, noticed):
    assert noticed in broken_promises(IntegrationContract, type("BadHook", (Hook,), change), **SAMPLES)


def test_the_fake_clock_moves_only_when_told():
    clock = FakeClock()
    start = clock()
    assert clock() == start
    assert clock.advance("10m") - start == timedelta(minutes=10)
    assert clock.advance(1.5) - start == timedelta(minutes=10, seconds=1.5)
    assert clock.advance(-timedelta(hours=1)) == clock()
    with pytest.raises(ValueError, match="aware"):
        FakeClock(start.replace(tzinfo=None))


def test_the_recorder_keeps_what_it_is_told():
    recorder = Recorder()
    for tool in ("a", "b", "a"):
        recorder.record(ToolMetric(tool, "agent", 1.0, success=True))
    assert [metric.tool_name for metric in recorder.metrics] == ["a", "b", "a"]
    assert len(recorder.of("a")) == 2
    assert recorder.health().message == "3 metrics"
