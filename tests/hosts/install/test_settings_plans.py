"""Hooks put into settings that other people wrote, and taken out: nothing else changes."""

import json
import tomllib

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from settings_texts import json_texts, toml_texts

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install import json_plan, settings_edit, toml_plan
from codespar_cli.hosts.install.entries import ours
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.settings_text import parse

HOSTS = tuple(LAYOUTS)
CASES = limits(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ANY = st.sampled_from(HOSTS).flatmap(lambda host: st.tuples(st.just(LAYOUTS[host]), json_texts(host)))


def expected(layout, said):
    """What the settings should say then, by plain dictionaries."""
    said = json.loads(json.dumps(said))
    for key, value in layout.root.items():
        said.setdefault(key, value)
    for event, group in layout.entries():
        said.setdefault("hooks", {}).setdefault(event, []).append(group)
    return said


@CASES
@given(ANY)
def test_the_hooks_are_added_and_everything_else_means_what_it_meant(case):
    layout, text = case
    changed, _ = json_plan.with_hooks(layout, text)
    assert parse(changed).root.value == expected(layout, parse(text).root.value)
    assert [one.call.host for one in ours(layout, parse(changed).root.value)] == [layout.host] * len(layout.entries())


@CASES
@given(ANY)
def test_installing_twice_is_installing_once(case):
    layout, text = case
    once, _ = json_plan.with_hooks(layout, text)
    assert json_plan.with_hooks(layout, once) == (once, ())


@CASES
@given(ANY)
def test_every_character_that_was_there_is_still_there_in_its_order(case):
    layout, text = case
    changed, _ = json_plan.with_hooks(layout, text)
    rest = iter(changed)
    assert all(char in rest for char in text)


@CASES
@given(ANY)
def test_taking_them_out_leaves_what_was_said_and_every_comment(case):
    layout, text = case
    changed, made = json_plan.with_hooks(layout, text)
    assert json_plan.without_hooks(layout, changed, made, text.encode()) == text
    bare = json_plan.without_hooks(layout, changed, made)
    before, after = parse(text), parse(bare)
    assert after.root.value == before.root.value
    assert [bare[start:end] for start, end in after.comments] == [text[start:end] for start, end in before.comments]
    if not _has_blank_brackets(before):
        assert bare == text


def _has_blank_brackets(document):
    """Empty brackets with blanks in them are the one thing that is not kept without a backup."""
    waiting = [document.root]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        inner = document.text[node.start + 1 : node.end - 1]
        if isinstance(node.value, (dict, list)) and not node.children and inner:
            return True
    return False


@CASES
@given(ANY, st.data())
def test_what_a_user_adds_in_between_stays(case, data):
    layout, text = case
    changed, made = json_plan.with_hooks(layout, text)
    edited = settings_edit.insert(changed, (), data.draw(st.integers()), "added by hand")
    event = data.draw(st.sampled_from([event for event, _ in layout.entries()]))
    theirs = {"matcher": "x", "hooks": [{"command": "theirs"}]} if layout.grouped else {"command": "theirs"}
    edited = settings_edit.insert(edited, ("hooks", event), theirs)
    bare = parse(json_plan.without_hooks(layout, edited, made)).root.value
    wanted = parse(edited).root.value
    assert bare["added by hand"] == wanted["added by hand"]
    assert bare["hooks"][event][-1] == theirs
    assert ours(layout, bare) == []


@pytest.mark.parametrize("host", ["claude", "gemini"])
def test_a_hook_of_ours_in_a_group_with_others_goes_alone(host):
    layout = LAYOUTS[host]
    event, group = layout.entries()[0]
    said = {"hooks": {event: [{"matcher": "*", "hooks": [{"command": "lint"}, *group["hooks"], {"command": "b"}]}]}}
    bare = json_plan.without_hooks(layout, json.dumps(said, indent=2), ())
    assert json.loads(bare)["hooks"] == {event: [{"matcher": "*", "hooks": [{"command": "lint"}, {"command": "b"}]}]}


@pytest.mark.parametrize("host", HOSTS)
def test_an_older_line_of_ours_is_replaced_not_doubled(host):
    layout = LAYOUTS[host]
    event, _ = layout.entries()[0]
    old = {layout.command_key: f"/old/venv/bin/codespar hook {host}", layout.timeout_key: 1}
    group = {"matcher": "Bash", "hooks": [old]} if layout.grouped else old
    changed, _ = json_plan.with_hooks(layout, json.dumps({"hooks": {event: [group]}}))
    found = ours(layout, json.loads(changed))
    assert [one.event for one in found] == [event for event, _ in layout.entries()]
    assert "/old/venv" not in changed


@pytest.mark.parametrize("host", HOSTS)
def test_options_that_a_person_gave_the_line_are_kept(host):
    layout = LAYOUTS[host]
    event, _ = layout.entries()[0]
    line = f"/old/venv/bin/codespar hook {host} --agent reviewer --event x --env=production || exit 2"
    group = {"hooks": [{layout.command_key: line}]} if layout.grouped else {layout.command_key: line}
    changed, _ = json_plan.with_hooks(layout, json.dumps({"hooks": {event: [group]}}))
    found = ours(layout, json.loads(changed))
    assert {one.call.options for one in found} == {("--agent", "reviewer", "--env", "production")}
    assert json_plan.with_hooks(layout, changed) == (changed, ())


CODEX = LAYOUTS["codex"]


@CASES
@given(toml_texts())
def test_toml_keeps_what_it_said_and_gets_the_hooks(text):
    changed = toml_plan.with_hooks(CODEX, text)
    wanted = tomllib.loads(text)
    for event, group in CODEX.entries():
        wanted.setdefault("hooks", {}).setdefault(event, []).append(group)
    assert tomllib.loads(changed) == wanted
    assert changed.startswith(text)
    assert toml_plan.with_hooks(CODEX, changed) == changed


@CASES
@given(toml_texts(), st.sampled_from(("", '[tui]\nsounds = "on"\n', "# by hand\n")))
def test_toml_without_them_is_what_it_was_and_what_was_added_since(text, added):
    newline = "" if not added or not text or text.endswith("\n") else "\r\n" if "\r\n" in text else "\n"
    changed = toml_plan.with_hooks(CODEX, text) + newline + added
    assert toml_plan.without_hooks(CODEX, changed) == text + newline + added


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('{\n  "a": 1\n  "b": 2\n}\n', 3, "column 3: expected `,` or `}`, found something else"),
        ('{"a": tru}', 1, "column 7: expected a value, found something else"),
        ('{\n  "a": [1,\n', 3, "column 1: expected a value, found the end of the file"),
        ("{'a': 1}", 1, "column 2: expected a key in double quotes, found something else"),
        ("{} {}", 1, "column 4: expected the end of the file, found something else"),
        ("[" * 200, 1, "column 102: expected fewer brackets within brackets, found something else"),
        ("[]", None, "expected a table of settings, found a list"),
        ('{"hooks": []}', None, "`hooks`: expected a table of events, found a list"),
        ('{"hooks": {"PreToolUse": {}}}', None, "`hooks.PreToolUse`: expected a list, found a table"),
        ('{"hooks": {},\n "hooks": {}}', 1, "`hooks` is given twice"),
        ('{"hooks": {"PreToolUse": [],\n "PreToolUse": []}}', 1, "`hooks.PreToolUse` is given twice"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_its_place(text, line, said):
    with pytest.raises(ConfigError) as refused:
        json_plan.with_hooks(LAYOUTS["claude"], text)
    assert (refused.value.message, refused.value.line) == (said, line)


def test_a_value_is_never_told_when_settings_are_refused():
    with pytest.raises(ConfigError) as refused:
        json_plan.with_hooks(LAYOUTS["claude"], '{"env": {"TOKEN": "sk-secret-value" sk-other}}')
    assert "sk-" not in str(refused.value)


@pytest.mark.parametrize("text", ["hooks = {PreToolUse = []}\n", 'hooks.PreToolUse = [{hooks = [{command = "x"}]}]\n'])
def test_toml_hooks_in_another_form_are_refused(text):
    with pytest.raises(ConfigError, match="cannot be changed in place"):
        toml_plan.with_hooks(CODEX, text)


def test_broken_toml_is_refused_with_its_place():
    with pytest.raises(ConfigError) as refused:
        toml_plan.with_hooks(CODEX, 'a = 1\nb = = "sk-secret"\n')
    assert (refused.value.line, refused.value.message) == (2, "column 5: not valid TOML")
