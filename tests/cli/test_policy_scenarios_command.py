"""`codespar policy test` as a user and as a CI system see it."""

import json
from xml.etree import ElementTree as ET

import pytest

from codespar_cli.cli.app import run

POLICY = "version: 1\nrules:\n  - {id: cap, effect: budget, limit: '5', window: total}\n  - {id: all, effect: allow}\n"
GOOD = "{at: 2026-11-23T09:00, agent: a, tool: t, cost: 5, expect: allow}"
BAD = "{at: 2026-11-23T09:00, agent: a, tool: t, cost: 6, expect: allow}"


@pytest.fixture
def here(newcomer):
    (newcomer / "policy.yaml").write_text(POLICY)
    return newcomer


def write(path, *named):
    listed = "".join(f"  - name: {json.dumps(name)}\n    calls:\n      - {call}\n" for name, call in named)
    path.write_text(f"policy: policy.yaml\nscenarios:\n{listed}")


@pytest.fixture
def test(capsys):
    def call(*words):
        code = run(["policy", "test", *words])
        return code, *capsys.readouterr()

    return call


def test_all_pass_without_any_plugins_toml(here, test):
    write(here / "s.yaml", ("fits", GOOD))
    assert test("s.yaml") == (0, "s.yaml\n  ok      fits\n", "1 scenario passed\n")
    assert sorted(path.name for path in here.iterdir()) == ["policy.yaml", "s.yaml"]


def test_a_failure_says_what_was_expected_and_why_not(here, test):
    write(here / "s.yaml", ("fits", GOOD), ("too much", BAD))
    code, out, err = test("s.yaml")
    assert (code, err) == (1, "2 scenarios, 1 failed\n")
    assert out == (
        "s.yaml\n"
        "  ok      fits\n"
        "  FAILED  too much\n"
        "          call 1 in line 8\n"
        "          expected  allow\n"
        "          found     deny budget_exceeded by rule cap\n"
        "          at 2026-11-23T09:00:00.000000Z: rule cap: 0.00 of 5.00 USD spent, 6.00 asked\n"
        "          budget fail cap 0.00 of 5.00 USD spent, 6.00 asked\n"
    )


def test_json_is_one_list(here, test):
    write(here / "s.yaml", ("fits", GOOD), ("too much", BAD))
    code, out, _ = test("s.yaml", "-o", "json")
    good, bad = json.loads(out)
    assert code == 1
    assert (good.pop("seconds") > 0, good) == (
        True,
        {"file": "s.yaml", "scenario": "fits", "line": 3, "passed": True, "calls": 1, "failure": None},
    )
    assert bad["failure"]["found"] == "deny budget_exceeded by rule cap"


def test_junit_survives_any_name(here, test):
    write(here / "s.yaml", ("fits", GOOD), ("<&\"'> \x1b[31m \u202e \ufffe é", BAD))
    assert test("s.yaml", "--junit", "report.xml")[0] == 1
    root = ET.parse(here / "report.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")
    (suite,) = root
    good, bad = suite
    assert (suite.tag, good.tag, good.get("classname"), good.get("name")) == ("testsuite", "testcase", "s.yaml", "fits")
    assert float(good.get("time")) > 0
    assert bad.get("name") == "<&\"'> \\x1b[31m \\u202e \ufffd é"
    (failure,) = bad
    assert failure.get("message") == "expected allow, found deny budget_exceeded by rule cap"
    assert "s.yaml:8: call 1" in failure.text


def test_a_report_that_cannot_be_written_is_a_usage_error(here, test):
    write(here / "s.yaml", ("fits", GOOD))
    code, _, err = test("s.yaml", "--junit", "no/such/dir.xml")
    assert (code, err) == (2, "error: --junit: `no/such/dir.xml` cannot be written: no such file or directory\n")


def test_nothing_is_played_when_one_file_cannot_be_read(here, test):
    write(here / "s.yaml", ("fits", GOOD))
    (here / "broken.yaml").write_text("policy: policy.yaml\nscenario: []\n")
    code, out, err = test("s.yaml", "broken.yaml")
    assert (code, out) == (2, "")
    assert err == ("error: broken.yaml:2: the scenario file: unknown key `scenario`\nhint: did you mean `scenarios`?\n")
    assert test("none.yaml")[::2] == (
        2,
        "error: the scenario file `none.yaml` cannot be read: no such file or directory\n",
    )


def test_without_a_file_those_beside_plugins_toml(here, test):
    code, _, err = test()
    assert code == 2
    assert err.startswith("error: expected a scenario file")
    (here / "plugins.toml").write_text("version = 1\n")
    write(here / "policy_test.yaml", ("fits", GOOD))
    write(here / "other_test.yaml", ("too much", BAD))
    code, out, _ = test()
    assert code == 1
    assert [line for line in out.splitlines() if not line.startswith(" ")] == [
        str(here / "other_test.yaml"),
        str(here / "policy_test.yaml"),
    ]
