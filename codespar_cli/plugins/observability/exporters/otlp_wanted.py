"""Whether anybody named an endpoint. Cheap, since every command asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError

ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)


def is_wanted(options: Mapping[str, Any], services: Services) -> bool:
    try:
        return "otlp_endpoint" in options or any(services.resolve(f"env:{name}") for name in ENDPOINTS)
    except ConfigError:
        return True  # it has a value, which is no text: `otlp_settings` says so
