"""The conventions that hold for every command: streams, exit codes, the voice of errors, hostile text, closed pipes."""

import json
import os
import subprocess
import sys

import pytest

from codespar_cli.cli.reporting import hoist, wants_json
from codespar_cli.errors import UsageError

CODESPAR = [sys.executable, "-m", "codespar_cli"]


def run(*arguments, env=None, **options):
    return subprocess.run(
        [*CODESPAR, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
        **options,
    )


def test_help_and_version_work_beside_a_broken_file(newcomer):
    (newcomer / "plugins.toml").write_text("this is = not toml [")
    assert run("--version").stdout.startswith("codespar ")
    result = run("--help")
    assert result.returncode == 0
    assert "exit codes: 0 done or allowed" in result.stdout
    for group in ("policy", "metrics", "secrets", "webhook", "audit", "plugins"):
        assert run(group, "--help").returncode == 0


def test_doctor_tells_of_a_broken_file_and_fails(newcomer):
    (newcomer / "plugins.toml").write_text("version = 1\n[policy]\nbackend = 'engin'\n")
    result = run("doctor", "-o", "json")
    assert result.returncode != 0
    finding = next(one for one in json.loads(result.stdout) if one["check"] == "configuration")
    assert finding["status"] == "error"
    assert "plugins.toml:3" in finding["message"]


@pytest.mark.parametrize(
    "command", [["plugins", "status"], ["policy", "check", "x"], ["metrics", "stats"], ["audit", "tail"]]
)
def test_every_command_checks_the_whole_file(newcomer, command):
    (newcomer / "plugins.toml").write_text("version = 1\n[integrations]\nactive = ['githb']\n")
    result = run(*command)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: plugins.toml:3: integrations.active.0: unknown backend `githb`")
    assert "hint: did you mean `github`?" in result.stderr
    assert len(result.stderr.splitlines()) == 2


def test_errors_are_one_json_object_with_o_json(newcomer):
    (newcomer / "plugins.toml").write_text("version = 3\n")
    for flags in (["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]):
        result = run("plugins", "status", *flags)
        error = json.loads(result.stderr)["error"]
        assert (result.returncode, result.stdout) == (2, "")
        assert set(error) == {"code", "message", "hint", "file", "line"}
        assert (error["file"], error["line"], error["code"]) == ("plugins.toml", 1, "config_invalid")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["plugins", "nonsense"], ["plugins", "status", "--nonsense"], ["plugins", "info"]]
)
def test_usage_errors_exit_2_in_two_lines(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.splitlines()[1].startswith("hint: codespar")
    assert len(result.stderr.splitlines()) == 2


def test_global_options_stand_before_or_after(newcomer):
    other = newcomer / "other.toml"
    other.write_text("version = 1\ntenant = 'x'\n")
    for arguments in (["--config", "other.toml", "plugins", "status"], ["plugins", "status", "--config=other.toml"]):
        result = run(*arguments)
        assert result.returncode == 0
        assert "configuration: other.toml" in result.stderr
    result = run("plugins", "status", "--config", "absent.toml")
    assert result.returncode == 2
    assert "absent.toml" in result.stderr


def test_hoisting_stops_at_the_double_dash():
    assert hoist(["run", "--config", "a", "--", "cmd", "--config", "b"]) == [
        "--config",
        "a",
        "run",
        "--",
        "cmd",
        "--config",
        "b",
    ]
    assert hoist(["a", "--no-color", "--tenant=x", "b"]) == ["--no-color", "--tenant=x", "a", "b"]
    with pytest.raises(UsageError, match="requires an argument"):
        hoist(["a", "--config"])


def test_wanting_json_is_told_from_the_words():
    assert wants_json(["x", "-o", "json"])
    assert wants_json(["-ojsonl"])
    assert not wants_json(["x", "--", "-o", "json"])
    assert not wants_json(["x", "-o", "table"])


def test_colour_is_obeyed(newcomer):
    coloured = run("plugins", "status", env={"FORCE_COLOR": "1"}).stdout
    assert "\x1b[" in coloured
    for env, flags in (({"FORCE_COLOR": "1", "NO_COLOR": "1"}, []), ({"FORCE_COLOR": "1"}, ["--no-color"]), ({}, [])):
        result = run("plugins", "status", *flags, env=env)
        assert "\x1b" not in result.stdout + result.stderr


def test_a_closed_pipe_is_silent(newcomer):
    process = subprocess.Popen([*CODESPAR, "plugins", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=30) == 0
    assert error == b""


def test_a_full_device_is_a_failure(newcomer):
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [*CODESPAR, "plugins", "list"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=30
        )
    assert process.returncode == 1
    assert process.stderr.startswith("error: ")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_are_survived(newcomer, closed):
    line = f"{sys.executable} -m codespar_cli plugins status {closed}"
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
    assert "Traceback" not in result.stderr
    assert result.returncode in {0, 1}


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}])
def test_any_locale_can_show_anything(newcomer, locale):
    (newcomer / "plugins.toml").write_text("version = 1\ntenänt = 'x'\n")
    result = run("plugins", "status", env=locale)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_an_unforeseen_exception_shows_its_place_and_nothing_of_its_message(newcomer):
    (newcomer / "sitecustomize.py").write_text(
        "import codespar_cli.core.plugin_status as p\n"
        "def boom(*a, **k): raise RuntimeError('the secret is hunter2')\n"
        "p.plugin_statuses = boom\n"
    )
    result = run("plugins", "status", env={"PYTHONPATH": str(newcomer)})
    assert result.returncode == 1
    assert "unexpected RuntimeError" in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in run("plugins", "status", env={"PYTHONPATH": str(newcomer), "CODESPAR_DEBUG": "1"}).stderr


