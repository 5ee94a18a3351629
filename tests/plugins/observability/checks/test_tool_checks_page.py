"""docs/tool-checks.md says what the checks do: names, thresholds, formats, figures."""

from __future__ import annotations

import re
from pathlib import Path

from mutation_corpus import Corpus

from codespar_cli.core.administration.tool_checks import CHECK_NAMES
from codespar_cli.plugins.observability.checks import finding_store, sequence
from codespar_cli.plugins.observability.checks.schema import ecma_matcher, evaluator, formats

PAGE = (Path(__file__).parents[4] / "docs" / "tool-checks.md").read_text()


def test_every_check_has_its_row_and_no_other_has_one():
    assert set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.MULTILINE)) == set(CHECK_NAMES)


def test_thresholds_are_those_of_the_code():
    for check in ("repeat_identical", "cycle"):
        assert f"| `{check}` | {sequence.WARN_AT} | {sequence.ERROR_AT} |" in PAGE
    assert f"| `repeat_similar` | {sequence.SIMILAR_AT} | |" in PAGE
    assert f"{ecma_matcher.MAX_STEPS:,} steps" in PAGE
    assert f"followed {evaluator.MAX_DEPTH} levels deep" in PAGE
    assert f"newest {finding_store.MAX_ROWS:,} findings" in PAGE


def test_the_formats_are_those_of_the_code():
    listed = re.search(r"Formats looked\nat are (.*?)\.\n", PAGE, re.DOTALL)[1]
    assert set(re.findall("`([a-z0-9-]+)`", listed)) == set(formats._FORMATS) - {"idn-email", "iri"}


def test_the_number_of_mutations_is_counted():
    assert f"On {sum(len(Corpus(seed).cases()) for seed in range(400)):,} mutations of 400" in PAGE
