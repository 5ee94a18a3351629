from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
import sys
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from codespar_cli.core.administration.metrics import ROW_KEYS

HOSTILE = "=cmd|' /C calc'!A1"


@pytest.fixture
def filled(codespar):
    lines = [
        {"tool": "git/push", "agent": "bot", "latency_ms": 10, "cost": "1.5", "time": "2026-11-20T10:00:00Z"},
        {
            "tool": "git/push",
            "agent": "eve",
            "error_type": "Timeout",
            "time": "2026-11-20T11:00:00Z",
            "input_tokens": 7,
        },
        {"tool": HOSTILE, "agent": "a\nb\x1b[2J", "tenant": "acme", "time": "2026-11-20T12:00:00Z"},
    ]
    assert codespar.run("metrics", "record", "--from", "-", given="\n".join(map(json.dumps, lines))).returncode == 0
    return codespar


def export(codespar, *arguments):
    done = codespar.run("metrics", "export", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_json_lines_are_those_of_tail_and_can_be_recorded_again(filled):
    lines = export(filled)
    assert lines == export(filled, "--format", "jsonl", "--output", "-")
    documents = [json.loads(line) for line in lines.splitlines()]
    tail = filled.run("metrics", "tail", "--no-follow", "-o", "json")
    assert documents == json.loads(tail.stdout)
    assert filled.run("metrics", "record", "--from", "-", given=lines).returncode == 0
    again = [json.loads(line) for line in export(filled).splitlines()[3:]]
    assert [{**document, "id": 0} for document in again] == [{**document, "id": 0} for document in documents]


def test_csv_has_every_key_and_runs_nothing(filled):
    text = export(filled, "--format", "csv")
    header, *rows = csv.reader(io.StringIO(text))
    assert tuple(header) == ROW_KEYS
    assert rows[0] == ["1", "2026-11-20T10:00:00.000000Z", "default", "", "", "bot", "git/push", "10.0", "true", "", "1.5",
                       "reported", "", "", ""]  # fmt: skip
    assert rows[2][5:7] == ["a\\x0ab\\x1b[2J", f"'{HOSTILE}"]
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), [1, 2, 3]),
        (("--tool", "git/*"), [1, 2]),
        (("--agent", "eve"), [2]),
        (("--since", "2026-11-20T11:00:00Z"), [2, 3]),
        (("--until", "2026-11-20T11:00:00Z"), [1]),
        (("--tenant", "acme"), [3]),
        (("--tool", "none"), []),
    ],
)
def test_only_what_is_wanted_is_exported(filled, arguments, ids):
    assert [json.loads(line)["id"] for line in export(filled, *arguments).splitlines()] == ids


@pytest.mark.parametrize(("format", "parse"), [("prometheus", parse_prometheus), ("openmetrics", parse_openmetrics)])
def test_sums_are_what_prometheus_reads(filled, format, parse):
    found = {family.name: family for family in parse(export(filled, "--format", format))}
    calls = {tuple(sample.labels.values()): sample.value for sample in found["codespar_tool_calls"].samples}
    assert calls["git/push", "eve", "Timeout"] == 1
    assert calls[HOSTILE, "a\\x0ab\\x1b[2J", "success"] == 1


