"""`codespar hosts` as people and programs run it: asked, shown, written, proved, undone."""

import json
import os
import pty
import select
import subprocess
import sys
import venv

import pytest
from install_home import HOSTS, ROOT, Home

from codespar_cli.hosts.install.layouts import LAYOUTS

SECRET = "sk-live-0123456789"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def test_install_status_uninstall_from_end_to_end(home):
    for host in HOSTS:
        home.write(host, '{\n  "theirs": 1\n}\n')
    before = home.tree()
    assert home.codespar("hosts", "install", "--yes").returncode == 0
    done = home.codespar("hosts", "status", "claude", "cursor", "gemini", "copilot", "-o", "json")
    assert done.returncode == 0, done.stdout
    rows = json.loads(done.stdout)
    assert [row["status"] for row in rows] == ["proved"] * 4
    assert {trial["situation"] for row in rows for trial in row["trials"]} == {"allow", "deny", "broken", "killed"}
    assert home.codespar("hosts", "status").returncode == 1  # Codex trusts nothing yet
    assert home.codespar("hosts", "uninstall", "--yes").returncode == 0
    assert home.tree() == before
    assert home.codespar("hosts", "status", "claude").returncode == 1


def test_without_a_terminal_it_asks_for_yes_and_writes_nothing(home):
    home.write("claude", "{}")
    before = home.tree()
    done = home.codespar("hosts", "install", "claude", stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: nobody is there to be asked whether to write this",
        "hint: codespar hosts install --yes, or --dry-run",
    ]
    assert home.tree() == before


def test_a_dry_run_shows_and_writes_nothing(home):
    home.write("claude", "{}\n")
    before = home.tree()
    done = home.codespar("hosts", "install", "claude", "--dry-run")
    assert done.returncode == 0
    assert f"+++ {home.path('claude')}" in done.stdout
    assert '"onFailure": "block"' in done.stdout
    assert home.tree() == before
    rows = json.loads(home.codespar("hosts", "install", "claude", "--dry-run", "-o", "json").stdout)
    assert [(row["changed"], row["written"]) for row in rows] == [(True, False)]


@pytest.mark.parametrize(("answer", "written"), [("y", True), ("n", False)])
def test_a_person_is_asked(home, answer, written):
    home.write("claude", "{}\n")
    command = [sys.executable, "-P", "-m", "codespar_cli", "hosts", "install", "claude"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home.work)
        os.execve(command[0], command, home.env)
    said = b""
    while b"[y/N]" not in said:
        assert select.select([terminal], (), (), 30)[0], said
        said += os.read(terminal, 65536)
    os.write(terminal, f"{answer}\n".encode())
    try:
        while select.select([terminal], (), (), 30)[0]:
            said += os.read(terminal, 65536)
    except OSError:
        pass  # the other end has gone
    _, ended = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(ended) == (0 if written else 1)
    assert ("codespar_cli" in home.path("claude").read_text()) is written
    assert (b"nothing was changed" in said) is not written


@pytest.mark.parametrize("host", HOSTS)
def test_what_others_keep_in_their_settings_is_never_shown(home, host):
    theirs = {"matcher": "x", "hooks": [{"command": f"curl -H {SECRET}"}]}
    hook = theirs if LAYOUTS[host].grouped else {LAYOUTS[host].command_key: f"curl -H {SECRET}"}
    said = {"env": {"TOKEN": SECRET}, "list": [SECRET], "hooks": {LAYOUTS[host].judged: [hook]}}
    text = json.dumps(said, indent=2).replace("{", f"{{ // {SECRET}\n", 1)
    home.write(host, text)
    for arguments in (("install", "--yes"), ("status",), ("uninstall", "--yes")):
        done = home.codespar("hosts", arguments[0], host, *arguments[1:])
        assert SECRET not in done.stdout + done.stderr
    assert home.path(host).read_text() == text


def test_secrets_in_toml_are_not_shown(home):
    path = home.write("codex", "{}").with_name("config.toml")
    path.with_name("hooks.json").unlink()
    text = f'[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ncommand = "{SECRET}"\ntoken = "{SECRET}"'
    path.write_text(text)
    for arguments in (("install", "--yes"), ("uninstall", "--yes")):
        done = home.codespar("hosts", arguments[0], "codex", *arguments[1:])
        assert (done.returncode, SECRET in done.stdout + done.stderr) == (0, False)
    assert path.read_text() == text


def test_broken_settings_stop_everything_before_anything_is_written(home):
    home.write("claude", "{}")
    home.write("gemini", '{\n  "a": 1,\n  "token": sk-live\n}')
    before = home.tree()
    done = home.codespar("hosts", "install", "--yes")
    assert done.returncode == 2
    path = home.path("gemini")
    assert done.stderr.splitlines() == [
        f"error: {path}:3: column 12: expected a value, found something else",
        f"hint: mend {path} by hand, then run the command again",
    ]
    assert home.tree() == before
    row = json.loads(home.codespar("hosts", "status", "gemini", "-o", "json").stdout)[0]
    assert (row["status"], len(row["findings"])) == ("not_proved", 1)


