from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.policy.language.money import as_amount, from_micros, grouped, parse_limit, plain, to_micros


@pytest.mark.parametrize(
    "cost",
    [
        -1, "-0.01", float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), "nan", "inf", True, False, "", "a",
        " 1", "1 ", "1_000", "１", b"1", [], {}, object(), 10**13, pytest.param(10**5000, id="huge"), "1e999999999", Decimal("1e999999999"), "9" * 61,
        1 + 2j,
    ],
)  # fmt: skip
def test_what_is_no_amount_of_money_is_refused(cost):
    with pytest.raises(ValueError, match="expected a number from 0"):
        as_amount(cost)


def test_an_amount_is_exact():
    assert as_amount("0.1") == as_amount(0.1) == as_amount(Decimal("0.1")) == Decimal("0.1")
    assert sum(to_micros(as_amount(0.1)) for _ in range(10)) == to_micros(as_amount(1))


@given(st.decimals(min_value=0, max_value=10**12, places=9))
def test_a_hold_is_the_least_whole_millionth_that_covers_the_cost(cost):
    micros = to_micros(as_amount(cost))
    assert from_micros(micros) >= cost
    assert micros == 0 or from_micros(micros - 1) < cost


@given(st.integers(0, 10**18))
def test_limits_are_read_as_they_are_written(micros):
    assert parse_limit(plain(micros)) == micros


def test_spelling():
    assert grouped(4_980_000_000) == "4,980.00"
    assert plain(4_980_000_000) == "4980.00"
    assert plain(125) == "0.000125"
    assert plain(-25_500_000) == "-25.50"
    assert grouped(0) == "0.00"
