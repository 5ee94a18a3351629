"""Where telemetry goes and how: `otlp_endpoint` in plugins.toml, and OpenTelemetry's own variables.

The variables win, as everywhere: "OpenTelemetry Protocol Exporter" and "Environment Variable Specification" at
opentelemetry.io say what they mean. What is wrong with one switches the exporting off, with a warning in
`codespar plugins status`: it was set for every program of the user, and must not stop this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from codespar_cli.core.clock import system_clock
from codespar_cli.core.numerals import parse_whole
from codespar_cli.core.services import Services
from codespar_cli.core.text import visible
from codespar_cli.errors import ConfigError
from codespar_cli.net.exchange import Target

SPOKEN = "http/protobuf"
_TIMEOUT_MS = 10_000
_INTERVAL_MS = 60_000
_MOST_HEADERS = 100


@dataclass(frozen=True, slots=True)
class Signal:
    """One address that is sent to. Its headers may hold a credential, and are never shown."""

    target: Target
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class OtlpSettings:
    """`traces` and `metrics` are None where they are switched off; `problem` says what keeps both from being sent."""

    traces: Signal | None
    metrics: Signal | None
    timeout_s: float = _TIMEOUT_MS / 1000
    interval_s: float = _INTERVAL_MS / 1000
    delta: bool = False
    gzip: bool = False
    certificate: str | None = None
    resource: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None


def otlp_settings(options: Mapping[str, Any], services: Services) -> OtlpSettings | None:
    """None when everything is switched off.

    Raises ConfigError for an `otlp_endpoint` on another machine in a file that was found in a project: it would send
    elsewhere what its user's agents do.
    """
    if "otlp_endpoint" in options and not services.users_own and not _is_here(options["otlp_endpoint"]):
        raise ConfigError(
            "only the user's own configuration may send telemetry to another machine, and this file was found in a project",
            key="otlp_endpoint",
            hint="move it to ~/.config/codespar/plugins.toml, or export OTEL_EXPORTER_OTLP_ENDPOINT=…",
        )
    variables = _Variables(services)
    try:
        if variables.text("OTEL_SDK_DISABLED").lower() == "true":
            return None
        return _settings(options.get("otlp_endpoint"), variables)
    except ValueError as error:
        return OtlpSettings(None, None, problem=str(error))


def _is_here(endpoint: str) -> bool:
    """Whether an address names this machine without asking anybody."""
    try:
        return urlsplit(endpoint).hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        return False


class _Variables:
    def __init__(self, services: Services) -> None:
        self._resolve = services.resolve

    def text(self, name: str) -> str:
        try:
            return (self._resolve(f"env:{name}") or "").strip()
        except ConfigError:
            raise ValueError(f"{name}: expected text in UTF-8") from None

    def of_signal(self, signal: str, name: str) -> str:
        """The signal's own variable, else the one for all."""
        return self.text(f"OTEL_EXPORTER_OTLP_{signal}_{name}") or self.text(f"OTEL_EXPORTER_OTLP_{name}")

    def milliseconds(self, name: str, default: int) -> float:
        """In seconds."""
        text = self.text(name)
        try:
            return (parse_whole(text) if text else default) / 1000 or default / 1000
        except ValueError:
            raise ValueError(f"{name}: expected a whole number of milliseconds, found `{visible(text[:60])}`") from None


def _settings(endpoint: str | None, variables: _Variables) -> OtlpSettings | None:
    traces = _signal("TRACES", "v1/traces", endpoint, variables)
    metrics = _signal("METRICS", "v1/metrics", endpoint, variables)
    if traces is None and metrics is None:
        return None
    compression = variables.of_signal("TRACES", "COMPRESSION").lower()
    if compression not in {"", "none", "gzip"}:
        raise ValueError(
            f"OTEL_EXPORTER_OTLP_COMPRESSION: expected `gzip` or `none`, found `{visible(compression[:60])}`"
        )
    return OtlpSettings(
        traces,
        metrics,
        timeout_s=variables.milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", _TIMEOUT_MS),
        interval_s=variables.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", _INTERVAL_MS),
        delta=variables.text("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").lower() in {"delta", "lowmemory"},
        gzip=compression == "gzip",
        certificate=variables.text("OTEL_EXPORTER_OTLP_CERTIFICATE") or None,
        resource=_resource(variables),
    )


def _signal(signal: str, path: str, endpoint: str | None, variables: _Variables) -> Signal | None:
    """Raises ValueError, which names the variable and never its value where that may hold a credential."""
    if variables.text(f"OTEL_{signal}_EXPORTER").lower() == "none":
        return None
    own = variables.text(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    every = variables.text("OTEL_EXPORTER_OTLP_ENDPOINT") or (endpoint or "")
    url = own or (f"{every.rstrip('/')}/{path}" if every else "")
    if not url:
        return None
    protocol = variables.of_signal(signal, "PROTOCOL")
    if protocol not in {"", SPOKEN}:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL: expected `{SPOKEN}`, found `{visible(protocol[:60])}`")
    name = f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" if own else "the OTLP endpoint"
    try:
        target = Target.of(url)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    given = _pairs(variables.of_signal(signal, "HEADERS"), "OTEL_EXPORTER_OTLP_HEADERS")
    headers = {key.lower(): value for key, value in given}
    for key, value in headers.items():
        if not _is_token(key) or any(ord(char) < 32 or ord(char) > 126 for char in value):
            raise ValueError("OTEL_EXPORTER_OTLP_HEADERS: expected `name=value`, with names and values of HTTP headers")
    return Signal(target, headers)


def _pairs(text: str, name: str) -> Iterator[tuple[str, str]]:
    """`a=1,b=two%20words`. Raises ValueError, which repeats nothing of it."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if len(parts) > _MOST_HEADERS:
        raise ValueError(f"{name}: expected at most {_MOST_HEADERS} entries")
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{name}: expected `name=value` entries with commas between them")
        yield unquote(key.strip()), unquote(value.strip())


def _is_token(name: str) -> bool:
    """RFC 9110, 5.6.2; and no header that belongs to the connection."""
    return (
        name != ""
        and all(char.isascii() and (char.isalnum() or char in "!#$%&'*+-.^_`|~") for char in name)
        and name.lower() not in {"host", "content-length", "transfer-encoding", "connection"}
    )


def _resource(variables: _Variables) -> dict[str, str]:
    named = dict(_pairs(variables.text("OTEL_RESOURCE_ATTRIBUTES"), "OTEL_RESOURCE_ATTRIBUTES"))
    service = variables.text("OTEL_SERVICE_NAME")
    return {"service.name": "codespar", **named, **({"service.name": service} if service else {})}


def of_process() -> dict[str, str]:
    """What tells this process from others: sums of two must never be taken for one that went backwards."""
    import uuid

    return {"service.instance.id": str(uuid.uuid4())}


def now_ns() -> int:
    return int(system_clock().timestamp() * 1_000_000) * 1000
