"""The pages beside docs/policy.md, typed from top to bottom: files as shown, sessions as printed, in one directory each.

And the tables of docs/policy.md: each names every key that the command prints, and no other."""

import json
import re
import subprocess

import pytest
from test_transcripts import ROOT, environment  # noqa: F401  a fixture
from transcript import run

DOCS = ROOT / "docs"
# What depends on the time and on the machine.
VARYING = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b[0-9a-f]{64}\b|for another [^\n]*")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.S)


def typed(page, directory, environment, files):  # noqa: F811
    (directory / "plugins.toml").write_text(next(text for text in blocks(page, "toml") if "state_dir" in text))
    for name, text in zip(files, blocks(page, "yaml"), strict=True):
        (directory / name).write_text(text)
    session = VARYING.sub("[..]", "".join(blocks(page, "console")))
    return run(session, directory, environment)


def test_the_page_about_testing_goes_as_written(tmp_path, environment):  # noqa: F811
    page = "policy-testing.md"
    assert len(blocks(page, "console")) == 3
    assert typed(page, tmp_path, environment, ["policy.yaml", "policy_test.yaml"]) is None


def test_the_page_about_approvals_goes_as_written(tmp_path, environment):  # noqa: F811
    page = "policy-approvals.md"
    assert len(blocks(page, "console")) == 3
    assert typed(page, tmp_path, environment, ["policy.yaml"]) is None


def test_the_page_about_postgresql_goes_as_written(tmp_path, environment, postgres):  # noqa: F811
    environment["CODESPAR_POLICY_DB"] = postgres.new_database()
    assert typed("policy-postgresql.md", tmp_path, environment, ["policy.yaml"]) is None


# ── the tables of keys ──

RULES = """\
version: 1
rules:
  - {id: ask, effect: approve, tools: ["deploy/**"], approvers: [ann]}
  - {id: money, effect: budget, tools: ["buy/**"], limit: "9", window: total}
  - {id: never, effect: deny, tools: [none]}
  - {id: all, effect: allow}
"""
ONE_REQUEST = "policy check deploy/run --reserve"
A_HOLD = "policy check buy/x --cost 2 --reserve"


def tables():
    """For every command of the section, the keys of the tables under it; `approvals show` adds to those of `list`."""
    section = (
        (DOCS / "policy.md").read_text().partition("## What the commands answer as JSON\n")[2].partition("\n## ")[0]
    )
    found = {}
    for text in re.split(r"\n(?=`)", section):
        rows = re.findall(r"^\| (`[^|]*) \|", text, re.M)
        if rows:
            found[text.partition("`")[2].partition("`")[0]] = [
                key for row in rows for key in re.findall(r"`(\w+)`", row)
            ]
    return found


@pytest.mark.parametrize(
    ("command", "before", "words"),
    [
        ("policy check", [], "fs/read"),
        ("policy budgets", [A_HOLD], ""),
        ("policy record", [A_HOLD], "buy/x --cost 1"),
        ("policy release", [A_HOLD], "{id}"),
        ("policy lint", [], "bad.yaml"),
        ("policy diff", [], "policy.yaml bad.yaml"),
        ("approvals list", [ONE_REQUEST], ""),
        ("approvals show", [ONE_REQUEST], "{id}"),
    ],
)
def test_the_page_names_every_key(command, before, words, tmp_path, environment):  # noqa: F811
    (tmp_path / "plugins.toml").write_text('state_dir = "state"\n[policy]\nbackend = "engine"\n')
    (tmp_path / "policy.yaml").write_text(RULES)
    (tmp_path / "bad.yaml").write_text("version: 1\nrules: []\n")

    def codespar(line):
        given = ["codespar", *line.split(), "-o", "json"]
        answer = subprocess.run(given, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        return json.loads(answer.stdout)

    name = ""
    for line in before:
        answer = codespar(line)
        name = answer["reservation_id"] or answer["approval"]
    found = codespar(f"{command} {words.format(id=name)}")
    keys = list(found[0] if isinstance(found, list) else found)
    if command == "policy diff":
        keys += list(found["changes"][0])
    known = tables()
    wanted = known[command] + (known["approvals list"] if command == "approvals show" else [])
    assert sorted(wanted) == sorted(keys)
