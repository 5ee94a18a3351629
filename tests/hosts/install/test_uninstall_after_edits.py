"""Settings that somebody edited while our hooks were in them: without the hooks they are the edited settings, to the byte."""

import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as limits
from hypothesis import strategies as st
from settings_texts import json_texts, toml_texts

from codespar_cli.hosts.install import settings_edit
from codespar_cli.hosts.install.backups import Backups
from codespar_cli.hosts.install.installing import carry_out, plan_install, plan_uninstall
from codespar_cli.hosts.install.layouts import LAYOUTS
from codespar_cli.hosts.install.settings_file import read_settings
from codespar_cli.hosts.install.settings_text import parse

HOSTS = tuple(LAYOUTS)
MARK = b"\xef\xbb\xbf"
CASES = limits(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ADDED = st.sampled_from((" ", "\n", "\r\n", "\t", "/* by hand */", "// by hand\n", "// {[\r\n", "/* , */ \n"))
VALUES = st.sampled_from(("1", '"hooks"', "[ ]", "{ }", '[\n1 ,\t{ "a" : [ ] } ]', "null"))


class Installed:
    """One file in a directory of its own, with hooks put into it."""

    def __init__(self, directory, host, data, name="settings.json"):
        self.layout = LAYOUTS[host]
        self.path = Path(directory) / name
        self.path.write_bytes(data)
        self.backups = Backups(str(Path(directory) / "state"))
        self.install()

    def install(self):
        carry_out(plan_install(self.layout, read_settings(self.path), self.backups), self.backups, keeping=True)

    def uninstall(self):
        carry_out(plan_uninstall(self.layout, read_settings(self.path), self.backups), self.backups, keeping=False)
        return self.path.read_bytes()


def places(document, path=()):
    """Every value's path, those inside other values too."""
    node = document.node(path)
    yield path
    for number, _ in enumerate(node.children):
        step = node.keys[number] if node.keys else number
        yield from places(document, (*path, step))


def put(text, place, added):
    return text[:place] + added + text[place:]


@st.composite
def edits(draw, text):
    """A change of `text` that can be made as well to a text that holds more: by path, never by a place."""
    document = parse(text)
    paths = [path for path in places(document) if document.node(path).keys.count(path[-1:]) <= 1]
    path = draw(st.sampled_from(paths))
    node = document.node(path)
    kind = draw(st.sampled_from(("above", "below", "behind", "inside", "another value", "gone", "new key")))
    added, value = draw(ADDED), draw(VALUES)
    if kind == "above":
        return lambda text: added + text
    if kind == "below":
        return lambda text: f"{text}\n{added}"
    if kind == "behind":
        assume(path)
        return lambda text: put(text, parse(text).node(path).end, added)
    if kind == "inside":  # blanks in brackets that hold nothing else are nobody's
        assume(isinstance(node.value, (list, dict)) and (node.children or added.strip()))
        return lambda text: put(text, parse(text).node(path).start + 1, added)
    if kind == "another value":
        assume(path and not isinstance(node.value, (list, dict)))
        return lambda text: text[: parse(text).node(path).start] + value + text[parse(text).node(path).end :]
    if kind == "gone":
        assume(path and len(document.node(path[:-1]).children) > 1 and path[:1] != ("hooks",) and path != ("version",))
        return lambda text: settings_edit.remove(text, path)
    assume(document.root.children)
    return lambda text: put(text, parse(text).root.start + 1, f'{added}"by hand" :{value},')


@CASES
@given(st.sampled_from(HOSTS), st.data(), st.booleans(), st.booleans())
def test_json_less_our_hooks_is_what_was_edited(host, data, marked, twice):
    text = data.draw(json_texts(host))
    edit = data.draw(edits(text))
    mark = MARK if marked else b""
    wanted = mark + edit(text).encode()
    with tempfile.TemporaryDirectory() as directory:
        installed = Installed(directory, host, mark + text.encode())
        changed = installed.path.read_bytes().removeprefix(MARK).decode()
        installed.path.write_bytes(mark + edit(changed).encode())
        if twice:
            installed.install()
        assert installed.uninstall() == wanted


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(
    "hooks",
    [
        "{ }",
        "{\n}",
        "{ /* none */ }",
        "{\r\n  // none yet\r\n  }",
        '{"JUDGED": [ ]}',
        '{ "JUDGED" : [\n\n] , }',
        '{"JUDGED": [ /* one, two */  ]}',
        '{\n "JUDGED": [ // none\n\t]\n}',
    ],
)
def test_brackets_that_held_nothing_keep_their_blanks(tmp_path, host, hooks):
    said = '{{\n  "theirs": {one},\n  "list": [ ],\n  "hooks": {hooks}\n}}\n'
    hooks = hooks.replace("JUDGED", LAYOUTS[host].judged)
    installed = Installed(tmp_path, host, said.format(one=1, hooks=hooks).encode())
    installed.path.write_bytes(installed.path.read_bytes().replace(b'"theirs": 1', b'"theirs": 2'))
    assert installed.uninstall().decode() == said.format(one=2, hooks=hooks)


def test_a_comment_that_was_put_behind_our_hook_does_not_swallow_the_bracket(tmp_path):
    installed = Installed(tmp_path, "claude", b'{"theirs": 1, "hooks": {"PreToolUse": [ ]}}')
    text = installed.path.read_text()
    end = parse(text).node(("hooks", "PreToolUse", 0)).end
    installed.path.write_text(put(text, end, " // by hand\n"))
    assert installed.uninstall() == b'{"theirs": 1, "hooks": {"PreToolUse": [ // by hand\n ]}}'


@pytest.mark.parametrize(
    "added, left",
    [("// by hand\n", "// by hand\n"), (" // by hand", " // by hand\n  "), ("// by hand\r\n", "// by hand\r\n")],
)
def test_a_comment_above_our_hooks_keeps_the_line_end_it_came_with(tmp_path, added, left):
    installed = Installed(tmp_path, "claude", b'{\n  "hooks": {},\n  "theirs": 1\n}')
    changed = installed.path.read_bytes().replace(b'"hooks": {', b'"hooks": {' + added.encode())
    installed.path.write_bytes(changed)
    assert installed.uninstall().decode() == f'{{\n  "hooks": {{{left}}},\n  "theirs": 1\n}}'


@st.composite
def toml_edits(draw, text):
    newline = "\r\n" if "\r\n" in text else "\n"
    added = draw(st.sampled_from(('[tui]\nsounds = "on"\n', "# by hand\n", "\n\n", "[tui]", "# last"))).replace(
        "\n", newline
    )
    kind = draw(st.sampled_from(("above", "below", "another value", "a line less")))
    if kind == "above":
        return lambda text: f"top = 1{newline}{text}"
    if kind == "below":  # where no line end stands at the end whoever adds a line puts one there
        return lambda text: text + (newline if text and not text.endswith("\n") else "") + added
    if kind == "another value":
        assume("lint" in text or "gpt-5" in text)
        return lambda text: text.replace("lint", "flint -x").replace("gpt-5", "gpt-6")
    lines = [
        line for line in text.splitlines(keepends=True) if line.lstrip().startswith(("#", "words", "hooks = true"))
    ]
    lines = [line for line in lines if text.count(line) == 1 and line.endswith("\n")]
    assume(lines)
    line = draw(st.sampled_from(lines))
    return lambda text: text.replace(line, "")


@CASES
@given(toml_texts(), st.data(), st.booleans())
def test_toml_less_our_hooks_is_what_was_edited(text, data, twice):
    edit = data.draw(toml_edits(text))
    try:
        tomllib.loads(edit(text))
    except tomllib.TOMLDecodeError:
        assume(False)
    with tempfile.TemporaryDirectory() as directory:
        installed = Installed(directory, "codex", text.encode(), "config.toml")
        changed = installed.path.read_bytes().decode()
        installed.path.write_bytes(edit(changed).encode())
        if twice:
            installed.install()
        assert installed.uninstall().decode() == edit(text)


def test_a_comment_above_our_hook_does_not_swallow_what_stands_behind_it():
    text = '{"hooks": [ // by hand\n "ours", "theirs"]}'
    assert settings_edit.remove(text, ("hooks", 0)) == '{"hooks": [ // by hand\n  "theirs"]}'
