from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from codespar_cli.core.config import parse_config
from codespar_cli.core.options import Problem
from codespar_cli.errors import ConfigError
from codespar_cli.plugins import builtin_options
from codespar_cli.plugins.observability.costs.options import BUDGETS, PRICES


def problems(text: str, check=PRICES, key="prices") -> list[Problem]:
    return list(check(tomllib.loads(text)[key], (key,)))


@pytest.mark.parametrize(
    "entry",
    [
        'tool = "a"\nper_call = "0.005"',
        'tool = "a"\nper_call = 1',
        'tool = "a"\nper_call = "0"',
        'tool = "**"\nagent = "triage-*"\nper_input_token = "0.000000000001"\nper_output_token = "1e-6"',
        'tool = "a"\nper_call = "1"\nfrom = 2026-10-01',
        'tool = "a"\nper_call = "1"\nfrom = 2026-10-01\nuntil = 2026-10-01T12:00:00+02:00',
    ],
)
def test_a_price_that_is_meant_passes(entry):
    assert problems(f"[[prices]]\n{entry}") == []


@pytest.mark.parametrize(
    ("entry", "path", "words"),
    [
        ('per_call = "1"', (), "missing key `tool`"),
        ('tool = "a"', (), "expected one of `per_call`"),
        ('tool = "a"\nper_call = 0.005', ("per_call",), "found `0.005` without quotes"),
        ('tool = "a"\nper_call = "-1"', ("per_call",), "from 0 to 1000000"),
        ('tool = "a"\nper_call = "nan"', ("per_call",), "expected an amount"),
        ('tool = "a"\nper_call = "0.0000000000001"', ("per_call",), "at most 12 decimals"),
        ('tool = "a"\nper_call = "1000001"', ("per_call",), "from 0 to 1000000"),
        ('tool = "a"\nper_call = "1e400000"', ("per_call",), "expected an amount"),
        ('tool = "a"\nper_call = true', ("per_call",), "found true"),
        ('tool = "a[bc]"\nper_call = "1"', ("tool",), "expected a glob"),
        ('tool = "a"\nper_call = "1"\nfrom = 2026-10-01T00:00:00', ("from",), "expected a date"),
        ('tool = "a"\nper_call = "1"\nfrom = "2026-10-01"', ("from",), "expected a date"),
        ('tool = "a"\nper_call = "1"\nfrom = 0001-01-01T00:00:00+05:00', ("from",), "expected a date"),
        ('tool = "a"\nper_call = "1"\nfrom = 2026-10-01\nuntil = 2026-10-01', ("until",), "after `from`"),
        ('tool = "a"\nper_cal = "1"\nper_call = "1"', ("per_cal",), "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(entry, path, words):
    (found,) = problems(f"[[prices]]\n{entry}")
    assert found.path == ("prices", 0, *path)
    assert words in found.message


def test_a_float_is_answered_with_what_to_write():
    assert problems('[[prices]]\ntool = "a"\nper_call = 0.005')[0].hint == 'per_call = "0.005"'


@pytest.mark.parametrize(
    ("first", "second", "hidden"),
    [
        ('tool = "a"', 'tool = "a"', True),
        ('tool = "**"', 'tool = "a"', True),
        ('tool = "a/*"', 'tool = "a/b"', True),
        ('tool = "a/*"', 'tool = "a/**"', False),
        ('tool = "a"', 'tool = "**"', False),
        ('tool = "a"\nagent = "x"', 'tool = "a"', False),
        ('tool = "a"', 'tool = "a"\nagent = "x"', True),
        ('tool = "a"\nfrom = 2026-01-01', 'tool = "a"\nfrom = 2026-10-01', True),
        ('tool = "a"\nfrom = 2026-10-01', 'tool = "a"\nfrom = 2026-01-01', False),
        ('tool = "a"\nuntil = 2026-10-01', 'tool = "a"', False),
        ('tool = "a"\nuntil = 2026-10-01', 'tool = "a"\nfrom = 2026-10-01', False),
        ('tool = "a"\nfrom = 2026-01-01', 'tool = "a"\nuntil = 2026-10-01', False),
    ],
)
def test_a_price_that_no_call_can_have_is_refused(first, second, hidden):
    found = problems(f'[[prices]]\n{first}\nper_call = "1"\n[[prices]]\n{second}\nper_call = "2"')
    assert [one.path for one in found] == ([("prices", 1)] if hidden else [])
    assert all("price 1" in one.message for one in found)


@pytest.mark.parametrize(
    ("entry", "path", "words"),
    [
        ('limit = "1"\nper = "day"', (), "missing key `name`"),
        ('name = "a"\nlimit = "0"\nper = "day"', ("limit",), "above 0"),
        ('name = "a"\nlimit = "1"\nper = "week"', ("per",), "expected one of `day`, `month`"),
        ('name = "a"\nlimit = 1.5\nper = "day"', ("limit",), "above 0"),
        ('name = "a"\nlimit = "1"\nper = "day"\nproject = "a{b}"', ("project",), "expected a glob"),
    ],
)
def test_a_wrong_budget_is_told_with_its_place(entry, path, words):
    (found,) = problems(f"[[budgets]]\n{entry}", BUDGETS, "budgets")
    assert found.path == ("budgets", 0, *path)
    assert words in found.message


def test_two_budgets_of_one_name_are_refused():
    one = '[[budgets]]\nname = "a"\nlimit = "1"\nper = "day"\n'
    assert [found.path for found in problems(one * 2, BUDGETS, "budgets")] == [("budgets", 1, "name")]


@pytest.mark.parametrize("value", ["prices = 1", 'prices = ["a"]', "budgets = {}", "budgets = [[]]"])
def test_what_is_no_list_of_tables_is_refused(value):
    key = value.partition(" ")[0]
    assert problems(value, PRICES if key == "prices" else BUDGETS, key)


def test_the_file_and_the_line_are_named():
    text = (
        'version = 1\n[observability]\nbackend = "observer"\n\n[[observability.prices]]\ntool = "search/**"\n'
        "per_call = 0.005\n"
    )
    with pytest.raises(ConfigError) as caught:
        parse_config(
            text.encode(),
            path=Path("plugins.toml").absolute(),
            environ={},
            known=builtin_options(),
            installed=lambda kind: (),
        )
    assert (caught.value.line, caught.value.hint) == (7, 'per_call = "0.005"')
