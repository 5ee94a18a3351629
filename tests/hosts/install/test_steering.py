"""What leads a hook elsewhere is found out, though every trial of it succeeds."""

import json

import pytest
from install_home import HOSTS, Home
from test_host_proof import changed, errors, installed

from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.status import host_status

STEERING = [
    "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "CODESPAR_CONFIG", "CODESPAR_STATE_DIR", "LD_PRELOAD", "LD_LIBRARY_PATH",
    "LD_AUDIT", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "OPENSSL_CONF",
    "BASH_ENV", "BASH_FUNC_echo%%",
]  # fmt: skip


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


@pytest.mark.parametrize("own", [{"env": {"HOME": "/elsewhere", "EDITOR": "vi"}}, {"cwd": "/elsewhere"}])
def test_what_a_copilot_hook_says_of_its_own_surroundings_is_read(home, own):
    status = changed(home, "copilot", lambda handler: handler.update(own))
    assert status.state == "not proved"
    assert ["hook's `env` sets `HOME`" in one or "hook has a `cwd`" in one for one in errors(status)] == [True]
    home.install("copilot")
    assert (status_of(home, "copilot").state, errors(status_of(home, "copilot"))) == ("proved", [])


def test_variables_of_a_copilot_hook_that_lead_nowhere_are_nobodys_business(home):
    status = changed(home, "copilot", lambda handler: handler.update(env={"EDITOR": "vi", "HOME": home.env["HOME"]}))
    assert (status.state, errors(status)) == ("proved", [])


@pytest.mark.parametrize(("host", "place"), [("gemini", ".gemini/.env"), ("gemini", ".env"), ("codex", ".codex/.env")])
def test_a_file_of_variables_that_the_host_reads_is_read(home, host, place):
    installed(home, host)
    path = home.home / place if host == "codex" else home.work.parent / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("# keys\nKEY=1\nexport CODESPAR_CONFIG=/elsewhere\n")
    status = status_of(home, host)
    assert status.state == "not proved"
    assert any(f"{path}: sets `CODESPAR_CONFIG`" in message for message in errors(status))


@pytest.mark.parametrize(
    "before",
    ["\x0c", "\x0b", "\u00a0", "\u2003", "\ufeff", "A=1\u2028", "A=1\r", "\n\n \t", 'A="x\nB\n', "\x0cexport\x0c"],
)
def test_what_dotenv_takes_for_white_space_hides_no_variable(home, before):
    installed(home, "gemini")
    path = home.work / ".env"
    path.write_bytes(f"{before}XDG_CONFIG_HOME\x0c=\x0c/elsewhere\n".encode())
    assert any(f"{path}: sets `XDG_CONFIG_HOME`" in message for message in errors(status_of(home, "gemini")))


@pytest.mark.parametrize(
    "line", ["# XDG_CONFIG_HOME=/x", "MY_XDG_CONFIG_HOME=/x", "A=1 XDG_CONFIG_HOME=/x", "XDG_CONFIG_HOMES=/x"]
)
def test_what_only_looks_like_a_variable_is_none(home, line):
    installed(home, "gemini")
    (home.work / ".env").write_text(f"{line}\nB=2\n")
    assert errors(status_of(home, "gemini")) == []


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("words", [("--tenant", "zz"), ("--agent=zz",), ("--no-color", "--tenant", "zz")])
def test_what_a_line_says_of_itself_is_shown_to_whoever_looks(home, host, words):
    def edit(handler):
        if host == "claude":
            handler["args"] = [*handler["args"], *words]
        else:
            key = LAYOUTS[host].command_key
            line, bar, rest = handler[key].partition(" ||")
            handler[key] = f"{line} {' '.join(words)}{bar}{rest}"

    status = changed(home, host, edit)
    assert status.state == "proved"
    said = " ".join(words).removeprefix("--no-color ").replace("=", " ")
    told = [one for one in status.findings if f"hook's line says `{said}`" in one.message]
    assert [one.status for one in told] == ["warning"]


@pytest.mark.parametrize("host", ["cursor", "copilot"])
@pytest.mark.parametrize("version", [2, "1", True, None])
def test_a_version_that_the_host_does_not_know_is_not_proved(home, host, version):
    installed(home, host)
    home.change(host, lambda said, hooks: said.pop("version") if version is None else said.update(version=version))
    status = status_of(home, host)
    assert status.state == "not proved"
    shown = "missing" if version is None else json.dumps(version)
    assert any(f"`version` is {shown}, expected 1" in message for message in errors(status))
