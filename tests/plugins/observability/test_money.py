from __future__ import annotations

from decimal import Decimal, Inexact, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.observability.money import from_micro_units, to_micro_units


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        (0, 0),
        (-0.0, 0),
        (3, 3_000_000),
        (0.1, 100_000),
        ("0.1", 100_000),
        (Decimal("0.000001"), 1),
        (1e-7, 0),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("1e3", 1_000_000_000),
        (10**9, 10**15),
        (Decimal("1e-999999"), 0),
    ],
)
def test_amounts_become_micro_units(amount, micros):
    assert to_micro_units(amount) == micros


@pytest.mark.parametrize(
    "amount",
    [
        True, -1, -0.01, "-1", float("nan"), float("inf"), "NaN", "sNaN", "inf", "1e10", 10**9 + 1, 10**400, "",
        "five", "1,5", "1_0", "\u0663", " 1", "1\n", ".", "9" * 1000, Decimal("Infinity"), [], None, b"1",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(ValueError):
        to_micro_units(amount)


@given(st.integers(min_value=0, max_value=10**15))
def test_micro_units_survive_the_way_out_and_back(micros):
    assert to_micro_units(from_micro_units(micros)) == micros


def test_the_decimal_context_of_the_program_changes_nothing():
    with localcontext() as context:
        context.prec = 2
        context.traps[Inexact] = True
        assert to_micro_units("1234.567891") == 1_234_567_891
        assert from_micro_units(1_234_567_891) == Decimal("1234.567891")
