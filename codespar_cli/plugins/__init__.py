"""The built-in plugins, as one table. Nothing here is imported before it is active.

A target is called with `(options, services)`, exactly as an installed plugin's entry point is.
Each kind's package says in `OPTIONS` which keys its built-in backends understand in plugins.toml.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from codespar_cli.core.options import Check

BUILTINS: dict[str, dict[str, str]] = {
    "policy": {
        "engine": "codespar_cli.plugins.policy.engine:PolicyEngine.from_options",
        "cedar": "codespar_cli.plugins.policy.foreign.cedar:from_options",
        "rego": "codespar_cli.plugins.policy.foreign.rego:from_options",
    },
    "observability": {
        "observer": "codespar_cli.plugins.observability.observer:MCPObserver.from_options",
    },
    "secrets": {
        "none": "codespar_cli.plugins.secrets.environment:EnvironmentSecrets.from_options",
        "vault": "codespar_cli.plugins.secrets.vault:SecretsVault.from_options",
        "keyring": "codespar_cli.plugins.secrets.keyring_secrets:KeyringSecrets.from_options",
        "hashicorp": "codespar_cli.plugins.secrets.hashicorp:HashicorpSecrets.from_options",
    },
    "integrations": {
        "github": "codespar_cli.plugins.integrations.github:GitHub.from_options",
        "sentry": "codespar_cli.plugins.integrations.sentry:Sentry.from_options",
        "linear": "codespar_cli.plugins.integrations.linear:Linear.from_options",
        "jira": "codespar_cli.plugins.integrations.jira:Jira.from_options",
        "datadog": "codespar_cli.plugins.integrations.datadog:Datadog.from_options",
        "pagerduty": "codespar_cli.plugins.integrations.pagerduty:PagerDuty.from_options",
    },
}


def builtin_options() -> dict[str, Mapping[str, Mapping[str, Check]]]:
    """Kind -> backend -> known keys of its table in plugins.toml."""
    from codespar_cli.plugins import integrations, observability, policy, secrets

    return {
        "policy": policy.OPTIONS,
        "observability": observability.OPTIONS,
        "secrets": secrets.OPTIONS,
        "integrations": integrations.OPTIONS,
    }
