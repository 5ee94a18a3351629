"""Which plugin is active for each kind. No plugin: no dispatch, one call to a no-op.

Registering binds the hook's own method on the registry, in place of the no-op that stands there; the registry
catches nothing and adds nothing. What to do when a hook misbehaves is the gate's work (gate.py).
"""

from __future__ import annotations

from _thread import allocate_lock  # what `threading.Lock` is

from codespar_cli.core.calls import PolicyDecision
from codespar_cli.core.light_typing import TYPE_CHECKING
from codespar_cli.errors import DuplicatePlugin, InvalidPlugin, RegistrySealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from codespar_cli.core.calls import CallContext, Cost, ToolCall, ToolMetric
    from codespar_cli.core.hooks import IntegrationHook, ObservabilityHook, PolicyHook, SecretsHook

ALLOWED_WITHOUT_POLICY = PolicyDecision(allowed=True, reason="no policy is active", code="no_policy")


class PluginRegistry:
    """One policy, one observability, one secrets hook, and any number of integrations."""

    def __init__(self) -> None:
        self._policy: PolicyHook | None = None
        self._observability: ObservabilityHook | None = None
        self._secrets: SecretsHook | None = None
        self._integrations: dict[str, IntegrationHook] = {}
        self._sealed = False
        self._lock = allocate_lock()

    # ── registering ──

    def register_policy(self, hook: PolicyHook) -> None:
        """Make `hook` the policy. Raises DuplicatePlugin, RegistrySealed or InvalidPlugin."""
        with self._lock:
            self._admit("policy", hook, ("evaluate",), self._policy)
            self._policy = hook
            self._bind(hook, evaluate_policy="evaluate", record_policy_usage="record_usage")
            self._bind(hook, release_policy_reservation="release")

    def register_observability(self, hook: ObservabilityHook) -> None:
        """Make `hook` the receiver of metrics. Raises as `register_policy`."""
        with self._lock:
            self._admit("observability", hook, ("record",), self._observability)
            self._observability = hook
            self._bind(hook, record_metric="record")

    def register_secrets(self, hook: SecretsHook) -> None:
        """Make `hook` the source of secrets. A second one is refused: it could steal what the first one holds."""
        with self._lock:
            self._admit("secrets", hook, ("get",), self._secrets)
            self._secrets = hook
            self._bind(hook, get_secret="get")  # noqa: S106  a method, not a password

    def register_integration(self, hook: IntegrationHook) -> None:
        """Add a connector under its `id`. Raises as `register_policy`; an id can be taken once."""
        with self._lock:
            identity = getattr(hook, "id", None)
            if not isinstance(identity, str) or not identity:
                raise InvalidPlugin(f"integration {type(hook).__name__} has no `id`")
            self._admit(f"integration `{identity}`", hook, ("handle_webhook",), self._integrations.get(identity))
            self._integrations[identity] = hook

    def seal(self) -> None:
        """Refuse every registration from now on."""
        self._sealed = True

    # ── the no-ops; `_bind` puts a hook's own method in their place ──

    def evaluate_policy(
        self, agent_id: str, tool_name: str, estimated_cost: Cost | None = None, context: CallContext | None = None
    ) -> PolicyDecision:
        # `context` is positional here, unlike in the contract: CPython specialises only calls of functions without
        # keyword-only parameters, and this is the call that must cost nothing.
        return ALLOWED_WITHOUT_POLICY

    def record_policy_usage(
        self, agent_id: str, tool_name: str, cost: Cost | None, reservation_id: str | None = None
    ) -> object:
        return None

    def release_policy_reservation(self, reservation_id: str) -> object:
        return None

    def record_metric(self, metric: ToolMetric) -> object:
        return None

    def get_secret(self, tenant_id: str, key: str, *, call: ToolCall | None = None) -> str | None:
        return None

    # ── asking ──

    def get_integration(self, integration_id: str) -> IntegrationHook | None:
        return self._integrations.get(integration_id)

    def get_status(self) -> dict[str, Any]:
        """`{"policy": True, "observability": False, "secrets": True, "integrations": ["github"]}`."""
        return {
            "policy": self._policy is not None,
            "observability": self._observability is not None,
            "secrets": self._secrets is not None,
            "integrations": list(self._integrations),
        }

    @property
    def sealed(self) -> bool:
        return self._sealed

    @property
    def policy(self) -> PolicyHook | None:
        return self._policy

    @property
    def observability(self) -> ObservabilityHook | None:
        return self._observability

    @property
    def secrets(self) -> SecretsHook | None:
        return self._secrets

    @property
    def integrations(self) -> Mapping[str, IntegrationHook]:
        from types import MappingProxyType

        return MappingProxyType(self._integrations)

    def __repr__(self) -> str:
        active = [kind for kind in ("policy", "observability", "secrets") if getattr(self, f"_{kind}") is not None]
        count = len(self._integrations)
        state = "sealed" if self._sealed else "open"
        return f"<PluginRegistry {state}: {', '.join(active) or 'no plugins'}, {count} integrations>"

    def _bind(self, hook: object, **methods: str) -> None:
        for mine, theirs in methods.items():
            method = getattr(hook, theirs, None)
            if callable(method):
                setattr(self, mine, method)

    def _admit(self, what: str, hook: object, required: tuple[str, ...], present: object) -> None:
        if self._sealed:
            raise RegistrySealed(f"the registry is sealed: {what} cannot be registered any more")
        if present is not None:
            raise DuplicatePlugin(f"{what} is already registered", hint="codespar plugins status shows what is active")
        for method in required:
            if not callable(getattr(hook, method, None)):
                raise InvalidPlugin(f"{what}: {type(hook).__name__} has no method `{method}`")


plugin_registry = PluginRegistry()
"""The registry of programs that register by hand. `codespar_cli.load()` makes its own."""
