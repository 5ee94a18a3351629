"""What works on policy files alone: no plugins.toml, no engine in use, no store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from codespar_cli.core.administration.policy import Finding
from codespar_cli.core.administration.policy_diff import PolicyChange
from codespar_cli.core.administration.policy_scenarios import ScenarioResult
from codespar_cli.core.clock import system_clock

FILE = "FILE"
"""What an error calls a file that was named on the command line."""


def run_scenarios(paths: Iterable[Path]) -> list[ScenarioResult]:
    """Play every scenario of these files, each on an empty store; all files are read before the first is played.

    Raises:
        ConfigError: a file, or the policy it names, cannot be read; with its line.
    """
    from codespar_cli.plugins.policy.replay.scenario_reader import read_scenarios
    from codespar_cli.plugins.policy.replay.scenarios import play_all

    return [result for suite in [read_scenarios(path) for path in paths] for result in play_all(suite)]


def diff_policies(first: Path, second: Path) -> list[PolicyChange]:
    """What the second rules file means that the first does not. Raises ConfigError when one cannot be read."""
    from codespar_cli.plugins.policy.language.policy_reader import load_policy
    from codespar_cli.plugins.policy.review.diff import differences

    return differences(load_policy(first, key=FILE), load_policy(second, key=FILE))


def lint_file(path: Path, tools: Sequence[str] | None = None) -> list[Finding]:
    """What in a rules file cannot be meant. `tools` are all there are. Raises ConfigError when it cannot be read."""
    from codespar_cli.plugins.policy.language.policy_reader import load_policy
    from codespar_cli.plugins.policy.review.lint import findings_in

    return findings_in(load_policy(path, key=FILE), system_clock(), tools)


def rule_ids(path: Path) -> list[str]:
    """The rules of a file, by id. Raises ConfigError when it cannot be read."""
    from codespar_cli.plugins.policy.language.policy_reader import load_policy

    return [rule.id for rule in load_policy(path).rules]
