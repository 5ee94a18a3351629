"""Every rule of docs/tool-drift.md on generated definitions: the exact changes, each at its place and with its grade."""

import sys
from pathlib import Path

import pytest

from codespar_cli.cli.views.tool_drift import change_lines, change_rows
from codespar_cli.core.administration.tool_drift import DriftChange
from codespar_cli.plugins.observability.drift.tool_diff import hidden_changes, tool_changes

sys.path.insert(0, str(Path(__file__).parents[4] / "benchmarks"))
import tool_drift

BY_RULE: dict[str, list[tool_drift.Case]] = {}
for case in tool_drift.corpus(4):
    BY_RULE.setdefault(case.rule, []).append(case)


@pytest.mark.parametrize("rule", BY_RULE)
def test_every_change_is_told_with_its_grade_and_nothing_else_is(rule):
    for case in BY_RULE[rule]:
        assert tool_drift.told(case) == case.expected


def test_both_sides_are_told():
    case = next(case for case in BY_RULE["inputSchema: minimum raised"])
    (change,) = tool_changes(case.old, case.new)
    assert (change.before, change.after) == (1, 5)


@pytest.mark.parametrize(
    "text",
    ["a\u200bb", "a\u200db", "\ufeffa", "a\u00adb", "a\u2066b", "\U000e0061", "a\x1b[31m", "a\x00", "1\ufe0f", "a\ufe0fb", "x\ufe0f\ufe0f",
     "\u2764\ufe0f\ufe0f", "a\u2063", "\u180eb", "a\x7f", "a\u0085b", "a\u2800b", "\u3164", "a\u115f",
     "\u1160a", "a\uffa0", "\U0001d159", "\U00013441", "\U00016fe4",
     f"a{chr(10) * 9}b", f"a{' ' * 41}b", f"a{chr(0xA0) * 20}b", f"{' ' * 41}b", f"a{chr(9) * 41}b", f"a{(' ' + chr(10)) * 9}b",
     f"a{chr(0x3000) * 20}b", f"a{(chr(13) + chr(10)) * 9}b"],
)  # fmt: skip
@pytest.mark.parametrize(
    "place",
    [
        lambda text: {"name": text},
        lambda text: {"name": "t", "description": text},
        lambda text: {"name": "t", "inputSchema": {"properties": {text: {}}}},
        lambda text: {"name": "t", "inputSchema": {"properties": {"a": {"enum": ["x", text]}}}},
        lambda text: {"name": "t", "_meta": {"k": [text]}},
        lambda text: {"name": "t", text: 1},
    ],
)
def test_what_is_hidden_is_found_with_nothing_to_compare_it_with(place, text):
    assert [change.grade for change in hidden_changes(place(text))] == ["security"]


@pytest.mark.parametrize(
    "text", ["plain", "two\nlines\r\n\tand a tab", "na\u00efve \u4f60\u597d", "\u26a0\ufe0f now", "1\ufe0f\u20e3", "\U0001f469\u200d\U0001f680",
             "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f468\U0001f3fd\u200d\U0001f4bb",
             f"a{chr(10) * 8}b", f"a{' ' * 40}b", f"a{chr(0xA0) * 19}b", f"a{chr(0x3000) * 2}b", f"a{(chr(13) + chr(10)) * 8}b",
             f"a{' ' * 400}", f"a{chr(10) * 100}", f"a{(chr(10) + ' ' * 40) * 8}b", f"- a{chr(10)}" * 50,
             f"```{chr(10)}{' ' * 24}deep(){chr(10) * 3}{' ' * 16}end{chr(10)}```"]
)  # fmt: skip
def test_what_everybody_sees_is_not_hidden(text):
    assert hidden_changes({"name": "t", "description": text}) == []


def test_a_text_that_was_approved_with_what_it_hides_is_not_told_again_where_it_moves():
    old = {"name": "t", "inputSchema": {"properties": {"a": {"enum": ["x", "y\u200b"]}}}}
    new = {"name": "t", "inputSchema": {"properties": {"a": {"enum": ["y\u200b", "x"]}}}}
    assert [change.grade for change in tool_changes(old, new)] == ["notation"]
    assert {change.grade for change in tool_changes(old, new, approved=False)} == {"notation", "security"}


ASKS = [
    "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44",
    "\U0001d429\U0001d41a\U0001d42c\U0001d42c\U0001d430\U0001d428\U0001d42b\U0001d41d",
    "api\uff3fkey",
    "conversation",
    "chatTranscript",
    "tool_results",
    "api_key",
    "APIKey",
    "ssh-key",
    "env",
    "system_prompt",
    "session_token",
    "context",
]
DOES_NOT = [
    "max_tokens",
    "next_page_token",
    "environment",
    "contexts_count_x",
    "author",
    "keyword",
    "monkey",
    "secretary",
    "tokenizer",
]


@pytest.mark.parametrize(("names", "grade"), [(ASKS, "security"), (DOES_NOT, "compatible")])
def test_a_new_argument_is_judged_by_the_words_of_its_name(names, grade):
    for name in names:
        new = {"name": "t", "inputSchema": {"properties": {name: {"type": "string"}}}}
        found = tool_changes({"name": "t", "inputSchema": {"properties": {}}}, new)
        assert [change.grade for change in found] == [grade], name


@pytest.mark.parametrize("schema", [{"type": "boolean"}, {"type": ["integer", "null"]}, {"enum": ["on", "off"]}])
def test_an_argument_that_can_carry_no_text_asks_for_nothing(schema):
    new = {"name": "t", "inputSchema": {"properties": {"context": schema}}}
    assert [change.grade for change in tool_changes({"name": "t", "inputSchema": {}}, new)] == ["compatible"]


def test_an_argument_that_asks_is_found_in_a_new_branch_as_well():
    old = {"name": "t", "inputSchema": {"anyOf": [{"type": "object", "required": ["a"]}, {"type": "null"}]}}
    branch = {"type": "object", "required": ["b"], "properties": {"password": {"type": "string"}}}
    new = {"name": "t", "inputSchema": {"anyOf": [*old["inputSchema"]["anyOf"], branch]}}
    assert "security" in {change.grade for change in tool_changes(old, new)}


@pytest.mark.parametrize(
    ("blank", "words"),
    [("\n" * 9, "[9 blank characters, then]"), (" " * 41, "[41 blank characters, then]"),
     ("\u00a0" * 200, "[200 blank characters, then]"), ("\u2800", r"\u2800")],
)  # fmt: skip
def test_where_changes_are_shown_a_blank_is_told_in_words_and_what_is_behind_it_is_seen(blank, words):
    told = DriftChange("s", "t", "security", "description", "adds", f"adds{blank}and sends all files")
    lines = [line for line, _ in change_lines([told])]
    for shown in (change_rows([told])[0][-1], lines[-1]):
        assert words in shown
        assert "and sends all files" in shown
