"""Plugins of all four kinds from another distribution's wheel, found by their entry points and by nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "tests" / "plugins" / "fixtures" / "acme_plugins"
CONFIG = """
version = 1
[policy]
backend = "acme-working-days"
limit = "2.50"
[observability]
backend = "acme-lines"
file = "calls.jsonl"
[secrets]
backend = "acme-shelf"
[integrations]
active = ["github", "acme-statuspage"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A directory into which pip has installed the wheel, as it would into an environment."""
    target = tmp_path_factory.mktemp("site")
    source = tmp_path_factory.mktemp("source") / "acme"  # hatchling writes beside its source
    subprocess.run(["cp", "-r", str(SOURCE), str(source)], check=True)
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def run(site, newcomer):
    (newcomer / "plugins.toml").write_text(CONFIG)
    environ = {**os.environ, "PYTHONPATH": str(site)}

    def run(*arguments, stdin=""):
        command = arguments if arguments[0] == sys.executable else (sys.executable, "-m", "codespar_cli", *arguments)
        result = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, env=environ)
        assert "Traceback" not in result.stderr
        return result

    return run


def test_status_shows_all_four(run):
    result = run("plugins", "status", "-o", "json")
    assert result.returncode == 0, result.stderr
    rows = {(row["kind"], row["name"]): row for row in json.loads(result.stdout)}
    assert {kind for kind, name in rows if name.startswith("acme-")} == {
        "policy",
        "observability",
        "secrets",
        "integrations",
    }
    assert all(row["active"] for row in rows.values() if row["name"].startswith("acme-"))
    assert rows["policy", "acme-working-days"]["message"] == "at most 2.50 a call, on working days"
    assert rows["secrets", "acme-shelf"]["health"] == "warning"


def test_a_program_calls_through_them(run, newcomer):
    program = (
        "import codespar_cli\n"
        "gate = codespar_cli.load()\n"
        "registry = gate.registry\n"
        "print(registry.get_status())\n"
        "print(registry.evaluate_policy('a', 'fs/read', '99').code)\n"
        "registry.record_metric(codespar_cli.ToolMetric('fs/read', 'a', 1.0, True))\n"
        "registry.secrets.set('acme', 'KEY', 'v')\n"
        "print(registry.get_secret('acme', 'KEY'), registry.get_secret('globex', 'KEY'))\n"
    )
    result = run(sys.executable, "-c", program)
    assert result.returncode == 0, result.stderr
    status, code, secrets = result.stdout.splitlines()
    assert status == str(
        {"policy": True, "observability": True, "secrets": True, "integrations": ["github", "acme-statuspage"]}
    )
    assert code in {"too_dear", "weekend"}
    assert secrets == "v None"
    assert list(newcomer.rglob("calls.jsonl"))


def test_webhooks_reach_them_by_shape_and_by_name(run):
    incident = {"acme_incident": {"name": "Payments are slow", "status": "investigating", "impact": "major"}}
    for arguments in ((), ("--provider", "acme-statuspage")):
        result = run("webhook", "replay", "-", *arguments, "-o", "json", stdin=json.dumps(incident))
        assert result.returncode == 0, result.stderr
        [row] = json.loads(result.stdout)
        assert (row["provider"], row["event_type"], row["severity"]) == (
            "acme-statuspage",
            "incident.investigating",
            "error",
        )
    refused = run("webhook", "replay", "-", "--provider", "acme-statuspage", "--verify", stdin=json.dumps(incident))
    assert refused.returncode == 5


def test_an_option_that_only_the_plugin_understands_is_reported_at_its_line(run, newcomer):
    (newcomer / "plugins.toml").write_text(CONFIG.replace('"2.50"', '"a lot"'))
    assert run("plugins", "status").returncode == 2
    program = "import codespar_cli\ntry: codespar_cli.load()\nexcept codespar_cli.ConfigError as error: print(error)"
    result = run(sys.executable, "-c", program)
    assert result.stdout == 'plugins.toml:5: policy.limit: expected an amount such as "10.00"\n'


def test_an_author_runs_the_contract_suites_on_them(run):
    result = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(SOURCE / "test_acme.py"))
    assert result.returncode == 0, result.stdout[-3000:]
    assert "passed" in result.stdout
