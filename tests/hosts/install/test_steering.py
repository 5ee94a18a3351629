"""What leads a hook elsewhere is found out, though every trial of it succeeds."""

import json

import pytest
from install_home import HOSTS, Home
from test_host_proof import changed, errors, installed

from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.status import host_status

STEERING = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODESPAR_CONFIG", "CODESPAR_STATE_DIR", "LD_PRELOAD"]


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def status_of(home, host):
    return host_status(LAYOUTS[host], home.around())


@pytest.mark.parametrize("name", STEERING)
@pytest.mark.parametrize("place", ["settings.json", "project", "local"])
def test_claude_is_not_proved_while_its_settings_lead_the_hook_elsewhere(home, name, place):
    installed(home, "claude")
    path = {
        "settings.json": home.path("claude"),
        "project": home.work / ".claude/settings.json",
        "local": home.work / ".claude/settings.local.json",
    }[place]
    path.parent.mkdir(exist_ok=True)
    said = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(said | {"env": {name: "/elsewhere", "EDITOR": "vi"}}))
    status = status_of(home, "claude")
    assert status.state == "not proved"
    assert [f"{path}: `env` sets `{name}`" in message for message in errors(status)] == [True]


def test_settings_that_say_what_is_so_already_lead_nowhere(home):
    installed(home, "claude")
    path = home.path("claude")
    same = {name: home.env[name] for name in ("HOME", "CODESPAR_STATE_DIR")}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"env": {**same, "FOO": "1"}}))
    assert (status_of(home, "claude").state, errors(status_of(home, "claude"))) == ("proved", [])


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("words", [("HOME=/elsewhere",), ("env", "XDG_CONFIG_HOME=/x"), ("env", "-u", "HOME")])
def test_a_line_that_sets_where_the_configuration_is_found_is_not_proved(home, host, words):
    def edit(handler):
        key = LAYOUTS[host].command_key
        if host == "claude":
            first, *more = words if words[0] == "env" else ("env", *words)
            handler["args"] = [*more, handler[key], *handler["args"]]
            handler[key] = f"/usr/bin/{first}"
        else:
            handler[key] = " ".join((*words, handler[key]))

    status = changed(home, host, edit)
    assert status.state == "not proved"
    assert any("hook's line sets `" in message for message in errors(status))


@pytest.mark.parametrize(("host", "place"), [("gemini", ".gemini/.env"), ("gemini", ".env"), ("codex", ".codex/.env")])
def test_a_file_of_variables_that_the_host_reads_is_read(home, host, place):
    installed(home, host)
    path = home.home / place if host == "codex" else home.work.parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("# keys\nKEY=1\nexport CODESPAR_CONFIG=/elsewhere\n")
    status = status_of(home, host)
    assert status.state == "not proved"
    assert any(f"{path}: sets `CODESPAR_CONFIG`" in message for message in errors(status))


@pytest.mark.parametrize("host", ["cursor", "copilot"])
@pytest.mark.parametrize("version", [2, "1", True, None])
def test_a_version_that_the_host_does_not_know_is_not_proved(home, host, version):
    installed(home, host)
    home.change(host, lambda said, hooks: said.pop("version") if version is None else said.update(version=version))
    status = status_of(home, host)
    assert status.state == "not proved"
    shown = "missing" if version is None else json.dumps(version)
    assert any(f"`version` is {shown}, expected 1" in message for message in errors(status))
