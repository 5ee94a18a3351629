"""Which addresses deliveries are taken at: one for each tenant and provider that can be verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codespar_cli.core.administration.webhooks import JSON, Identifying, Timed, Verifying, Wire
from codespar_cli.core.hooks import IntegrationHook
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError
from codespar_cli.webhooks.authenticity import wire_of
from codespar_cli.webhooks.keys import Keys


class Endpoint(NamedTuple):
    """`keys` is None where nothing is verified, by the operator's own word. `single` are the headers, in lower case, that
    may come once only; `identifying` and `timed` say what the connector can tell."""

    tenant: str
    provider: str
    hook: IntegrationHook
    wire: Wire
    keys: Keys | None
    single: tuple[tuple[bytes, bool], ...]
    identifying: bool
    timed: bool

    def takes(self, content_type: str) -> bool:
        """Whether a body of this type may be one of the provider's; a missing type may."""
        kind = content_type.partition(";")[0].strip().lower()
        return (
            not kind
            or kind in self.wire.content_types
            or (JSON in self.wire.content_types and kind.startswith("application/") and kind.endswith("+json"))
        )


class Endpoints(NamedTuple):
    """`served` by tenant and provider; `left_out`, as lines, those that cannot be verified."""

    served: Mapping[tuple[str, str], Endpoint]
    tenant: str
    left_out: tuple[str, ...]

    def find(self, tenant: str | None, provider: str) -> Endpoint | None:
        return self.served.get((self.tenant if tenant is None else tenant, provider))

    def secrets(self) -> list[str]:
        """Those that deliveries are verified with now."""
        return [each for endpoint in self.served.values() if endpoint.keys for each in endpoint.keys.latest]


def endpoints_of(integrations: Mapping[str, IntegrationHook], tenant: str, *, verify: bool) -> Endpoints:
    """Those of `tenant`, whom the file names, and of every tenant with a table of its own. Where nothing is to be verified
    all of them are served, and `left_out` tells those whose secret could not be had.

    Raises ConfigError when secrets are configured and none of them has a value, and what fetching them raises.
    """
    served: dict[tuple[str, str], Endpoint] = {}
    left_out = []
    for provider, hook in integrations.items():
        for whose in (tenant, *sorted(_tenants_of(hook) - {tenant})):
            own = whose in _tenants_of(hook)
            keys, why_not = (
                _keys_of(hook, provider, whose, own) if verify else (None, _missing(hook, provider, whose, own))
            )
            if why_not:
                left_out.append(why_not)
            if keys is not None or not verify:
                served[whose, provider] = _endpoint(whose, provider, hook, keys)
    return Endpoints(served, tenant, tuple(left_out))


def _tenants_of(hook: Any) -> frozenset[str]:
    found = getattr(hook, "tenants", ())
    return (
        frozenset(name for name in found if isinstance(name, str))
        if isinstance(found, set | frozenset)
        else frozenset()
    )


def _missing(hook: IntegrationHook, provider: str, tenant: str, own: bool) -> str:
    """Why a delivery could not be verified though a secret is configured; empty when it could, or when none is."""
    try:
        _keys_of(hook, provider, tenant, own)
    except CodesparError as error:
        return f"`{_shown(provider, tenant, own)}` could not be verified: {error.message}"
    return ""


def _shown(provider: str, tenant: str, own: bool) -> str:
    return f"{visible(tenant)}/{visible(provider)}" if own else visible(provider)


def _keys_of(hook: IntegrationHook, provider: str, tenant: str, own: bool) -> tuple[Keys | None, str]:
    """None, and why, when there is nothing to verify a delivery with."""
    name = _shown(provider, tenant, own)
    if not isinstance(hook, Verifying) or not wire_of(hook).signed:
        return None, f"`{name}` is not served: its connector cannot verify a signature"
    verifying: Verifying = hook

    def fetch() -> Sequence[str]:
        return verifying.secrets(tenant) if own else verifying.secrets()

    values = fetch()
    if not any(value.strip() for value in values):
        table = f"integrations.tenants.{visible(tenant)}.{provider}" if own else f"integrations.{provider}"
        return None, f"`{name}` is not served: [{table}] has no `secret`"
    keys = Keys(fetch)
    keys.prime(values)
    return keys, ""


def _endpoint(tenant: str, provider: str, hook: IntegrationHook, keys: Keys | None) -> Endpoint:
    wire = wire_of(hook)
    names = (wire.signature_header, wire.event_header, wire.delivery_header, wire.time_header)
    single = tuple((name.lower().encode(), name == wire.signature_header) for name in dict.fromkeys(names) if name)
    timed = wire.skew is not None and isinstance(hook, Timed)
    return Endpoint(tenant, provider, hook, wire, keys, single, isinstance(hook, Identifying), timed)
