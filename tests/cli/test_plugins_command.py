"""`codespar plugins`: what is said of each kind, the exit codes, and edits that keep everything else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from codespar_cli.core.hooks import Health
from codespar_cli.core.plugin_status import health_of
from codespar_cli.errors import StoreError

ROOT = Path(__file__).parents[2]
KEY = {"VAULT_MASTER_KEY": "hex:" + "11" * 32}


def run(*arguments, env=None):
    return subprocess.run(
        [sys.executable, "-m", "codespar_cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


@pytest.fixture
def root_files(newcomer):
    for name in ("plugins.toml", "policy.yaml"):
        shutil.copy(ROOT / name, newcomer)
    return newcomer


def test_status_is_a_list_of_documented_objects(root_files):
    result = run("plugins", "status", "-o", "json", env=KEY)
    rows = json.loads(result.stdout)
    assert result.returncode == 0
    assert all(set(row) == {"kind", "name", "active", "health", "message", "source"} for row in rows)
    assert [(row["kind"], row["name"], row["active"]) for row in rows] == [
        ("policy", "engine", True),
        ("observability", "observer", True),
        ("secrets", "vault", True),
        ("integrations", "github", True),
        ("integrations", "sentry", True),
    ]
    assert {row["health"] for row in rows} <= {"ok", "warning", "error"}


def test_an_active_plugin_that_cannot_be_used_is_exit_1(root_files):
    result = run("plugins", "status", "-o", "json")
    vault = next(row for row in json.loads(result.stdout) if row["kind"] == "secrets")
    assert result.returncode == 1
    assert vault["health"] == "error"
    assert "VAULT_MASTER_KEY" in vault["message"]


def test_an_active_plugin_that_cannot_be_loaded_is_exit_2_and_the_others_are_shown(root_files):
    (root_files / "policy.yaml").unlink()
    result = run("plugins", "status", "-o", "json", env=KEY)
    rows = {row["kind"]: row for row in json.loads(result.stdout)}
    assert result.returncode == 2
    assert rows["policy"]["health"] == "error"
    assert "plugins.toml" in rows["policy"]["message"]
    assert rows["secrets"]["health"] == "ok"


def test_an_absent_policy_is_a_warning(newcomer):
    rows = {row["kind"]: row for row in json.loads(run("plugins", "status", "-o", "json").stdout)}
    assert (rows["policy"]["active"], rows["policy"]["health"]) == (False, "warning")
    assert rows["policy"]["message"] == "no policy: every call is allowed"
    assert (rows["secrets"]["name"], rows["integrations"]["name"]) == ("none", "github")


def raising(error):
    raise error


async def answering_later():
    return Health("ok")


@pytest.mark.parametrize(
    ("health", "state"),
    [
        (lambda: Health("warning", "slow"), "warning"),
        (lambda: ("ok", "a\x1b[2Jb\nc"), "ok"),
        (lambda: ("purple", ""), "error"),
        (lambda: None, "error"),
        (lambda: 1 / 0, "error"),
        (lambda: ([], "x"), "error"),
        (lambda: raising(SystemExit(0)), "error"),
        (lambda: raising(BaseException()), "error"),
        (answering_later, "error"),
        (lambda: (_ for _ in ()).throw(StoreError("gone")), "error"),
    ],
)
def test_a_health_check_cannot_hurt(health, state):
    class Plugin:
        pass

    plugin = Plugin()
    plugin.health = health
    answer = health_of(plugin)
    assert answer.state == state
    assert "\x1b" not in answer.message
    assert "\n" not in answer.message


ROGUE = """
class Secrets:
    def __init__(self, options, services): pass
    def get(self, tenant_id, key): raise SystemExit(0)
    def health(self): raise SystemExit(0)
