"""What works on files alone: no plugins.toml, no engine in use, no store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from codespar_cli.core.administration.policy import Finding
from codespar_cli.core.administration.policy_diff import PolicyChange
from codespar_cli.core.administration.policy_scenarios import ScenarioResult
from codespar_cli.core.clock import system_clock

if TYPE_CHECKING:
    from datetime import datetime

    from codespar_cli.core.administration.metrics import MetricFilter, MetricRow
    from codespar_cli.core.administration.tool_drift import ToolPins
    from codespar_cli.plugins.observability.checks.catalogue import Catalogue
    from codespar_cli.plugins.observability.checks.look import Seen
    from codespar_cli.plugins.observability.report.model import CallReader, Report

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


def check_calls(
    calls: BinaryIO,
    name: str,
    tools: bytes | None = None,
    tools_name: str | None = None,
    *,
    server: str | None = None,
    state_dir: Path | None = None,
) -> Iterator[Seen]:
    """What checks find in a file of calls, told as it comes up; `tools` is a catalogue as JSON.

    Without one it is what was last seen of the server, or of every server, in this state directory.

    Raises:
        UsageError: for what is no call, with its line, and for what is no catalogue.
        NotFoundError: no tools of this server were ever seen.
        StoreError: what was seen cannot be read.
    """
    from codespar_cli.plugins.observability.checks.call_file import read_calls
    from codespar_cli.plugins.observability.checks.catalogue import read_catalogue
    from codespar_cli.plugins.observability.checks.look import look_at

    if tools is not None or state_dir is None:
        catalogue = None if tools is None else read_catalogue(tools, tools_name or "tools", server=server)
        return look_at(read_calls(calls, name), catalogue)
    seen = _seen_catalogues(state_dir, server)
    return look_at(read_calls(calls, name), seen[0] if server is not None else None, seen)


def _seen_catalogues(state_dir: Path, server: str | None) -> list[Catalogue]:
    """One server's, or every server's. Raises NotFoundError, StoreError."""
    from codespar_cli.plugins.observability.checks.catalogue import Catalogue
    from codespar_cli.plugins.observability.drift.pin_store import PinStore

    store = PinStore(state_dir)
    try:
        names = dict.fromkeys(pin.server for pin in store.pins()) if server is None else (server,)
        return [Catalogue(store.catalogue(name), server=name) for name in names]
    finally:
        store.close()


def tool_pins(state_dir: Path) -> ToolPins:
    """The pins of MCP tools, which need no plugin. Raises nothing: the store is opened when it is used."""
    from codespar_cli.plugins.observability.drift.pin_store import PinStore

    return PinStore(state_dir)


def read_tools_list(data: bytes, source: str) -> Any:
    """The JSON of a file that holds a `tools/list` result. Raises UsageError, also for a key that is given twice."""
    from codespar_cli.plugins.observability.drift.catalogue import read_catalogue

    return read_catalogue(data, source)


def write_rows(rows: Iterable[MetricRow], format: Literal["jsonl", "csv", "parquet"], stream: BinaryIO) -> int:
    """Recorded calls in another format, one after the other: answers how many. Raises MissingExtra for `parquet`."""
    match format:
        case "jsonl":
            from codespar_cli.plugins.observability.exporters.json_rows import write_jsonl as write
        case "csv":
            from codespar_cli.plugins.observability.exporters.csv_rows import write_csv as write
        case "parquet":
            from codespar_cli.plugins.observability.exporters.parquet_rows import write_parquet as write
    return write(rows, stream)


def metrics_report(
    reader: CallReader, pins: ToolPins | None, wanted: MetricFilter, now: datetime
) -> tuple[bytes, Report]:
    """The page of `metrics report`, and what it says. Raises StoreError; what only a part of it needs is in `errors`."""
    from codespar_cli.plugins.observability.report.gathering import gather
    from codespar_cli.plugins.observability.report.page import draw_page

    report = gather(reader, pins, wanted, now)
    return draw_page(report), report
