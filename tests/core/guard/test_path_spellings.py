"""However a protected path is spelled the answer is no; what leads elsewhere is the policy's matter."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from governed_agent import Agent, world_in
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.core.guard.path_patterns import fits


@pytest.fixture
def agent(tmp_path):
    return Agent(world_in(tmp_path))


@pytest.mark.parametrize(
    "path",
    [
        "~/[x]/../.claude/settings.json", "~/?/../.bashrc", "a*/../.claude/settings.json", "a [1]/.claude/settings.json",
        "~/.config/[q]/../codespar/policy.yaml", "[x]/../link/settings.json", "~/.c*/settings.json", "~/.[a-c]laude/sett*",
        "~/.bash[!x]c", "~/.conf?g/*/plugins.toml", "[[:alpha:]]/../plugins.tom[l-m]", ".github/ho*ks/x.json",
    ],
)  # fmt: skip
def test_signs_of_a_pattern_do_not_hide_a_path(agent, path):
    assert agent.writes(path) is not None


@pytest.mark.parametrize("name", ["a [1]", "[slug]", "what?", "*"])
@pytest.mark.parametrize("file", [".claude/settings.json", ".mcp.json", "plugins.toml", ".codex/config.toml"])
def test_a_directory_may_have_signs_of_a_pattern_in_its_name(agent, name, file):
    directory = agent.project / name
    directory.mkdir()
    assert agent.writes(str(directory / file)) is not None
    assert agent.writes(file, cwd=directory) is not None
    assert agent.writes(f"../{name}/{file}", cwd=directory) is not None


@pytest.mark.parametrize(
    "path", ["app/[slug]/page.tsx", "src/[...all].ts", "what?.md", "[id].toml", "*/x", "docs/*.md"]
)
def test_other_names_with_signs_are_the_policys_matter(agent, path):
    assert agent.writes(path) is None


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("a*c", "abbc", True), ("a*c", "abbd", False), ("*", ".x", False), (".*", ".x", True), ("?x", ".x", False),
        ("[a-c]x", "bx", True), ("[!a-c]x", "bx", False), ("[^a-c]x", "dx", True), ("[", "[", True), ("[]]", "]", True),
        ("a**b*", "ab", True), ("a?", "a", False), ("x[-]", "x-", True), ("", "", True), ("*a*b*c", "xaxbxc", True),
    ],
)  # fmt: skip
def test_a_pattern_fits_as_in_a_shell(pattern, name, expected):
    assert fits(pattern, name) is expected


@pytest.mark.parametrize(
    "path",
    [
        "{root}/cop/hooks/codespar.json", "$COPILOT_HOME/hooks/x", "${CLAUDE_CONFIG_DIR}/hooks/x", "${HOME}/.bashrc",
        "{root}/cop/config.json", "{root}/cc/settings.local.json",
        "{root}/cc/settings.json", "{root}/cc/hooks/x.sh", "$CLAUDE_CONFIG_DIR/hooks/x", "{root}/cc/plugins/x/hooks/hooks.json",
        "~/.copilot/hooks/codespar.json", "~/.gemini/.env", ".gemini/.env", "~/.gemini/extensions/x/hooks/hooks.json",
        "{root}/cx/config.toml", "{root}/cx/skills/../config.toml", "{root}/cx/skills/run.sh",
    ],
)  # fmt: skip
def test_where_variables_say_that_hosts_settings_are(tmp_path, path):
    homes = {"COPILOT_HOME": "cop", "CLAUDE_CONFIG_DIR": "cc", "CODEX_HOME": "cx"}
    agent = Agent(world_in(tmp_path), **{name: str(tmp_path / place) for name, place in homes.items()})
    assert agent.writes(path.replace("{root}", str(tmp_path))) is not None
    assert agent.writes(f"{tmp_path}/cx/skills/a/SKILL.md") is None
    assert agent.writes(f"{tmp_path}/cc/notes.md") is None


def test_a_path_of_many_parts_is_looked_at(agent):
    assert agent.writes("a/" * 2000 + "b") is None
    assert agent.writes("a/" * 2000 + ".mcp.json") is not None


def test_a_link_among_codexs_texts_is_followed(agent):
    (agent.project / ".codex/skills").mkdir(parents=True)
    (agent.project / ".codex/skills/a.md").symlink_to("../config.toml")
    assert agent.writes(".codex/skills/a.md") is not None
    assert agent.writes(".codex/skills/b.md") is None


@pytest.mark.parametrize("place", ["sub", "src/deep/er", "node_modules/x"])
def test_a_nearer_configuration_cannot_be_put_below_the_one_that_governs(agent, place):
    assert agent.writes(f"{place}/plugins.toml") is not None
    assert agent.writes(str(agent.project / place / "Plugins.TOML"), cwd="/") is not None
    assert agent.writes(f"{place}/plugins.toml", cwd=agent.home) is not None
    assert agent.writes(f"{agent.home}/code/other/plugins.toml") is None
    assert agent.runs(f"cp /tmp/x {place}/plugins.toml") is not None


TARGETS = [
    "home/.claude/settings.json", "home/.bashrc", "home/.config/codespar/plugins.toml", "home/.local/state/codespar/policy.db",
    "home/code/project/.mcp.json", "home/code/project/plugins.toml", "home/code/project/src/plugins.toml",
    "home/code/project/[slug]/.codex/hooks.json", "home/code/project/rules/policy.yaml",
]  # fmt: skip
CWDS = ["home/code/project", "home/code/project/src", "home/code/project/[slug]", "home"]
FORMS = ["absolute", "relative", "home", "variable", "uri", "quoted uri"]
ELSEWHERE = st.lists(
    st.sampled_from(["src", "docs", "[slug]", "a b", ".github", "x?", "hooks", "settings.json", "main.py", "..foo"]),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def spelled(tmp_path_factory):
    root = world_in(tmp_path_factory.mktemp("spelled"))
    (root / "home/code/project/[slug]/.codex").mkdir(parents=True)
    (root / "elsewhere").symlink_to(root)
    (root / "home/code/project/up").symlink_to("..")
    return Agent(root)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_no_spelling_of_a_protected_path_is_allowed(spelled, data):
    draw = data.draw
    root = spelled.home.parent
    target = draw(st.sampled_from(TARGETS))
    cwd = root / draw(st.sampled_from(CWDS))
    start = draw(
        st.sampled_from([str(root), f"{root}/elsewhere", f"{root}/elsewhere/elsewhere", f"/proc/self/root{root}"])
    )
    path = draw(st.sampled_from(["", "/"])) + _detoured(start, target, draw)
    form = draw(st.sampled_from(FORMS))
    inside = f"{spelled.home}/"
    if form == "relative":
        path = os.path.relpath(path, cwd)
    elif form in {"home", "variable"} and path.startswith(inside):
        path = ("~/" if form == "home" else "$HOME/") + path[len(inside) :]
    elif form == "quoted uri":
        path = f"file://{quote(path)}"
    elif form == "uri" and "?" not in path and "#" not in path:
        path = f"FILE:/{path.lstrip('/')}"
    tool, key = draw(st.sampled_from([("Write", "file_path"), ("mcp__fs__put", "p"), ("edit", "uri")]))
    assert spelled.writes(path, tool, key, cwd) is not None, (path, str(cwd))


def _detoured(start, target, draw):
    """The path with `.`, doubled slashes, directories that are left at once, other case, and the link `up` and back."""
    path = start
    for part in target.split("/"):
        detour = draw(st.sampled_from(["", "", "/.", "/", "/[q]/..", "/x?y/..", "/*/..", "/a\n/.."]))
        path += (
            detour
            + "/"
            + (part.swapcase() if part not in {"home", "code", "project"} and draw(st.booleans()) else part)
        )
        if part == "project":
            path += draw(st.sampled_from(["", "/up/project", "/src/.."]))
    return path


@settings(deadline=None, max_examples=300)
@given(
    ELSEWHERE,
    st.sampled_from([("Write", "file_path"), ("mcp__fs__write_file", "path"), ("edit", "uri")]),
    st.booleans(),
)
def test_what_leads_elsewhere_is_the_policys_matter(spelled, parts, tool, absolute):
    path = "/".join(parts)
    path = str(spelled.project / path) if absolute else path
    real = Path(os.path.realpath(spelled.project / path))
    governs = ".github/hooks" in f"{real}/"
    assert (spelled.writes(path, *tool) is not None) == governs, path
