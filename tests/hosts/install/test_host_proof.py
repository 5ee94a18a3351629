"""The proof: a hook that is there and would not fire, or not decide, is found out. Real processes, the hosts' own rules."""

import json
import shlex
import sys

import pytest
from install_home import HOSTS, Home

from codespar_cli.hosts.install.codex_trust import definition_digest
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.settings_text import parse
from codespar_cli.hosts.install.shims import shim_at
from codespar_cli.hosts.install.status import host_status

CASES = pytest.mark.parametrize("host", HOSTS)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path)


def trust(home):
    """What Codex writes when a person trusts the hooks."""
    path = home.path("codex")
    lines = []
    for event, groups in parse(path.read_text("utf-8-sig")).root.value["hooks"].items():
        digest = definition_digest(event, groups[0], groups[0]["hooks"][0])
        key = f"{path}:{'pre' if event.startswith('Pre') else 'post'}_tool_use:0:0"
        lines.append(f"[hooks.state.{json.dumps(key)}]\ntrusted_hash = {json.dumps(digest)}\n")
    path.with_name("config.toml").write_text("".join(lines))


def installed(home, host):
    home.install(host)
    if host == "codex":
        trust(home)


def handler_of(host, hooks):
    return hooks[0]["hooks"][0] if LAYOUTS[host].grouped else hooks[0]


def changed(home, host, edit):
    """Its status after an edit of the hook that is asked."""
    installed(home, host)
    home.change(host, lambda said, hooks: edit(handler_of(host, hooks)))
    if host == "codex":
        trust(home)
    return host_status(LAYOUTS[host], home.around())


def errors(status):
    return [one.message for one in status.findings if one.status == "error"]


@CASES
def test_what_is_installed_is_proved_in_all_four_situations(home, host):
    installed(home, host)
    status = host_status(LAYOUTS[host], home.around())
    assert [(trial.situation, trial.problem) for trial in status.trials] == [
        ("allow", None), ("deny", None), ("broken", None), ("killed", None),
    ]  # fmt: skip
    assert (status.state, errors(status), status.heard) == ("proved", [], None)
    assert all(0 < trial.took_ms < 10_000 for trial in status.trials)


def test_the_users_own_rules_are_not_asked_about_a_probe(home):
    installed(home, "claude")
    own = home.home / ".config" / "codespar"
    own.mkdir(parents=True)
    (own / "plugins.toml").write_text('version = 1\n[policy]\nbackend = "engine"\nrules = "policy.yaml"\n')
    (own / "policy.yaml").write_text("version: 1\nrules: [{id: nothing, effect: deny, tools: ['**']}]\n")
    status = host_status(LAYOUTS["claude"], home.around())
    assert (status.state, errors(status)) == ("proved", [])


@CASES
def test_a_probe_leaves_nothing_in_the_users_state(home, host):
    installed(home, host)
    before = sorted(home.state.rglob("*"))
    host_status(LAYOUTS[host], home.around())
    assert sorted(home.state.rglob("*")) == before


@CASES
def test_a_host_without_hooks_is_not_installed(home, host):
    home.write(host, "{}")
    assert host_status(LAYOUTS[host], home.around()).state == "not installed"


@CASES
def test_a_missing_interpreter_is_found_and_fails_closed(home, host):
    status = changed(home, host, lambda handler: _swap(host, handler, "/nowhere/bin/python"))
    assert status.state == "not proved"
    assert "`/nowhere/bin/python` is not there" in errors(status)
    killed = {trial.situation: trial.problem for trial in status.trials}["killed"]
    assert killed is None  # the host would make no call: it is useless, and safe


def _swap(host, handler, program):
    key = LAYOUTS[host].command_key
    handler[key] = handler[key].replace(sys.executable, program)


@CASES
def test_a_line_that_always_allows_is_no_proof(home, host, tmp_path):
    fake = tmp_path / "codespar"
    said = {"cursor": '{"permission":"allow"}', "gemini": '{"decision":"allow"}'}.get(host, "")
    fake.write_text(f"#!/bin/sh\nprintf '%s' '{said}'\n")
    fake.chmod(0o755)

    def edit(handler):
        handler[LAYOUTS[host].command_key] = f"{fake} hook {host}"
        handler.pop("args", None)

    status = changed(home, host, edit)
    problems = {trial.situation: trial.problem for trial in status.trials}
    assert problems["allow"] == "it allowed without asking a policy"
    assert problems["deny"].startswith("a call that the policy denies would be made")
    assert status.state == "not proved"


@CASES
def test_without_its_switch_a_killed_hook_lets_the_call_pass(home, host):
    key = {"claude": "onFailure", "cursor": "failClosed"}.get(host)

    def edit(handler):
        handler.pop(key, None)
        command = LAYOUTS[host].command_key
        handler[command] = handler[command].partition(" || ")[0]

    status = changed(home, host, edit)
    problems = {trial.situation: trial.problem for trial in status.trials}
    assert problems["killed"].startswith("a call whose hook is killed would be made")
    assert any("where it fails the call passes" in message for message in errors(status))


