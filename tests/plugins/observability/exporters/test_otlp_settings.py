from __future__ import annotations

import pytest

from codespar_cli.core.services import Services
from codespar_cli.errors import ConfigError
from codespar_cli.plugins.observability.exporters.options import ENDPOINT
from codespar_cli.plugins.observability.exporters.otlp_settings import otlp_settings
from codespar_cli.plugins.observability.exporters.otlp_wanted import is_wanted

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def services_of(tmp_path, environ, *, users_own=True):
    return Services(tmp_path, resolve=lambda reference: environ.get(reference.partition(":")[2]), users_own=users_own)


@pytest.fixture
def read(tmp_path):
    def read(environ=(), **options):
        return otlp_settings(options, services_of(tmp_path, dict(environ)))

    return read


def places(settings):
    return [
        None
        if signal is None
        else f"{'s' * signal.target.secure}{signal.target.host}:{signal.target.port}{signal.target.path}"
        for signal in (settings.traces, settings.metrics)
    ]


@pytest.mark.parametrize(
    ("environ", "option", "expected"),
    [
        ({BASE: "http://a:4318"}, None, ["a:4318/v1/traces", "a:4318/v1/metrics"]),
        ({BASE: "http://a:4318/"}, None, ["a:4318/v1/traces", "a:4318/v1/metrics"]),
        ({BASE: "https://a/otlp"}, None, ["sa:443/otlp/v1/traces", "sa:443/otlp/v1/metrics"]),
        ({}, "http://f:4318", ["f:4318/v1/traces", "f:4318/v1/metrics"]),
        ({BASE: "http://a:1"}, "http://f:4318", ["a:1/v1/traces", "a:1/v1/metrics"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t:1/x?k=v"}, None, ["t:1/x?k=v", None]),
        ({BASE: "http://a:1", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://m:2"}, None, ["a:1/v1/traces", "m:2/"]),
        ({BASE: "http://a:1", "OTEL_TRACES_EXPORTER": "none"}, None, [None, "a:1/v1/metrics"]),
    ],
)
def test_endpoints_are_found_as_opentelemetry_says(read, environ, option, expected):
    assert places(read(environ, **({"otlp_endpoint": option} if option else {}))) == expected


@pytest.mark.parametrize(
    "environ",
    [
        {BASE: "http://a", "OTEL_SDK_DISABLED": "TRUE"},
        {BASE: "http://a", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
)
def test_it_can_be_switched_off(read, environ):
    assert read(environ) is None


def test_headers_are_decoded_a_signal_has_its_own_and_nothing_shows_them(read):
    found = read({BASE: "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "api-key = s3cret%2Ckey ,x=1",
                  "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x=2"})  # fmt: skip
    assert found.traces.headers == {"api-key": "s3cret,key", "x": "1"}
    assert found.metrics.headers == {"x": "2"}
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "environ",
    [
        {BASE: "a:4318"},
        {BASE: "ftp://a"},
        {BASE: "http://user:s3cret@a"},
        {BASE: "http://a:99999"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "s3cret"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=s3cret%0d%0aevil: 1"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "a b=s3cret"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "content-length=3"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"},
    ],
)
def test_a_wrong_variable_is_a_problem_that_stops_nothing_and_shows_no_secret(read, environ):
    found = read({BASE: "http://a", **environ})
    assert found.problem.startswith(("OTEL_", "the OTLP endpoint"))
    assert "s3cret" not in found.problem
    assert (found.traces, found.metrics) == (None, None)


def test_the_rest_is_read(read):
    found = read({
        BASE: "http://a", "OTEL_EXPORTER_OTLP_TIMEOUT": "250", "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Delta", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=x,deployment.environment=prod", "OTEL_SERVICE_NAME": "agents",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    })  # fmt: skip
    assert (found.timeout_s, found.interval_s, found.delta, found.gzip) == (0.25, 1.0, True, True)
    assert found.resource == {"service.name": "agents", "deployment.environment": "prod"}


@pytest.mark.parametrize(
    "address", ["http://collector.example", "http://127.0.0.1.example", "http://10.0.0.1", "http://["]
)
def test_a_projects_file_cannot_send_telemetry_to_another_machine(tmp_path, address):
    options = {"otlp_endpoint": address}
    with pytest.raises(ConfigError) as caught:
        otlp_settings(options, services_of(tmp_path, {BASE: "http://mine"}, users_own=False))
    assert caught.value.key == "otlp_endpoint"
    assert otlp_settings({}, services_of(tmp_path, {BASE: "http://mine"}, users_own=False)) is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_projects_file_may_name_a_collector_on_this_machine(tmp_path, host):
    found = otlp_settings({"otlp_endpoint": f"http://{host}:4318"}, services_of(tmp_path, {}, users_own=False))
    assert found is not None
    assert found.traces is not None


def test_who_named_no_endpoint_is_not_asked_for_more(tmp_path):
    assert not is_wanted({}, services_of(tmp_path, {"OTEL_SERVICE_NAME": "x", BASE: ""}))
    assert is_wanted({"otlp_endpoint": "x"}, services_of(tmp_path, {}))
    assert is_wanted({}, services_of(tmp_path, {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "x"}))


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("http://127.0.0.1:4318", True),
        ("https://collector.example/otlp", True),
        ("127.0.0.1:4318", False),
        ("http://", False),
        ("http://u:s3cret@a", False),
        ("http://a?x=1", False),
        ("http://a:0", False),
        (4318, False),
    ],
)
def test_the_option_is_a_url(url, fits):
    problems = list(ENDPOINT(url, ("observability", "otlp_endpoint")))
    assert (problems == []) == fits
    assert "s3cret" not in str(problems)


def test_a_variable_that_is_no_text_is_a_problem_and_no_error(tmp_path):
    from codespar_cli.core.references import Resolver

    resolve = Resolver({BASE: "http://a\udcff"}, tmp_path, None)
    services = Services(tmp_path, resolve=resolve)
    assert is_wanted({}, services)
    assert otlp_settings({}, services).problem == f"{BASE}: expected text in UTF-8"
