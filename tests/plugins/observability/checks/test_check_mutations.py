"""Precision and recall on calls whose one fault is known: both are exactly 1 here, since a verdict must be the only one."""

from __future__ import annotations

from collections import Counter

import pytest
from mutation_corpus import Corpus

from codespar_cli.plugins.observability import check_call
from codespar_cli.plugins.observability.checks.catalogue import Catalogue


def judged(seeds):
    right, wrong, kinds = 0, [], Counter()
    for seed in seeds:
        corpus = Corpus(seed)
        catalogue = Catalogue(corpus.catalogue)
        assert check_call(corpus.call, catalogue) == [], (seed, corpus.call, corpus.catalogue)
        for case in corpus.cases():
            results = check_call(case.call, catalogue)
            found = [(result.check, result.severity, result.path) for result in results]
            kinds[case.expected[:2]] += 1
            if found == [case.expected]:
                right += 1
            else:
                wrong.append((seed, case, found))
            if case.expected[0] == "unknown_tool":
                assert results[0].suggestions[0] == corpus.name
    return right, wrong, kinds


def test_one_fault_is_one_verdict_at_its_place():
    right, wrong, kinds = judged(range(400))
    assert wrong[:3] == []
    assert right > 4000
    assert set(kinds) == {
        ("unknown_tool", "error"),
        ("missing_argument", "error"),
        ("unknown_argument", "error"),
        ("unknown_argument", "warn"),
        ("wrong_type", "error"),
        ("not_in_enum", "error"),
        ("invalid_value", "error"),
    }
    assert min(kinds.values()) >= 100


@pytest.mark.slow
def test_one_fault_is_one_verdict_at_its_place_over_many_tools():
    right, wrong, _ = judged(range(400, 8000))
    assert wrong[:3] == []
    assert right > 80_000