def test_files_of_the_project_are_not_imported(newcomer):
    for name in ("rich.py", "typer.py", "colorsys.py", "yaml.py", "apsw.py"):
        (newcomer / name).write_text("raise SystemExit('imported a file of the project')\n")
    result = run("plugins", "status", env={"FORCE_COLOR": "1"})
    assert result.returncode == 0
    assert "imported" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (["--config", ""], {}, "--config: expected a path, found an empty string"),
        (["--tenant", ""], {}, "--tenant: expected a name, found an empty string"),
        (["--config", "~nosuch/x"], {}, "`~nosuch/x` is no path"),
        (["--config", "x" * 5000], {}, "cannot be read: file name too long"),
        ([], {"CODESPAR_STATE_DIR": "~nosuch/x"}, "`~nosuch/x` is no path"),
        (["--tenant"], {}, "option '--tenant' requires an argument"),
    ],
)
def test_paths_and_names_that_cannot_be_are_usage_or_configuration(newcomer, arguments, env, words):
    (newcomer / "plugins.toml").write_text("version = 1\n")
    result = run("plugins", "status", *arguments, env={"CODESPAR_TENANT": "acme", **env})
    assert result.returncode == 2
    assert words in result.stderr


def test_a_working_directory_that_is_gone_does_not_matter_to_an_absolute_config(newcomer, tmp_path):
    (newcomer / "plugins.toml").write_text("version = 1\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"cd {gone} && rmdir {gone} && exec {sys.executable} -m codespar_cli plugins list --config {newcomer}/plugins.toml"
    result = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_secret_in_the_wrong_place_is_not_repeated(newcomer):
    (newcomer / "plugins.toml").write_text(
        "[integrations]\nactive = ['sentry']\n[integrations.sentry]\nsecret = 's3cretwebhook'\n"
    )
    result = run("plugins", "status")
    assert result.returncode == 2
    assert "plugins.toml:4: integrations.sentry.secret" in result.stderr
    assert "s3cret" not in result.stdout + result.stderr


@pytest.mark.parametrize("make", [lambda p: p.write_text(""), lambda p: p.symlink_to("/nowhere/at/all")])
def test_init_into_what_is_no_directory_is_told(newcomer, make):
    make(newcomer / "there")
    result = run("init", "--dir", "there")
    assert result.returncode == 1
    assert result.stderr.startswith("error: there cannot be written: ")
