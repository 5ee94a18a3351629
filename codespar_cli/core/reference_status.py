"""Whether the references of a configuration have a value: looked up, counted and let go of, never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from codespar_cli.core.clock import Clock, system_clock
from codespar_cli.core.config import Backend, Config
from codespar_cli.core.loader import Builtins, resolver_for
from codespar_cli.core.references import is_reference
from codespar_cli.core.text import visible
from codespar_cli.core.webhook_options import TENANTS
from codespar_cli.errors import CodesparError, StoreUnreachable


class ReferenceStatus(NamedTuple):
    """`key` is where it stands, such as `integrations.github.secret` or `integrations.tenants.acme.github.secret`; `problem` is None when it has a value.

    `unset` says that there merely is no value, and nothing is wrong with the place.
    """

    key: str
    reference: str
    problem: str | None = None
    hint: str | None = None
    unset: bool = False


def reference_statuses(
    config: Config, builtins: Builtins, *, clock: Clock = system_clock, environ: Mapping[str, str] | None = None
) -> list[ReferenceStatus]:
    """Every reference in the tables of the active plugins, but not in that of the secrets plugin.

    What opens the secrets plugin is its own health's business. What stands in the table of a tenant is asked for that
    tenant. Each lookup goes on its record like any other.
    """
    resolver = resolver_for(config, builtins, clock=clock, environ=environ)
    found: list[ReferenceStatus] = []
    away: StoreUnreachable | None = None
    for key, reference, tenant in _references(config):
        resolve = resolver if tenant is None else resolver.of_tenant(tenant)
        try:
            if away is not None and reference.startswith("secret:"):
                raise away  # whoever waits for this has waited enough
            if resolve.look(reference):
                found.append(ReferenceStatus(key, reference))
            else:
                found.append(ReferenceStatus(key, reference, "has no value", resolve.advice(reference), unset=True))
        except CodesparError as error:
            away = error if isinstance(error, StoreUnreachable) else away
            found.append(ReferenceStatus(key, reference, error.message, error.hint))
        except Exception as error:  # another's secrets plugin; its words could quote what it holds
            found.append(ReferenceStatus(key, reference, f"cannot be looked up: {type(error).__name__}"))
    return found


def _references(config: Config) -> Iterator[tuple[str, str, str | None]]:
    """Where each stands, the reference, and the tenant in whose table that is."""
    for kind in ("policy", "observability", "integrations"):
        for backend in config.backends(kind):
            options = dict(backend.options)
            tables = options.pop(TENANTS, {}) if kind == "integrations" else {}
            yield from ((key, reference, None) for key, reference in _within(options, _table(backend)))
            for tenant, table in tables.items():
                place = f"{kind}.{TENANTS}.{visible(tenant)}.{visible(backend.name)}"
                yield from ((key, reference, tenant) for key, reference in _within(table, place))


def _table(backend: Backend) -> str:
    return f"{backend.kind}.{visible(backend.name)}" if backend.kind == "integrations" else backend.kind


def _within(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _within(inner, f"{key}.{visible(str(name))}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _within(inner, f"{key}[{index}]")
    elif is_reference(value):
        yield key, value