@CASES
def test_a_timeout_that_is_too_small_is_found(home, host):
    layout = LAYOUTS[host]
    status = changed(home, host, lambda handler: handler.update({layout.timeout_key: round(1 / layout.unit_s)}))
    assert f"the {layout.judged} hook has a timeout of 1 s, expected at least 3 s" in errors(status)


@pytest.mark.parametrize("host", ["claude", "codex", "gemini"])
def test_a_matcher_that_leaves_tools_out_is_found(home, host):
    installed(home, host)
    home.change(host, lambda said, hooks: hooks[0].update(matcher="Bash"))
    assert any("has the matcher `Bash`" in one for one in errors(host_status(LAYOUTS[host], home.around())))


@pytest.mark.parametrize("matcher", [["*"], {}, None, 5])
def test_a_matcher_that_is_no_text_is_found(home, matcher):
    installed(home, "claude")
    home.change("claude", lambda said, hooks: hooks[0].update(matcher=matcher))
    found = errors(host_status(LAYOUTS["claude"], home.around()))
    assert [f"`matcher` is `{json.dumps(matcher)}`, expected a text" in one for one in found] == [True]


@CASES
@pytest.mark.parametrize("timeout", ["10", [10], None, True])
def test_a_timeout_that_is_no_number_is_found(home, host, timeout):
    key = LAYOUTS[host].timeout_key
    status = changed(home, host, lambda handler: handler.update({key: timeout}))
    assert f"the {LAYOUTS[host].judged} hook's `{key}` is `{json.dumps(timeout)}`, expected a number" in errors(status)
    assert status.state == "not proved"


@CASES
def test_a_missing_event_is_found(home, host):
    installed(home, host)
    home.change(host, lambda said, hooks: said["hooks"].pop(LAYOUTS[host].judged))
    status = host_status(LAYOUTS[host], home.around())
    assert (status.state, status.trials) == ("not proved", ())
    assert any("the event before a call" in one for one in errors(status))


@pytest.mark.parametrize("change", [{"async": True}, {"once": True}, {"if": "Bash(git *)"}, {"type": "prompt"}])
def test_a_hook_that_does_not_hold_up_every_call_is_found(home, change):
    assert errors(changed(home, "claude", lambda handler: handler.update(change)))


def test_a_hook_of_another_host_is_found(home):
    status = changed(home, "claude", lambda handler: handler["args"].__setitem__(-1, "gemini"))
    assert "the PreToolUse hook answers as `gemini`, expected `claude`" in errors(status)
    assert status.state == "not proved"


@pytest.mark.parametrize(
    ("place", "text", "manager"),
    [
        (".pyenv/shims/python", "#!/bin/sh\nexit 1\n", "pyenv"),
        (".local/share/mise/shims/python", "#!/bin/sh\nexit 1\n", "mise"),
        (".cache/uv/archive-v0/x/bin/python", "#!/bin/sh\nexit 1\n", "uvx"),
        ("bin/python", '#!/bin/sh\nfalse && exec pyenv exec "$0" "$@"\n', "pyenv"),
        ("bin/codespar", '#!/bin/sh\nfalse && exec uv run codespar "$@"\n', "uv"),
        ("bin/python", "#!/usr/bin/env python3\n", "env"),
        ("bin/npx", "#!/bin/sh\nexit 1\n", "npx"),
    ],
)
def test_a_shim_is_found_by_its_place_and_by_its_content(home, tmp_path, place, text, manager):
    shim = tmp_path / place
    shim.parent.mkdir(parents=True)
    shim.write_text(text)
    shim.chmod(0o755)
    status = changed(home, "claude", lambda handler: handler.update(command=str(shim)))
    assert any(f"`{shim}` is a shim of {manager}" in one for one in errors(status))


def test_a_link_to_a_shim_is_a_shim_and_a_virtual_environments_python_is_none(tmp_path):
    shims = tmp_path / ".asdf" / "shims"
    shims.mkdir(parents=True)
    (shims / "python").write_text("#!/bin/sh\n")
    (tmp_path / "python").symlink_to(shims / "python")
    assert shim_at(str(tmp_path / "python")).manager == "asdf"
    assert shim_at(sys.executable) is None


def test_a_name_on_the_path_is_found(home):
    status = changed(home, "claude", lambda handler: handler.update(command="python3"))
    assert any("is looked for on the PATH at every call" in one for one in errors(status))


def test_a_file_that_cannot_be_executed_is_found(home, tmp_path):
    plain = tmp_path / "python"
    plain.write_text("")
    status = changed(home, "claude", lambda handler: handler.update(command=str(plain)))
    assert f"`{plain}` cannot be executed" in errors(status)
    script = tmp_path / "script"
    script.write_text("#!/nowhere/python\n")
    script.chmod(0o755)
    status = changed(home, "claude", lambda handler: handler.update(command=str(script)))
    assert f"`{script}` is started by `/nowhere/python`, which is not there" in errors(status)


