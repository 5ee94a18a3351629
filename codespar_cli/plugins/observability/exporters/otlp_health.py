"""An exporter from the configuration, and what `codespar plugins status` says about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codespar_cli.core.hooks import Health
from codespar_cli.core.services import Services
from codespar_cli.errors import CodesparError
from codespar_cli.plugins.observability.exporters.otlp_exporter import OtlpExporter
from codespar_cli.plugins.observability.exporters.otlp_record import DeliveryRecord
from codespar_cli.plugins.observability.exporters.otlp_settings import otlp_settings


def exporter_of(options: Mapping[str, Any], services: Services) -> OtlpExporter | None:
    """None when it is switched off. Opens nothing. Raises ConfigError, see `otlp_settings`."""
    settings = otlp_settings(options, services)
    if settings is None:
        return None
    return OtlpExporter(settings, DeliveryRecord(services.state_dir), clock=services.clock)


def with_exporting(health: Health, exporter: OtlpExporter) -> Health:
    """The health of the store, and how the collector fares: what was dropped is told for good."""
    if health.state == "error":
        return health
    if exporter.problem is not None:
        return Health("warning", f"{health.message}; nothing is exported: {exporter.problem}", health.hint)
    try:
        found = exporter.delivery()
    except CodesparError as error:
        return Health("warning", f"{health.message}; exporting: {error}", error.hint or health.hint)
    words = [health.message]
    if found.dropped:
        words.append(f"{found.dropped} call{'' if found.dropped == 1 else 's'} did not reach the collector")
    if found.failure is None:
        return Health(health.state, "; ".join(words), health.hint)
    return Health("warning", "; ".join([*words, f"exporting fails: {found.failure}"]), health.hint)
