"""The files that a patch names, as those who apply it read them; what its hunks hold names none."""

import os
import shutil
import subprocess

import pytest
from governed_agent import Agent, world_in
from hypothesis import given, settings
from hypothesis import strategies as st

from codespar_cli.core.guard.patch_paths import patched

HUNK = "@@ -1 +1 @@\n-a\n+b\n"
QUOTED = '"b/.cl\\141ude/settings.json"'


@pytest.fixture
def agent(tmp_path):
    return Agent(world_in(tmp_path))


@pytest.mark.parametrize(
    "patch",
    [
        f'--- "a/.cl\\141ude/settings.json"\n+++ {QUOTED}\n{HUNK}',
        f"diff --git {QUOTED} {QUOTED}\ndeleted file mode 100644\n",
        "diff --git a/t.json b/ok.json\nsimilarity index 100%\ncopy from t.json\ncopy to .claude/settings.json\n",
        f"diff --git a/t b/t\nrename from t\nrename to {QUOTED.replace('b/', '')}\n",
        f"--- .mcp.json 2026-11-23 10:00:00 +0000\n+++ .mcp.json 2026-11-23 10:00:00 +0000\n{HUNK}",
        f"--- .mcp.json\t2026-11-23\n+++ .mcp.json\t2026-11-23\n{HUNK}",
        "*** Begin Patch\n*** Update File: x\u2028/../.codex/config.toml\n@@\n-a\n+b\n*** End Patch",
        "*** Begin Patch\n*** Update File: x\x0b/../.codex/config.toml\n@@\n-a\n+b\n*** End Patch",
        f"hello\n--- a/.mcp.json\n+++ b/.mcp.json\n{HUNK}",
        f"--- x/plugins.toml\r\n+++ x/plugins.toml\r\n{HUNK}",
        # whoever does not count lines sees a file where others see a hunk
        f"--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n--- a/.mcp.json\n+++ b/.mcp.json\n{HUNK}",
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n--- a/.mcp.json\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n",
        "--- a/x\n+++ b/x\n@@ -1,1 +1,99999999999 @@\n-a\n+++ .mcp.json\n",
        "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\nrename to .mcp.json\n",
    ],
)
def test_a_protected_name_is_found(agent, patch):
    assert agent.asks("mcp__git__apply_patch", patch=patch) is not None
    assert agent.asks("apply_patch", input=patch) is not None
    assert agent.asks("mcp__x__put", diff=patch) is not None


@pytest.mark.parametrize(
    "patch",
    [
        "--- a/README.md\n+++ b/README.md\n@@ -1,2 +1,2 @@\n ctx\n--- .mcp.json\n+-- see .mcp.json\n",
        "--- a/a.sql\n+++ b/a.sql\n@@ -1,3 +1,3 @@ x\n--- plugins.toml\n+++ plugins.toml\n \n-a\n+b\n",
        "--- a/a.md\n+++ b/a.md\n@@ -1,2 +1,1 @@\n rename to .mcp.json\n--- .mcp.json\n\\ No newline at end of file\n",
        "*** Begin Patch\n*** Update File: README.md\n@@\n-x\n+*** Update File: .mcp.json\n*** End Patch",
        f"diff --git a/docs/a b.md b/docs/a b.md\n--- a/docs/a b.md\n+++ b/docs/a b.md\n{HUNK}",
    ],
)
def test_what_a_hunk_holds_names_no_file(agent, patch):
    assert agent.asks("mcp__git__apply_patch", patch=patch) is None


NAMES = st.text(st.sampled_from(list("ab.\\\"\t é\u2028\x0b'\x7f")), min_size=1, max_size=8).map(
    lambda text: f"d{text}e"
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git makes the patches")
@settings(deadline=None, max_examples=25)
@given(name=NAMES)
def test_every_file_of_a_patch_that_git_makes_is_named(tmp_path_factory, name):
    here = tmp_path_factory.mktemp("made")
    (here / name).write_text("one\n")
    made = subprocess.run(
        ["git", "diff", "--no-index", "--", os.devnull, name],
        cwd=here, capture_output=True, check=False, env={"PATH": os.environ["PATH"], "HOME": str(here)},
    )  # fmt: skip
    assert name in patched(made.stdout.decode())


def test_a_tool_that_dispatches_commands_reads_no_patches(agent):
    assert agent.asks("dispatch", command="echo {} > ~/.bashrc\n*** \n") is not None
