"""docs/exporters.md: its commands run, its names and numbers are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from codespar_cli.plugins.observability.exporters import (
    genai,
    otlp_exporter,
    otlp_metrics,
    otlp_post,
    prometheus_counters,
)

PAGE = (Path(__file__).parents[4] / "docs" / "exporters.md").read_text()


def section(title, level="##"):
    return re.search(rf"^{level} {title}.*?\n(.*?)(?=^{level} |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def test_the_commands_for_files_run(codespar, tmp_path):
    assert codespar.run("metrics", "record", "github/list", "--agent", "triage-1").returncode == 0
    for line in re.search(r"```console\n(.*?)```", section("Files"), re.DOTALL)[1].splitlines():
        words = shlex.split(line.removeprefix("$ codespar ").partition(" > ")[0])
        done = codespar.run(*words)
        if "parquet" in words and done.returncode == 2:
            assert "codespar-cli[parquet]" in done.stderr  # the page says that it has to be installed
            continue
        assert done.returncode == 0
    assert len((tmp_path / "calls.csv").read_text().splitlines()) == 2


def test_every_name_for_prometheus_is_there_and_no_other(observer, metric):
    from codespar_cli.core.administration.metrics import MetricFilter

    observer.record_all([metric(cost=1, input_tokens=1), metric(success=False)])
    families = {
        family.name: family for family in text_string_to_metric_families("".join(observer.exposition(MetricFilter())))
    }
    rows = re.findall(
        r"^\| `(codespar_\w+)` \| (counter|histogram|gauge) \| (.*?) \|", section("Prometheus"), re.MULTILINE
    )
    assert {(name.removesuffix("_total"), kind) for name, kind, _ in rows} == {
        (each.name, each.type) for each in families.values()
    }
    for name, _, labels in rows:
        for sample in families[name.removesuffix("_total")].samples:
            assert set(sample.labels) - {"le"} == {word for word in re.findall(r"`(\w+)`", labels) if word in LABELS}
    bounds = re.search(r"; ([0-9., ]+) s \|", PAGE)[1]
    assert tuple(map(float, bounds.split(", "))) == prometheus_counters.BOUNDS


LABELS = {"tool", "agent", "outcome", "source", "type", "check", "kind", "server", "severity"}


def test_every_attribute_of_a_span_is_named():
    telemetry = section("OpenTelemetry")
    constants = {value for name, value in vars(genai).items() if name.isupper() and isinstance(value, str)}
    for name in constants:
        if "." in name and name != genai.SEMCONV_GENAI:
            assert f"`{name}`" in telemetry, name
    assert f"conventions **{genai.SEMCONV_GENAI}**" in telemetry


def test_the_limits_are_those_of_the_code():
    words = " ".join(PAGE.split())
    assert f"a queue of {otlp_exporter.MAX_WAITING:,}" in words
    assert f"batches of {otlp_exporter.BATCH_ROWS}, at the latest after {otlp_exporter.GATHER_S:.0f} seconds" in words
    assert f"of which it reads {otlp_post._MOST // 1024} KiB" in words
    assert otlp_exporter.ATTEMPTS == 6
    assert f"for {otlp_exporter.QUIET.total_seconds():.0f} seconds" in words
    assert otlp_exporter.EXIT_S < 2
    assert f"At most {prometheus_counters.MAX_PAIRS:,} pairs" in words
    assert f"{prometheus_counters.MAX_OUTCOMES} outcomes" in words
    assert f"at most {otlp_metrics.MOST_SETS:,} sets" in words