SWITCHES = [
    ("claude", "home/.claude/settings.local.json", None, None),
    ("claude", "work/.claude/settings.json", '{"disableAllHooks": true}', "`disableAllHooks` is true"),
    ("claude", "work/.claude/settings.local.json", '{"disableAllHooks": true}', "`disableAllHooks` is true"),
    (
        "claude",
        "root/etc/claude-code/managed-settings.json",
        '{"allowManagedHooksOnly": true}',
        "administrator's hooks",
    ),
    (
        "claude",
        "root/etc/claude-code/managed-settings.d/10-hooks.json",
        '{"disableAllHooks": true}',
        "`disableAllHooks` is true",
    ),
    ("codex", "work/.codex/config.toml", "[features]\nhooks = false\n", "`features.hooks` is false"),
    ("codex", "root/etc/codex/requirements.toml", "[features]\ncodex_hooks = false\n", "`features.hooks` is false"),
    ("codex", "root/etc/codex/requirements.toml", "allow_managed_hooks_only = true\n", "administrator's hooks"),
    ("gemini", "work/.gemini/settings.json", '{"hooksConfig": {"enabled": false}} // x', "hooks are switched off"),
    (
        "gemini",
        "work/.gemini/settings.json",
        '{"hooksConfig": {"disabled": ["codespar"]}}',
        "`codespar` is switched off",
    ),
    ("gemini", "root/etc/gemini-cli/settings.json", '{"tools": {"enableHooks": false}}', "hooks are switched off"),
    ("copilot", "home/.copilot/settings.json", '{"disableAllHooks": true}', "`disableAllHooks` is true"),
    ("copilot", "work/.github/copilot/settings.json", '{"disableAllHooks": true}', "`disableAllHooks` is true"),
]


@pytest.mark.parametrize(("host", "place", "text", "said"), [case for case in SWITCHES if case[2]])
def test_a_switch_that_is_thrown_is_found_wherever_it_is(home, host, place, text, said):
    installed(home, host)
    path = home.home.parent / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    status = host_status(LAYOUTS[host], home.around())
    assert status.state == "not proved"
    assert [one for one in errors(status) if said in one and str(path) in one]
    assert all(trial.problem is None for trial in status.trials)


@pytest.mark.parametrize("text", ['{\n  // theirs\n  "a": 1\n}', '{"a": 1,}', "\ufeff{}"])
@CASES
def test_a_file_that_its_host_does_not_read_is_found(home, host, text):
    home.write(host, text)
    installed(home, host)
    layout, kept = LAYOUTS[host], {"//": "comments", ",}": "trailing_commas", "\ufeff": "byte_order_mark"}
    reads = next(getattr(layout, name) for sign, name in kept.items() if sign in text)
    assert (host_status(layout, home.around()).state == "proved") is reads


def test_codex_runs_nothing_that_nobody_trusted(home):
    home.install("codex")
    status = host_status(LAYOUTS["codex"], home.around())
    assert errors(status) == ["nobody has trusted the PreToolUse hook in Codex yet, so it is skipped"]
    trust(home)
    home.change("codex", lambda said, hooks: hooks[0]["hooks"][0].update(timeout=20))
    status = host_status(LAYOUTS["codex"], home.around())
    assert errors(status) == ["the PreToolUse hook is not the one that was trusted in Codex, so it is skipped"]


def test_the_digest_is_the_one_that_codex_answers():
    # Codex 0.169.0, `codex app-server`, hooks/list: currentHash of these two definitions.
    before = {"type": "command", "command": "/bin/false || exit 2", "timeout": 10}
    after = {"type": "command", "command": "/bin/true", "timeout": 10}
    assert definition_digest("PreToolUse", {"hooks": [before]}, before).endswith(
        "7d724c2c36d84b0d68d7fb49a605c76485e89e6d032dd4cff366bb5cb7df66f5"
    )
    assert definition_digest("PostToolUse", {"matcher": "*", "hooks": [after]}, after).endswith(
        "1f4a9a93daa4b6d44e0be38f68314880b6977242ab049f864529c2409d469a88"
    )


@pytest.mark.parametrize("host", HOSTS)
def test_a_projects_line_that_is_not_ours_is_not_run(home, host, tmp_path):
    home.install(host, home.work)
    path, ran = home.path(host, home.work), tmp_path / "ran"
    said = json.loads(path.read_text())
    handler = handler_of(host, said["hooks"][LAYOUTS[host].judged])
    handler[LAYOUTS[host].command_key] = f"codespar hook {host}; touch {shlex.quote(str(ran))}"
    handler.pop("args", None)
    path.write_text(json.dumps(said))
    status = host_status(LAYOUTS[host], home.around(home.work))
    assert (status.state, status.trials, ran.exists()) == ("not proved", (), False)
    assert any("a project's line is not tried out" in one for one in errors(status))
