"""`codespar metrics drift` and `codespar mcp pins` as real processes, without a plugins.toml."""

import io
import json
import sys
from pathlib import Path

import pytest

from codespar_cli.cli.commands import mcp_pins
from codespar_cli.cli.io import Terminal
from codespar_cli.cli.parameters import Output
from codespar_cli.cli.session import Session
from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.errors import UsageError

READ = {
    "name": "read",
    "description": "Read a file",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
KEYS = ["server", "tool", "grade", "field", "before", "after"]


@pytest.fixture
def bare(codespar):
    """No plugins.toml at all."""
    (codespar.directory / "plugins.toml").unlink()
    return codespar


def tools(codespar, *listed, name="tools.json"):
    (codespar.directory / name).write_text(json.dumps({"tools": listed}))
    return ("metrics", "drift", "--tools", name, "--server", "fs")


def test_a_change_from_sight_to_approval(bare):
    first = bare.run(*tools(bare, READ), "--fail-on", "notation")
    assert (first.returncode, first.stdout) == (0, "")
    assert "first sight of `fs`: 1 tool pinned" in first.stderr
    narrower = {**READ, "inputSchema": {**READ["inputSchema"], "additionalProperties": False}}
    command = tools(bare, narrower)
    assert bare.run(*command).returncode == 0
    for limit, code in (("docs", 1), ("breaking", 1), ("security", 0)):
        assert bare.run(*command, "--fail-on", limit).returncode == code
    told = bare.run("metrics", "drift", "-o", "json", "--fail-on", "breaking")
    assert told.returncode == 1
    assert [list(change) for change in json.loads(told.stdout)] == [KEYS]
    assert json.loads(told.stdout) == [
        {
            "server": "fs",
            "tool": "read",
            "grade": "breaking",
            "field": "inputSchema.additionalProperties",
            "before": None,
            "after": False,
        }
    ]
    shown = bare.run("mcp", "pins", "show", "fs", "read")
    assert "approved    by nobody" in shown.stdout
    assert "+ false" in shown.stdout
    refused = bare.run("mcp", "pins", "approve", "fs")
    assert refused.returncode == 2
    assert "nobody is there to be asked" in refused.stderr
    agreed = bare.run("mcp", "pins", "approve", "fs", "--as", "ana", "--yes", "-o", "json")
    assert json.loads(agreed.stdout)["approved"] == ["read"]
    assert json.loads(agreed.stdout)["changes"] == json.loads(told.stdout)
    assert bare.run("metrics", "drift", "--fail-on", "notation").returncode == 0
    (pin,) = json.loads(bare.run("mcp", "pins", "list", "-o", "json").stdout)
    assert (pin["status"], pin["approved_by"], pin["revision"]) == ("approved", "ana", 2)


def test_it_works_whatever_the_backend_is(codespar):
    codespar.configure("[observability]\nbackend = 'none'\n")
    assert codespar.run(*tools(codespar, READ)).returncode == 0
    assert json.loads(codespar.run("metrics", "drift", "-o", "json").stdout) == []


def test_the_list_may_come_on_stdin(bare):
    given = json.dumps({"result": {"tools": [READ]}})
    assert bare.run("metrics", "drift", "--tools", "-", "--server", "fs", given=given).returncode == 0
    assert len(json.loads(bare.run("mcp", "pins", "list", "-o", "json").stdout)) == 1


def test_names_from_outside_are_shown_harmless(bare):
    hostile = {**READ, "name": "re\x1b[2Jad\u202e", "description": "x\u200by"}
    found = bare.run(*tools(bare, hostile), "--fail-on", "security")
    assert found.returncode == 1
    assert "\\x1b" in found.stdout
    assert not {"\x1b", "\u202e", "\u200b"} & set(found.stdout + found.stderr)


def test_what_cannot_be_done_is_said_with_its_code(bare):
    (bare.directory / "twice.json").write_text('{"tools": [{"name": "a", "name": "b"}]}')
    (bare.directory / "deep.json").write_text('{"tools": [{"name": "a", "x": ' + "[" * 10_000 + "]" * 10_000 + "}]}")
    for arguments, code, words in (
        (("metrics", "drift", "--tools", "twice.json"), 2, "--tools needs --server"),
        (("metrics", "drift", "--tools", "twice.json", "--server", "fs"), 2, 'twice.json: key "name" is given twice'),
        (("metrics", "drift", "--tools", "deep.json", "--server", "fs"), 2, "deep.json: nested"),
        (("metrics", "drift", "--tools", "none.json", "--server", "fs"), 6, "no such file"),
        (("metrics", "drift", "--server", "fs"), 6, "ever seen"),
        (("metrics", "drift", "--fail-on", "panic"), 2, "panic"),
        (("mcp", "pins", "show", "fs"), 6, "ever seen"),
        (("mcp", "pins", "reset", "fs", "--yes"), 6, "ever seen"),
    ):
        result = bare.run(*arguments)
        assert (result.returncode, words in result.stderr) == (code, True), (arguments, result.stderr)
        assert result.stdout == ""
    assert not (bare.state_dir / "pins.db").exists()


def test_a_damaged_store_is_exit_5_for_every_command(bare):
    bare.run(*tools(bare, READ))
    path = bare.state_dir / "pins.db"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"not a database, but long enough to be one" * 200)
    for arguments in (
        tools(bare, READ),
        ("metrics", "drift"),
        ("mcp", "pins", "list"),
        ("mcp", "pins", "show", "fs"),
        ("mcp", "pins", "approve", "fs", "--yes"),
        ("mcp", "pins", "reset", "fs", "--yes"),
    ):
        result = bare.run(*arguments)
        assert (result.returncode, result.stdout) == (5, ""), arguments
        assert "damaged" in result.stderr


