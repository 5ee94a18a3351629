"""Every policy to begin with: it loads, says nothing that cannot be meant, and answers as its own tests say."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from codespar_cli.cli.app import run
from codespar_cli.cli.policy_template import every_template, find_template
from codespar_cli.workbench import lint_file, rule_ids, run_scenarios

NAMES = ("coding-agent", "hipaa", "payments", "pci-dss", "sox")
TEMPLATES = [find_template(name) for name in NAMES]


@pytest.fixture(params=TEMPLATES, ids=NAMES)
def template(request):
    return request.param


def calls_of(template):
    document = yaml.safe_load((template.directory / "policy_test.yaml").read_text())
    return [call for scenario in document["scenarios"] for call in scenario["calls"]]


def test_there_is_one_for_each_name_and_the_starter():
    assert [template.name for template in every_template()] == [*NAMES, "starter"]


def test_it_is_lint_clean(template):
    assert lint_file(template.policy) == []


def test_the_starter_is_lint_clean_too():
    assert lint_file(find_template("starter").policy) == []


def test_its_own_tests_pass(template):
    results = run_scenarios([template.directory / "policy_test.yaml"])
    assert [(result.name, result.failure) for result in results if not result.passed] == []
    assert len(results) >= 5


def test_every_rule_speaks_in_its_tests(template):
    named = {call.get("rule_id") for call in calls_of(template)}
    assert set(rule_ids(template.policy)) - named == set()


def test_its_tests_see_every_answer(template):
    calls = calls_of(template)
    assert {call["expect"] for call in calls} == {"allow", "deny", "approve"}
    assert "no_rule_allows" in {call.get("code") for call in calls}


def test_a_rule_left_out_is_noticed_by_its_tests(template, tmp_path):
    """No rule stands there for show: without any one of them some scenario fails."""
    document = yaml.safe_load(template.policy.read_text())
    (tmp_path / "policy_test.yaml").write_text((template.directory / "policy_test.yaml").read_text())
    unnoticed = []
    for rule in document["rules"]:
        rest = {**document, "rules": [other for other in document["rules"] if other is not rule]}
        (tmp_path / "policy.yaml").write_text(json.dumps(rest))
        if all(result.passed for result in run_scenarios([tmp_path / "policy_test.yaml"])):
            unnoticed.append(rule["id"])
    assert unnoticed == []


def test_every_rule_says_what_it_is_for(template):
    lines = template.policy.read_text().splitlines()
    bare = [line for before, line in pairwise(lines) if line.startswith("  - id: ") and not before.startswith("  # ")]
    assert bare == []


def test_it_says_what_lies_outside_its_power(template):
    text = " ".join(line.lstrip("# ") for line in template.policy.read_text().splitlines())
    assert "What lies outside a policy's power" in text


@pytest.mark.parametrize("name", NAMES)
def test_init_writes_files_that_work(name, newcomer, capsys):
    assert run(["init", "--template", name]) == 0
    assert sorted(path.name for path in newcomer.iterdir()) == ["plugins.toml", "policy.yaml", "policy_test.yaml"]
    assert "codespar policy test policy_test.yaml" in capsys.readouterr().err
    assert run(["plugins", "status", "-o", "json"]) == 0
    status = {entry["kind"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert (status["policy"]["name"], status["policy"]["health"]) == ("engine", "ok")
    assert run(["policy", "lint"]) == 0
    assert run(["policy", "test"]) == 0
    assert run(["policy", "check", "nobody/knows_this", "--agent", "stranger", "--cost", "0", "--explain"]) == 3
    assert "no_rule_allows" in capsys.readouterr().out


def test_init_overwrites_no_test_file(newcomer, capsys):
    Path("policy_test.yaml").write_text("mine")
    assert run(["init", "--template", "sox"]) == 1
    assert "policy_test.yaml is already there" in capsys.readouterr().err
    assert [path.name for path in newcomer.iterdir()] == ["policy_test.yaml"]


def test_a_template_nobody_knows_is_told(capsys):
    assert run(["init", "--template", "pci"]) == 2
    err = capsys.readouterr().err
    assert "expected one of coding-agent, hipaa, payments, pci-dss, sox, starter" in err
    assert run(["init", "--template", "hippa"]) == 2
    assert "hint: did you mean `hipaa`?" in capsys.readouterr().err


def test_templates_are_listed(capsys):
    assert run(["policy", "templates"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["NAME", "RULES", "TITLE"]
    assert [line.split()[0] for line in lines[1:]] == [*NAMES, "starter"]
    assert run(["policy", "templates", "-o", "json"]) == 0
    listed = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["pci-dss"]["title"] == "PCI DSS: agents near payment card data, under PCI DSS v4.0.1."
    assert listed["pci-dss"]["rules"] == rule_ids(find_template("pci-dss").policy)
    assert listed["starter"]["files"] == ["plugins.toml", "policy.yaml"]
