from __future__ import annotations

import pytest

from codespar_cli.cli.views.metrics import latency_text
from codespar_cli.core.spreadsheet_cells import inert_cell


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0ms"),
        (1e-320, "<0.001ms"),
        (0.0005, "0.001ms"),
        (0.00851, "0.009ms"),
        (0.25, "0.25ms"),
        (12.345, "12.3ms"),
        (999.4, "999ms"),
        (999.6, "1s"),
        (3210, "3.21s"),
        (200_000, "3m 20s"),
        (1e12, "11574d 1h"),
    ],
)
def test_latencies_are_read_at_a_glance(milliseconds, text):
    assert latency_text(milliseconds) == text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_would_run_is_quoted(first):
    assert inert_cell(f"{first}1+1") == f"'{first}1+1"


def test_a_plain_cell_stays():
    assert inert_cell("git/push=1") == "git/push=1"