class Asked(Terminal):
    interactive = True


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("\n", 1)])
def test_a_person_sees_both_sides_before_the_question(tmp_path, answer, code):
    terminal = Asked(io.StringIO(answer), io.StringIO(), io.StringIO(), color=False)
    session = Session(terminal, environ={"CODESPAR_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)})
    store = mcp_pins._store(session)
    store.see("fs", [READ], session.clock())
    store.see("fs", [{**READ, "description": "Read any file\x1b"}], session.clock())

    class Context:
        obj = session

    assert mcp_pins.approve(Context(), "fs", None, None, yes=False, output=Output.table) == code
    assert terminal.stdout.getvalue().startswith(
        "security  fs  read  description\n  - Read a file\n  + Read any file\\x1b\n"
    )
    assert "approve every tool of `fs` as it was last seen? [y/N]" in terminal.stderr.getvalue()
    assert bool(store.drift()) is (code == 1)
    assert mcp_pins.reset(Context(), "fs", yes=True) == 0
    with pytest.raises(UsageError):
        mcp_pins._agreed(Session(Terminal(io.StringIO(), io.StringIO(), io.StringIO(), color=False)), "?", yes=False)


def test_a_very_long_side_is_abridged_in_json():
    change = DriftChange("s", "t", "docs", "description", "a" * 100_000, "b")
    assert change.document()["before"]["characters"] == 100_002
    assert change.document()["after"] == "b"


def test_the_commands_import_no_more_than_they_use():
    import subprocess

    code = (
        "import sys; from codespar_cli.cli.app import run; run(['metrics', 'drift', '--server', 'x']);"
        "print([m for m in sys.modules if m.split('.')[0] in {'rich', 'cryptography', 'psycopg', 'jsonschema', 'yaml'}])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n"


def test_the_page_names_every_word_and_every_grade():
    page = (Path(__file__).parents[4] / "docs" / "tool-drift.md").read_text()
    from codespar_cli.core.administration.tool_drift import GRADES
    from codespar_cli.plugins.observability.drift.solicitation import CONTEXT, CREDENTIALS, HARMLESS, OTHER_TOOLS

    prose = " ".join(page.split())
    for word in (*GRADES, *CONTEXT, *CREDENTIALS, *OTHER_TOOLS, *HARMLESS):
        assert f"`{word}`" in prose, word