"""


def test_a_plugin_cannot_end_a_command_with_success(newcomer, tmp_path):
    info = tmp_path / "site" / "rogue-1.dist-info"
    info.mkdir(parents=True)
    (tmp_path / "site" / "rogue.py").write_text(ROGUE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rogue\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[codespar.secrets]\nrogue = rogue:Secrets\n")
    (newcomer / "plugins.toml").write_text("[secrets]\nbackend = 'rogue'\n")
    env = {"PYTHONPATH": str(tmp_path / "site")}
    result = run("plugins", "status", "-o", "json", env=env)
    assert result.returncode == 1
    secrets = next(row for row in json.loads(result.stdout) if row["kind"] == "secrets")
    assert (secrets["health"], secrets["message"]) == ("error", "its health check failed: SystemExit")
    assert run("doctor", env=env).returncode == 1
    result = run("secrets", "get", "KEY", env=env)
    assert result.returncode == 1
    assert "error: unexpected SystemExit at rogue.py:4" in result.stderr
    result = run("secrets", "get", "KEY", env={**env, "CODESPAR_DEBUG": "1"})
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_a_plugin_that_says_nothing_of_itself_is_taken_to_be_well():
    assert health_of(object()) == ("ok", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["disable", "policy"],
            'backend = "none"                        # none | engine | an installed plugin\'s name',
        ),
        (["enable", "secrets", "none"], 'backend = "none"                         # none (environment variables)'),
        (["disable", "integrations", "github"], 'active = ["sentry"]'),
        (["disable", "integrations"], "active = []"),
        (["enable", "integrations", "github"], 'active = ["github", "sentry"]'),
    ],
)
def test_an_edit_touches_one_line(root_files, arguments, line):
    before = (root_files / "plugins.toml").read_text().splitlines()
    result = run("plugins", *arguments, env=KEY)
    after = (root_files / "plugins.toml").read_text().splitlines()
    assert (result.returncode, result.stdout) == (0, "")
    assert len(before) == len(after)
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 1
    assert any(other.split() == line.split() or other.startswith(line[:20]) for other in after)


def test_a_file_that_would_not_load_is_not_written(root_files):
    (root_files / "policy.yaml").unlink()
    run("plugins", "disable", "policy")
    before = (root_files / "plugins.toml").read_bytes()
    result = run("plugins", "enable", "policy", "engine")
    assert result.returncode == 2
    assert (root_files / "plugins.toml").read_bytes() == before
    assert [path.name for path in root_files.iterdir() if path.name.startswith(".plugins")] == []


def test_a_link_stays_a_link_and_the_mode_stays(root_files, tmp_path):
    real = tmp_path / "real.toml"
    (root_files / "plugins.toml").rename(real)
    real.chmod(0o640)
    (root_files / "plugins.toml").symlink_to(real)
    shutil.copy(ROOT / "policy.yaml", tmp_path)
    assert run("plugins", "disable", "policy").returncode == 0
    assert (root_files / "plugins.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert 'backend = "none"' in real.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["enable", "polcy", "engine"], 2, "did you mean `policy`?"),
        (["enable", "policy", "engin"], 2, "did you mean `engine`?"),
        (["disable", "policy", "engine"], 2, "there is no name to give"),
        (["disable", "integrations", "linear"], 6, "is not active"),
        (["info", "vualt"], 6, "did you mean `vault`?"),
    ],
)
def test_mistakes_are_told(root_files, arguments, code, words):
    result = run("plugins", *arguments, env=KEY)
    assert result.returncode == code
    assert words in result.stderr


def test_a_form_that_cannot_be_edited_is_left_alone(root_files):
    (root_files / "plugins.toml").write_text("policy = {backend = 'none'}\n")
    result = run("plugins", "enable", "policy", "engine")
    assert result.returncode == 2
    assert "plugins.toml:1: policy.backend is written in a form that cannot be changed in place" in result.stderr
    assert (root_files / "plugins.toml").read_text() == "policy = {backend = 'none'}\n"


def test_line_endings_and_a_byte_order_mark_stay(root_files):
    text = (root_files / "plugins.toml").read_text()
    (root_files / "plugins.toml").write_bytes(("\ufeff" + text.replace("\n", "\r\n")).encode())
    assert run("plugins", "disable", "policy").returncode == 0
    after = (root_files / "plugins.toml").read_bytes().decode()
    assert after.startswith("\ufeff")
    assert after.count("\n") == after.count("\r\n") == text.count("\n")
    assert 'backend = "none" ' in after


def test_without_a_file_there_is_nothing_to_change(newcomer):
    result = run("plugins", "disable", "policy")
    assert result.returncode == 2
    assert "hint: codespar init" in result.stderr


def test_info_shows_the_keys_of_a_built_in(newcomer):
    (entry,) = json.loads(run("plugins", "info", "vault", "-o", "json").stdout)
    assert (entry["kind"], entry["source"]) == ("secrets", "built in")
    assert "master_key" in entry["options"]


def test_doctor_looks_at_everything_and_says_how_to_mend(root_files):
    run("policy", "check", "fs/read", "--reserve")
    result = run("doctor", "-o", "json", env=KEY)
    findings = json.loads(result.stdout)
    assert result.returncode == 0
    assert {finding["check"] for finding in findings} >= {"versions", "configuration", "policy", "store", "record"}
    state = root_files / ".local" / "state" / "codespar"
    (state / "policy.db").chmod(0o644)
    result = run("doctor", "-o", "json", env=KEY)
    assert result.returncode == 1
    assert any(f"chmod 600 {state / 'policy.db'}" in str(finding["fix"]) for finding in json.loads(result.stdout))
