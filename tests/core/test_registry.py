"""The registry: what is bound, what is refused, what it says of itself."""

import pytest

from codespar_cli.core.hooks import PolicyDecision
from codespar_cli.core.registry import PluginRegistry, plugin_registry
from codespar_cli.errors import DuplicatePlugin, InvalidPlugin, RegistrySealed


class Policy:
    def __init__(self):
        self.usage = []

    def evaluate(self, agent_id, tool_name, estimated_cost=None, *, context=None):
        return PolicyDecision(allowed=False, reason="no")

    def record_usage(self, agent_id, tool_name, cost, *, reservation_id=None):
        self.usage.append((agent_id, tool_name, cost, reservation_id))


class Observer:
    def record(self, metric):
        self.last = metric


class Secrets:
    def get(self, tenant_id, key):
        return f"{tenant_id}/{key}"


class Connector:
    def __init__(self, identity):
        self.id = identity
        self.name = identity.title()

    async def handle_webhook(self, payload, headers):
        return None


REGISTRATIONS = [
    ("register_policy", Policy),
    ("register_observability", Observer),
    ("register_secrets", Secrets),
    ("register_integration", lambda: Connector("github")),
]


def test_a_bare_registry_allows_drops_and_knows_nothing():
    registry = PluginRegistry()
    assert registry.evaluate_policy("a", "t", 3, context=None).allowed is True
    assert registry.record_policy_usage("a", "t", 1) is None
    assert registry.record_metric(object()) is None
    assert registry.get_secret("tenant", "key") is None
    assert registry.get_integration("github") is None
    assert registry.get_status() == {"policy": False, "observability": False, "secrets": False, "integrations": []}


def test_registering_binds_the_hooks_own_methods():
    registry, policy, observer, secrets = PluginRegistry(), Policy(), Observer(), Secrets()
    registry.register_policy(policy)
    registry.register_observability(observer)
    registry.register_secrets(secrets)
    assert registry.evaluate_policy == policy.evaluate
    assert registry.record_policy_usage == policy.record_usage
    assert registry.record_metric == observer.record
    assert registry.get_secret("t", "k") == "t/k"


def test_optional_methods_that_a_hook_lacks_stay_no_ops():
    class Minimal:
        def evaluate(self, agent_id, tool_name, estimated_cost=None):
            return PolicyDecision(allowed=True)

    registry = PluginRegistry()
    registry.register_policy(Minimal())
    assert registry.record_policy_usage("a", "t", 1) is None
    assert registry.release_policy_reservation("rs-1") is None


def test_status_lists_integrations_in_the_order_of_registration():
    registry = PluginRegistry()
    for identity in ("sentry", "linear"):
        registry.register_integration(Connector(identity))
    registry.register_policy(Policy())
    assert registry.get_status() == {
        "policy": True,
        "observability": False,
        "secrets": False,
        "integrations": ["sentry", "linear"],
    }


@pytest.mark.parametrize(("method", "make"), REGISTRATIONS)
def test_a_second_registration_is_refused_and_changes_nothing(method, make):
    registry, first = PluginRegistry(), make()
    getattr(registry, method)(first)
    before = registry.get_status(), registry.evaluate_policy, registry.record_metric, registry.get_secret
    with pytest.raises(DuplicatePlugin):
        getattr(registry, method)(make())
    assert before == (
        registry.get_status(),
        registry.evaluate_policy,
        registry.record_metric,
        registry.get_secret,
    )


@pytest.mark.parametrize(("method", "make"), REGISTRATIONS)
def test_a_sealed_registry_refuses_everything(method, make):
    registry = PluginRegistry()
    registry.seal()
    with pytest.raises(RegistrySealed):
        getattr(registry, method)(make())
    assert registry.get_status()["integrations"] == []


@pytest.mark.parametrize(("method", "make"), REGISTRATIONS)
def test_an_object_without_the_required_method_is_refused(method, make):
    with pytest.raises(InvalidPlugin):
        getattr(PluginRegistry(), method)(object())


def test_a_hook_that_raises_raises_through_the_registry():
    class Broken:
        def evaluate(self, *args, **kwargs):
            raise RuntimeError("boom")

    registry = PluginRegistry()
    registry.register_policy(Broken())
    with pytest.raises(RuntimeError, match="boom"):
        registry.evaluate_policy("a", "t")


def test_repr_shows_kinds_and_counts_never_values():
    registry = PluginRegistry()
    registry.register_secrets(Secrets())
    assert repr(registry) == "<PluginRegistry open: secrets, 0 integrations>"


def test_the_singleton_is_a_registry_of_its_own():
    assert isinstance(plugin_registry, PluginRegistry)
