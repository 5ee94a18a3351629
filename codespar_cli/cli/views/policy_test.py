"""What `codespar policy test` shows and reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from codespar_cli.core.administration.policy_scenarios import ScenarioFailure, ScenarioResult
from codespar_cli.core.text import visible


def result_json(result: ScenarioResult) -> dict[str, Any]:
    failure = result.failure
    return {
        "file": result.file,
        "scenario": result.name,
        "line": result.line,
        "passed": result.passed,
        "calls": result.calls,
        "seconds": round(result.seconds, 6),
        "failure": None
        if failure is None
        else {
            "call": failure.call,
            "line": failure.line,
            "expected": failure.expected,
            "found": failure.found,
            "explained": list(failure.explained),
        },
    }


def lines(results: Sequence[ScenarioResult]) -> Iterator[tuple[str, str]]:
    """Lines and their styles: each file, each scenario, and below a failed one why."""
    for file, group in groupby(results, key=lambda result: result.file):
        yield file, "bold"
        for result in group:
            failure = result.failure
            if failure is None:
                yield f"  ok      {result.name}", "green"
                continue
            yield f"  FAILED  {result.name}", "red"
            yield f"          call {failure.call} in line {failure.line}", ""
            yield f"          expected  {failure.expected}", ""
            yield f"          found     {failure.found}", ""
            for explained in failure.explained:
                yield f"          {explained}", "dim"


def summary(results: Sequence[ScenarioResult]) -> str:
    failed = sum(not result.passed for result in results)
    count = f"{len(results)} scenario{'' if len(results) == 1 else 's'}"
    return f"{count}, {failed} failed" if failed else f"{count} passed"


def junit(results: Sequence[ScenarioResult]) -> bytes:
    """The report that CI systems read: a testsuite a file, a testcase a scenario."""
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites", _totals(results))
    for file, group in groupby(results, key=lambda result: result.file):
        found = list(group)
        suite = ET.SubElement(root, "testsuite", {"name": _legal(file), **_totals(found)})
        for result in found:
            names = {"classname": _legal(file), "name": _legal(result.name), "time": f"{result.seconds:.6f}"}
            case = ET.SubElement(suite, "testcase", {**names, "file": _legal(file), "line": str(result.line)})
            if result.failure is not None:
                message = f"expected {result.failure.expected}, found {result.failure.found}"
                told = ET.SubElement(case, "failure", {"type": "unexpected answer", "message": _legal(message)})
                told.text = _legal(_report(result.file, result.failure))
    ET.indent(root)
    report: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return report + b"\n"


def _totals(results: Sequence[ScenarioResult]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(not result.passed for result in results)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(result.seconds for result in results):.6f}",
    }


def _report(file: str, failure: ScenarioFailure) -> str:
    head = f"{file}:{failure.line}: call {failure.call}"
    return "\n".join((head, f"expected {failure.expected}", f"found {failure.found}", *failure.explained))


def _legal(text: str) -> str:
    """Without what XML 1.0 has no spelling for: control characters, lone surrogates, U+FFFE and U+FFFF."""
    spelled = "\n".join(visible(line) for line in text.split("\n"))
    return "".join(each if _is_legal(ord(each)) else "\ufffd" for each in spelled)


def _is_legal(number: int) -> bool:
    return number in {0x9, 0xA, 0xD} or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000
