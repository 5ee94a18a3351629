from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.durations import parse_duration
from codespar_cli.core.numerals import parse_decimal, parse_whole

decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12)


@given(decimals)
def test_a_decimal_is_what_it_says(value):
    assert parse_decimal(str(value)) == value


@given(st.integers(min_value=0, max_value=10**99))
def test_a_whole_number_is_what_it_says(value):
    assert parse_whole(str(value)) == value


@pytest.mark.parametrize("text", [".5", "5.", "+5", "-0", "1e-7", "1E9"])
def test_python_agrees_on_the_usual_spellings(text):
    assert parse_decimal(text) == Decimal(text)


@pytest.mark.parametrize(
    "text", ["", ".", "e5", "1_0", " 1", "1\n", "nan", "inf", "0x1", "1,5", "1e", "1e9999999999", "--1", "9" * 101]
)
def test_everything_else_is_refused(text):
    for parse in (parse_decimal, parse_whole):
        with pytest.raises(ValueError):
            parse(text)


@given(st.characters(categories=["Nd"], exclude_characters="0123456789"))
def test_digits_of_other_scripts_are_no_digits_here(digit):
    for parse, text in ((parse_decimal, digit), (parse_whole, digit), (parse_duration, f"{digit}d")):
        with pytest.raises(ValueError):
            parse(text)
