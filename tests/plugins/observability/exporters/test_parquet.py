from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

LOOK = """
import json, sys
from pyarrow import parquet
found = parquet.read_table(sys.argv[1])
print(json.dumps({
    "types": {field.name: str(field.type) for field in found.schema},
    "required": [field.name for field in found.schema if not field.nullable],
    "rows": [{key: None if value is None else str(value) for key, value in row.items()} for row in found.slice(0, 3).to_pylist()],
    "count": found.num_rows,
    "groups": parquet.ParquetFile(sys.argv[1]).num_row_groups,
}))
"""


@pytest.fixture(scope="module")
def arrow_site(tmp_path_factory):
    """pyarrow beside what the tests run on: 176 MB, so not among what every developer installs."""
    place = tmp_path_factory.mktemp("arrow")
    venv.create(place / "venv", with_pip=True)
    python = place / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "pyarrow>=22"], check=True, timeout=900)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([python, "-c", code], text=True).strip())


@pytest.mark.slow
def test_rows_become_typed_columns(codespar, arrow_site, tmp_path):
    codespar.environ["PYTHONPATH"] += f"{os.pathsep}{arrow_site}"
    lines = [
        {"tool": "git/push", "cost": "999999999.999999", "time": "2026-11-20T10:00:00.123456Z", "input_tokens": 7},
        {"tool": "=a\x1b", "error_type": "Timeout", "time": "1969-12-31T23:59:59Z", "latency_ms": 12.5},
    ]
    given = "\n".join(map(json.dumps, [*lines, *[{"tool": "many"}] * 60_000]))
    assert codespar.run("metrics", "record", "--from", "-", given=given).returncode == 0
    done = codespar.run("metrics", "export", "--format", "parquet", "--output", "calls.parquet")
    assert (done.returncode, done.stderr) == (0, "exported 60002 calls to calls.parquet\n")
    with (tmp_path / "piped.parquet").open("wb") as piped:
        command = [sys.executable, "-m", "codespar_cli", "metrics", "export", "--format", "parquet"]
        subprocess.run(command, check=True, stdout=piped, env=codespar.environ, cwd=tmp_path, timeout=120)
    for name in ("calls", "piped"):
        command = [sys.executable, "-c", LOOK, str(tmp_path / f"{name}.parquet")]
        found = json.loads(subprocess.check_output(command, env=codespar.environ, text=True, timeout=120))
        assert (found["count"], found["groups"]) == (60_002, 2)
        assert found["types"]["time"] == "timestamp[us, tz=UTC]"
        assert found["types"]["cost"] == "decimal128(18, 6)"
        assert found["required"] == ["id", "time", "tenant", "agent", "tool", "latency_ms", "success", "cost_source"]
        first, second, _ = found["rows"]
        assert (first["cost"], first["time"], first["input_tokens"]) == (
            "999999999.999999", "2026-11-20 10:00:00.123456+00:00", "7",
        )  # fmt: skip
        assert (second["tool"], second["time"], second["cost"]) == ("=a\x1b", "1969-12-31 23:59:59+00:00", None)


@pytest.mark.slow
def test_an_empty_store_is_a_file_without_rows(codespar, arrow_site, tmp_path):
    codespar.environ["PYTHONPATH"] += f"{os.pathsep}{arrow_site}"
    assert codespar.run("metrics", "export", "--format", "parquet", "--output", "calls.parquet").returncode == 0
    command = [sys.executable, "-c", LOOK, str(tmp_path / "calls.parquet")]
    assert json.loads(subprocess.check_output(command, env=codespar.environ, text=True, timeout=120))["count"] == 0