def test_a_file_is_whole_or_untouched(filled, tmp_path):
    done = filled.run("metrics", "export", "--format", "csv", "--output", "calls.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "exported 3 calls to calls.csv\n")
    whole = (tmp_path / "calls.csv").read_text()
    assert whole == export(filled, "--format", "csv")
    before = set(tmp_path.iterdir())
    for part in filled.state_dir.glob("metrics.db*"):
        part.unlink()
    (filled.state_dir / "metrics.db").mkdir()
    done = filled.run("metrics", "export", "--format", "csv", "--output", "calls.csv")
    assert done.returncode in {1, 5}
    assert (tmp_path / "calls.csv").read_text() == whole
    assert set(tmp_path.iterdir()) == before


def test_a_file_keeps_its_rights_and_a_link_is_followed(filled, tmp_path):
    real = tmp_path / "real.jsonl"
    real.write_text("old")
    real.chmod(0o640)
    (tmp_path / "link.jsonl").symlink_to(real)
    assert filled.run("metrics", "export", "--output", "link.jsonl").returncode == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    assert real.read_text() == export(filled)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_can_be_written_to(filled, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = filled.start("metrics", "export", "--output", "pipe")
    text = (tmp_path / "pipe").read_text()
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize("place", ["missing/calls.csv", "."])
def test_a_place_that_cannot_be_written_is_told(filled, place):
    done = filled.run("metrics", "export", "--output", place)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {place}: cannot be written: ")


def test_parquet_without_its_extra_says_what_to_install(filled, tmp_path):
    if _has_pyarrow():
        filled.environ["PYTHONPATH"] = f"{tmp_path / 'hidden'}{os.pathsep}{filled.environ['PYTHONPATH']}"
        (tmp_path / "hidden").mkdir()
        (tmp_path / "hidden" / "pyarrow.py").write_text("raise ImportError")
    done = filled.run("metrics", "export", "--format", "parquet", "--output", "calls.parquet")
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs the extra `parquet`" in done.stderr
    assert "hint: pip install 'codespar-cli[parquet]'" in done.stderr
    assert not (tmp_path / "calls.parquet").exists()


def _has_pyarrow():
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None


def test_an_unknown_format_is_a_usage_error(filled):
    assert filled.run("metrics", "export", "--format", "xml").returncode == 2


def test_a_reader_that_has_enough_ends_it_silently(codespar):
    lines = '{"tool": "a"}\n' * 20_000
    assert codespar.run("metrics", "record", "--from", "-", given=lines).returncode == 0
    for form in ("jsonl", "csv"):
        process = codespar.start("metrics", "export", "--format", form)
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")


def test_memory_does_not_grow_with_the_rows(codespar):
    def peak(form):
        code = (
            "import resource, sys; from codespar_cli.__main__ import main\n"
            f"sys.argv = ['codespar', 'metrics', 'export', '--format', '{form}', '--output', '/dev/null']\n"
            "try: main()\nexcept SystemExit: pass\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=codespar.environ,
                              cwd=codespar.directory, timeout=120)  # fmt: skip
        return int(done.stdout)

    def record(count):
        assert codespar.run("metrics", "record", "--from", "-", given='{"tool": "git/push"}\n' * count).returncode == 0

    record(1000)
    for form in ("jsonl", "csv"):
        peak(form)
    few = {form: peak(form) for form in ("jsonl", "csv")}
    record(60_000)
    for form, before in few.items():
        assert peak(form) < before + 8_000  # KiB; sixty thousand rows held at once would be thirty thousand


# ── OTLP, from processes that live for one call ──


@pytest.fixture
def collector():
    from collector_kit import OK, serving

    with serving(OK) as server:
        yield server


def test_a_command_exports_what_it_records(codespar, collector):
    from collector_kit import attributes_of, metric_requests, metrics, traces

    codespar.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{collector.port}"
    assert (
        codespar.run("metrics", "record", "git/push", "--latency-ms", "12.5", "--at", "2026-11-20T10:00:00Z").returncode
        == 0
    )
    (span,) = traces(collector)
    assert (span.name, span.end_time_unix_nano) == ("execute_tool git/push", 1_795_168_800 * 10**9)
    assert attributes_of(span)["gen_ai.agent.name"] == "agent"
    (request,) = metric_requests(collector)
    assert metrics(request)["gen_ai.execute_tool.duration"].histogram.data_points[0].sum == 0.0125
    done = codespar.run("plugins", "status", "-o", "json")
    assert {one["kind"]: one["health"] for one in json.loads(done.stdout)}["observability"] == "ok"


def test_a_collector_that_never_answers_is_told_and_hardly_waited_for(codespar):
    from collector_kit import silent

    with silent() as (port, _):
        codespar.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{port}"
        begin = time.monotonic()
        assert codespar.run("metrics", "record", "git/push").returncode == 0
        first = time.monotonic() - begin
        begin = time.monotonic()
        assert codespar.run("metrics", "record", "git/push").returncode == 0
        second = time.monotonic() - begin
    assert first < 4
    assert second < first - 0.5  # it is left alone for a while
    message = _observability(codespar)["message"]
    assert "2 calls did not reach the collector" in message
    assert "no answer in time" in message
    assert "codespar_otlp_dropped_total 2" in codespar.run("metrics", "export", "--format", "prometheus").stdout


def _observability(codespar):
    found = json.loads(codespar.run("plugins", "status", "-o", "json").stdout)
    return next(one for one in found if one["kind"] == "observability")


def test_a_wrong_variable_is_a_warning_and_records_all_the_same(codespar):
    codespar.environ |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert codespar.run("metrics", "record", "git/push").returncode == 0
    found = _observability(codespar)
    assert found["health"] == "warning"
    assert "expected `http/protobuf`, found `grpc`" in found["message"]


def test_a_projects_file_cannot_send_telemetry_to_another_machine(codespar):
    codespar.configure("[observability]\nbackend = 'observer'\notlp_endpoint = 'http://collector.example'\n")
    done = codespar.run("metrics", "record", "git/push")
    assert done.returncode == 2
    assert "plugins.toml:4" in done.stderr
    assert "only the user's own configuration" in done.stderr


def test_a_projects_file_may_name_a_collector_on_this_machine(codespar, collector):
    from collector_kit import traces

    codespar.configure(f"[observability]\nbackend = 'observer'\notlp_endpoint = 'http://127.0.0.1:{collector.port}'\n")
    assert codespar.run("metrics", "record", "git/push").returncode == 0
    assert len(list(traces(collector))) == 1


def test_a_command_that_exports_nothing_imports_none_of_it(codespar):
    codespar.run("metrics", "record", "git/push")
    code = (
        "import sys; sys.argv = ['codespar', 'metrics', 'record', 'git/push']\n"
        "from codespar_cli.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('\\n'.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=codespar.environ,
                          cwd=codespar.directory, timeout=60)  # fmt: skip
    loaded = set(done.stdout.split("\n"))
    assert not [name for name in loaded if "otlp_exporter" in name or "prometheus" in name or "otlp_settings" in name]
    assert "ssl" not in loaded
    assert "codespar_cli.plugins.observability.costs.prices" not in loaded