def test_a_file_that_its_host_does_not_read_is_told_of_at_once(home):
    path = home.write("gemini", '{\n  "theirs": [1],\n}\n')
    done = home.codespar("hosts", "install", "gemini", "--yes")
    told = (
        f"warning: {path}:31: a trailing comma, which Gemini CLI does not read: it goes without the file; take it out"
    )
    assert (done.returncode, [line.startswith(told) for line in done.stderr.splitlines()].count(True)) == (0, 1)
    assert path.read_text().splitlines()[29:] == ["  },", "}"]
    home.write("claude", "{}\n")
    assert "does not read" not in home.codespar("hosts", "install", "claude", "--yes").stderr


def test_tabs_of_a_file_are_blanks_in_its_diff_and_other_controls_are_spelled_out(home):
    home.write("claude", '{\n\t"theirs": 1,\n\t"a\x7fb": 2\n}\n')
    shown = home.codespar("hosts", "install", "claude", "--dry-run").stdout
    assert '     "theirs": 1,\n' in shown
    assert "\\x09" not in shown
    assert '"a\\x7fb": 2' in shown


def test_an_event_without_a_name_leaves_no_gap(home):
    home.codespar("hosts", "install", "claude", "--yes")
    home.codespar("hook", "claude", input="{}")
    assert " s ago: refused, " in home.codespar("hosts", "status", "claude").stdout


def test_an_unknown_host_and_no_host_are_told(home):
    done = home.codespar("hosts", "install", "goose", "--yes")
    assert done.returncode == 2
    assert "there is no host `goose`" in done.stderr
    path = {**home.env, "PATH": "/nowhere"}
    done = home.codespar("hosts", "status", env=path)
    assert done.returncode == 6
    assert "no agent host was found of this user" in done.stderr


def test_a_real_event_is_shown_afterwards(home):
    home.codespar("hosts", "install", "claude", "--yes")
    event = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}
    home.codespar("hook", "claude", input=json.dumps(event))
    done = home.codespar("hosts", "status", "claude")
    assert " s ago: PreToolUse Bash, allow, " in done.stdout


def test_doctor_tells_of_hosts_and_of_how_far_they_are_protected(home):
    home.write("claude", "{}")
    rows = json.loads(home.codespar("doctor", "-o", "json").stdout)
    assert [(row["status"], row["fix"]) for row in rows if row["check"] == "host claude"] == [
        ("warning", "codespar hosts install claude")
    ]
    home.codespar("hosts", "install", "claude", "--yes")
    rows = json.loads(home.codespar("doctor", "-o", "json").stdout)
    assert [row["status"] for row in rows if row["check"] == "host claude"] == ["ok"]
    assert [row["message"][:2] for row in rows if row["check"] == "protection"] == ["L0"]
    home.change("claude", lambda said, hooks: hooks[0]["hooks"][0].update(command="/nowhere/python"))
    done = home.codespar("doctor", "-o", "json")
    assert done.returncode == 1
    assert {row["status"] for row in json.loads(done.stdout) if row["check"] == "host claude"} == {"error"}


@pytest.mark.slow
def test_an_installed_package_is_started_isolated_and_proved_without_our_environment(home, tmp_path):
    place = tmp_path / "venv"
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    site = next(place.glob("lib/python*/site-packages"))
    mine = [path for path in sys.path if path.endswith("site-packages")]
    (site / "codespar.pth").write_text("\n".join((str(ROOT), *mine)) + "\n")
    env = {key: value for key, value in home.env.items() if key != "PYTHONPATH"}
    command = [str(python), "-I", "-m", "codespar_cli", "hosts"]
    given = {"env": env, "cwd": home.work, "capture_output": True, "text": True, "check": False}
    installed = subprocess.run([*command, "install", "claude", "gemini", "--yes"], **given)
    assert installed.returncode == 0
    handler = json.loads(home.path("claude").read_text())["hooks"]["PreToolUse"][0]["hooks"][0]
    assert [handler["command"], *handler["args"]] == [
        str(python),
        "-I",
        "-S",
        str(ROOT / "codespar_cli" / "hook_main.py"),
        "claude",
    ]
    proved = subprocess.run([*command, "status", "claude", "gemini"], **given)
    assert proved.returncode == 0, proved.stdout


def test_who_is_governed_by_a_project_alone_is_told(home):
    home.write("claude", "{}\n")
    assert home.codespar("init", "--mode", "enforce").returncode == 0
    told = home.codespar("hosts", "install", "claude", "--yes").stderr
    assert "warning: only a project's plugins.toml governs here" in told
    assert home.codespar("init", "--mode", "enforce", "--dir", "../home/.config/codespar").returncode == 0
    again = home.codespar("hosts", "install", "claude", "--yes").stderr
    assert "warning: only" not in again
    assert "next:" in again
