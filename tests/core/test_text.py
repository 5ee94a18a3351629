import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.text import clean_block, clean_line, nearest, visible

# Drawn as nothing: Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt.
IGNORABLE = [
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
]  # fmt: skip
UNSEEN = [chr(point) for low, high in IGNORABLE for point in range(low, high + 1)]
CONTROLS = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) in {"Cc", "Cs"}]
HARMFUL = st.sampled_from([*UNSEEN, *CONTROLS, "\u2028", "\u2029", "\ufff9", "\u2066"])
TEXT = st.lists(HARMFUL | st.sampled_from(" \n\t\u2800\u00a0ab…é漢") | st.characters(exclude_categories=())).map(
    "".join
)


def harmless(text):
    return not set(text) & {*UNSEEN, *CONTROLS, "\u2028", "\u2029"}


def seen(text):
    return any(not character.isspace() and character != "\u2800" for character in text)


@given(TEXT, st.integers(2, 300))
def test_a_clean_line_is_one_short_harmless_line_that_can_be_seen_or_nothing(text, limit):
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert harmless(line)
    assert line == line.strip()
    assert seen(line) or line == ""
    assert clean_line(line, limit) == line


@given(TEXT)
def test_a_clean_block_is_harmless_but_for_its_lines(text):
    block = clean_block(text)
    assert harmless(block.replace("\n", "").replace("\t", ""))
    assert seen(block) or block == ""
    assert clean_block(block) == block


@given(
    st.text(st.characters(categories=("L", "Nd", "P", "S"), exclude_characters=["\u2800"]), min_size=1, max_size=300)
)
def test_what_can_be_seen_stays(text):
    kept = "".join(character for character in text if character not in UNSEEN and character != "\U0001d159")
    assert clean_line(kept) == kept
    assert visible(kept) == kept


@pytest.mark.parametrize(
    "text", ["", " ", *"\ufe0f\ufe00\u2800\u3164\u180b\u034f\u200d\u00a0\U000e0100", "\u2800 \ufe0f", "\U0001d159"]
)
def test_nothing_to_be_seen_is_nothing(text):
    assert clean_line(text) == clean_block(text) == ""


def test_blanks_among_signs_and_marks_under_letters_stay():
    assert clean_line("⠓\u2800⠊") == "⠓\u2800⠊"
    assert clean_line("नमस्ते e\u0301") == "नमस्ते e\u0301"
    assert clean_line("❤\ufe0f done") == "❤ done"


def test_a_cut_is_marked():
    assert clean_line("x" * 301) == "x" * 299 + "…"
    assert clean_line("a" + " " * 400 + "b", 10) == "a…"
    assert clean_line("one\r\ntwo\u2028three") == "one two three"


@given(TEXT)
def test_visible_text_is_harmless_and_loses_nothing(text):
    spelled = visible(text)
    assert harmless(spelled)
    assert visible(spelled) == spelled
    assert len(spelled) >= len(text)
    if harmless(text) and not set(text) & set("\ufff9\ufffa\ufffb"):
        assert spelled == text


def test_how_harmful_characters_are_spelled():
    assert visible("\x1b[2J\u202e\U000e0041") == "\\x1b[2J\\u202e\\U000e0041"


def test_the_nearest_name_is_one_a_person_may_have_meant():
    assert nearest("gihub", ["github", "sentry"]) == "github"
    assert nearest("zzz", ["github", "sentry"]) is None
