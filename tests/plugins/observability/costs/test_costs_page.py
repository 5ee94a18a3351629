"""docs/costs.md: its examples are a configuration, its commands run, its numbers are those of the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from codespar_cli.core.administration.tool_costs import KNOWN_SOURCES
from codespar_cli.plugins.observability.costs import options
from codespar_cli.plugins.observability.money import MAX_AMOUNT
from codespar_cli.plugins.observability.rollup import MAX_GROUPS

PAGE = (Path(__file__).parents[4] / "docs" / "costs.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_work_together(codespar, tmp_path):
    codespar.configure('[observability]\nbackend = "observer"\n' + "\n".join(blocks("toml")))
    record = ("metrics", "record")
    assert codespar.run(*record, "search/web", "--at", "2026-10-01").returncode == 0
    assert codespar.run(*record, "search/web", "--at", "2026-09-30T23:59:59Z").returncode == 0
    lines = [
        {
            "tool": "llm/ask",
            "agent": "triage-1",
            "input_tokens": 100,
            "output_tokens": 10,
            "time": "2026-12-31T23:59:59Z",
        },
        {
            "tool": "llm/ask",
            "agent": "triage-1",
            "input_tokens": 100,
            "output_tokens": 10,
            "time": "2027-01-01T00:00:00Z",
        },
        {"tool": "llm/ask", "agent": "other", "input_tokens": 100, "output_tokens": 10, "time": "2026-12-31T00:00:00Z"},
    ]
    assert codespar.run(*record, "--from", "-", given="\n".join(map(json.dumps, lines))).returncode == 0
    done = codespar.run("metrics", "tail", "--no-follow", "-o", "json")
    assert [row["cost"] for row in json.loads(done.stdout)] == ["0.005", "0.004", "0.00045", None, None]
    for block in blocks("console"):
        for line in block.splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            assert words[0] == "codespar"
            assert codespar.run(*words[1:]).returncode == 0
    assert (tmp_path / "november.csv").exists()


def test_the_keys_are_those_that_are_printed(codespar):
    codespar.configure('[observability]\nbackend = "observer"\n')
    codespar.run("metrics", "record", "a", "--cost", "1")
    found = json.loads(codespar.run("metrics", "costs", "-o", "json").stdout)
    shown = re.search(r"`-o json`: `(\{.*?\})`\. ", PAGE, re.DOTALL)[1]
    named = set(re.findall(r'"([a-z]+)"', shown))
    row = found["rows"][0]
    assert named == {*found, *row, *found["forecast"]} - {"tool"}


def test_the_numbers_are_those_of_the_code():
    assert set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE)) == {*KNOWN_SOURCES, "unknown"}
    assert (options.MAX_PRICE, options.FINEST) == (10**6, 12)
    assert "from 0 to a million, with up to 12 decimals" in PAGE
    assert MAX_AMOUNT == 10**9
    assert "Above a billion it is unknown" in PAGE
    assert f"more than {MAX_GROUPS:,} combinations" in PAGE
