"""codespar: know and limit what AI agents do with their tools.

    import codespar_cli

    gate = codespar_cli.load()                      # plugins.toml, found as the CLI finds it
    with gate.call("deploy-bot", "deploy/run", cost="0.50", args={"environment": "staging"}) as call:
        ...                                          # runs only if the policy says so

Names are imported when they are used: `import codespar_cli` costs next to nothing. Nothing at all is imported here, not
even `__future__`: for `python -m` that would be looked for in the working directory first.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from codespar_cli.core.gate import Gate
    from codespar_cli.core.hooks import (
        CallContext,
        Health,
        IntegrationEvent,
        IntegrationHook,
        ObservabilityHook,
        PolicyDecision,
        PolicyHook,
        SecretsHook,
        ToolCall,
        ToolMetric,
    )
    from codespar_cli.core.outcome import Outcome
    from codespar_cli.core.registry import PluginRegistry, plugin_registry
    from codespar_cli.errors import ApprovalRequired, CallDenied, CodesparError, ConfigError
    from codespar_cli.startup import load

__all__ = [
    "ApprovalRequired",
    "CallContext",
    "CallDenied",
    "CodesparError",
    "ConfigError",
    "Gate",
    "Health",
    "IntegrationEvent",
    "IntegrationHook",
    "ObservabilityHook",
    "Outcome",
    "PluginRegistry",
    "PolicyDecision",
    "PolicyHook",
    "SecretsHook",
    "ToolCall",
    "ToolMetric",
    "load",
    "plugin_registry",
]

_HOMES = {
    "codespar_cli.errors": ("ApprovalRequired", "CallDenied", "CodesparError", "ConfigError"),
    "codespar_cli.core.gate": ("Gate",),
    "codespar_cli.core.outcome": ("Outcome",),
    "codespar_cli.core.registry": ("PluginRegistry", "plugin_registry"),
    "codespar_cli.startup": ("load",),
    "codespar_cli.core.hooks": (
        "CallContext",
        "Health",
        "IntegrationEvent",
        "IntegrationHook",
        "ObservabilityHook",
        "PolicyDecision",
        "PolicyHook",
        "SecretsHook",
        "ToolCall",
        "ToolMetric",
    ),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}
_VERSION = "0.1.0"


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        return _VERSION
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
