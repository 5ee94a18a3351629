"""What the wrapper says of tools that are not as they were pinned."""

import pytest

from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.mcp.drift_notes import MOST_LINES, DriftNotes


def change(tool="echo", grade="docs", field="description", before="a", after="b"):
    return DriftChange("small", tool, grade, field, before, after)


@pytest.fixture
def said():
    return []


@pytest.fixture
def notes(said):
    return DriftNotes(said.append)


def test_each_tool_has_one_line_with_its_worst_grade_and_the_command_that_shows_it(notes, said):
    notes(
        "small", [change(), change(grade="security", field="inputSchema.properties.token"), change("big", "breaking")]
    )
    assert said == [
        "tool drift, security: `small/echo`: inputSchema.properties.token, description: codespar mcp pins show small echo",
        "tool drift, breaking: `small/big`: description: codespar mcp pins show small big",
    ]


def test_a_change_is_told_once_and_another_one_again(notes, said):
    notes("small", [change()])
    notes("small", [change()])
    assert len(said) == 1
    notes("small", [change(after="c")])
    assert len(said) == 2
    notes("small", [])
    notes("small", [change()])
    assert len(said) == 3


def test_servers_are_told_apart(notes, said):
    notes("small", [change()])
    notes("large", [change()])
    assert len(said) == 2


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [(None, "echo", "new"), ("echo", None, "gone"), ("echo", "say", "`echo` is now `say`")],
)
def test_a_tool_that_came_or_went_is_told_as_that(notes, said, before, after, words):
    notes("small", [change(field="tool", grade="breaking", before=before, after=after)])
    assert f": {words}: codespar" in said[0]


def test_of_many_fields_the_first_are_told(notes, said):
    notes("small", [change(field=f"f{number}") for number in range(5)])
    assert ": f0, f1, f2 and 2 more: " in said[0]


@pytest.mark.parametrize("tool", ["-h", "x" * 200, "a\u202eb", "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_typed_is_not_in_the_command(notes, said, tool):
    notes("small", [change(tool)])
    assert said[0].endswith(": codespar mcp pins show small")
    assert len(said[0]) < 300
    assert said[0].isprintable()


def test_a_name_with_signs_of_the_shell_is_quoted(notes, said):
    notes("small", [change("a; rm -rf ~")])
    assert said[0].endswith("codespar mcp pins show small 'a; rm -rf ~'")


def test_a_flood_of_changes_is_cut(notes, said):
    notes("small", [change(f"t{number}") for number in range(MOST_LINES + 7)])
    assert len(said) == MOST_LINES + 1
    assert said[-1] == "tool drift: 7 more tools of `small`: codespar mcp pins show small"
