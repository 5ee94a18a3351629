"""The secrets of one provider, as references: looked up when they are needed, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from codespar_cli.core.hooks import Health
from codespar_cli.core.references import unresolved

Resolve: TypeAlias = Callable[[str], str | None]
_VERIFIABLE = Health("ok", "signatures can be verified")


class Credentials:
    """`tenants` are the tables `[integrations.tenants.<tenant>.<provider>]`: a `secret:` of theirs is the tenant's own."""

    def __init__(
        self, provider: str, secret: str | Sequence[str], resolve: Resolve, tenants: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self._provider = provider
        self._resolve = resolve
        self._references = _listed(secret)
        self._of_tenants = {tenant: _listed(table.get("secret", ())) for tenant, table in tenants.items()}

    @property
    def tenants(self) -> frozenset[str]:
        return frozenset(self._of_tenants)

    def values(self, tenant: str | None = None) -> tuple[str, ...]:
        """Those that have a value. Raises ConfigError when there are references and none has, and what resolving raises."""
        references, resolve, table = self._references, self._resolve, "integrations"
        if tenant is not None and tenant in self._of_tenants:
            references, resolve = self._of_tenants[tenant], _for_tenant(self._resolve, tenant)
            table = f"integrations.tenants.{tenant}"
        found = _found(references, resolve)
        if references and not found:
            raise unresolved(resolve, *references, key=f"{table}.{self._provider}.secret")
        return found

    def health(self) -> Health:
        """Of the references only environment variables are looked at."""
        if not self._references:
            return Health("ok", "no secret configured: signatures cannot be verified")
        missing = [name for name in self._references if name.startswith("env:") and not self._resolve(name)]
        if missing:
            return Health("warning", f"{missing[0].partition(':')[2]} is not set: its signatures cannot be verified")
        if any(not name.startswith("env:") for name in self._references):
            return Health("ok", "secret configured, not looked up")
        return _VERIFIABLE

    def check(self) -> Health:
        """Every reference is really resolved. Raises what resolving raises."""
        if not self._references:
            return self.health()
        if len(_found(self._references, self._resolve)) < len(self._references):
            return Health("warning", "not every configured secret has a value")
        return _VERIFIABLE


def _listed(secret: str | Sequence[str]) -> tuple[str, ...]:
    return (secret,) if isinstance(secret, str) else tuple(secret)


def _found(references: tuple[str, ...], resolve: Resolve) -> tuple[str, ...]:
    return tuple(value for reference in references if (value := resolve(reference)))


def _for_tenant(resolve: Resolve, tenant: str) -> Resolve:
    of_tenant = getattr(resolve, "of_tenant", None)
    return of_tenant(tenant) if callable(of_tenant) else resolve
