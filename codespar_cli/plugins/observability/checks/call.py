"""`check_call`: could the tool take this call at all?"""

from __future__ import annotations

from typing import Any

from codespar_cli.core.administration.tool_checks import CheckResult, CheckSeverity, ObservedCall
from codespar_cli.plugins.observability.checks.call_reading import NoArguments, parsed, read_call
from codespar_cli.plugins.observability.checks.catalogue import Catalogue
from codespar_cli.plugins.observability.checks.json_values import Plain, json_type, plain, pointer
from codespar_cli.plugins.observability.checks.schema.evaluator import Schema
from codespar_cli.plugins.observability.checks.schema.fault import Fault

_LISTED = 20
_MOST_RESULTS = 100
_LONGEST_NAME = 256


def check_call(call: Any, catalogue: Any) -> list[CheckResult]:
    """What of a call its tool cannot take; an empty list when there is nothing.

    Args:
        call: `{name, arguments}` as a mapping or an object. Arguments may be JSON text, as OpenAI sends them.
        catalogue: an MCP `tools/list` result, a list of tools, or a `Catalogue` made of either (for many calls).

    Raises:
        UsageError: the catalogue is none (`invalid_catalogue`). No call makes it raise.
    """
    return check_read(read_call(call), Catalogue.of(catalogue))


def check_read(call: ObservedCall, catalogue: Catalogue) -> list[CheckResult]:
    """The same for what was read already."""
    name = call.name
    if not isinstance(name, str):
        return [_result("", "error", Fault("unknown_tool", (), "the name of a tool", json_type(name)))]
    schemas = catalogue.find(name)
    if schemas is None:
        return [_unknown_tool(name, catalogue)]
    try:
        arguments = plain(parsed(call.arguments))
    except NoArguments as error:
        fault = Fault("wrong_type", (), "object", f"a text that is no arguments: {error}", (), "string")
        return [_result(name, "error", fault)]
    odd = [Fault("wrong_type", path, expected, got) for path, expected, got in arguments.oddities]
    if arguments.fatal:
        return [_result(name, "error", fault) for fault in odd]
    if not isinstance(arguments.value, dict):
        return [_result(name, "error", Fault("wrong_type", (), "object", json_type(arguments.value)))]
    found = min((_evaluated(name, schema, arguments, odd) for schema in schemas), key=_badness)
    return found[:_MOST_RESULTS]


def _evaluated(name: str, schema: Schema | None, arguments: Plain, odd: list[Fault]) -> list[CheckResult]:
    if schema is None:
        return [_result(name, "error", fault) for fault in odd]
    faults, warnings, notes = schema.evaluate(arguments.value, arguments.nodes)
    places = {fault.path for fault in odd}
    errors = [*odd, *(fault for fault in faults if fault.path not in places)]
    return [
        *(_result(name, "error", fault) for fault in errors),
        *(_result(name, "warn", fault) for fault in (*warnings, *notes)),
    ]


def _badness(results: list[CheckResult]) -> tuple[int, int]:
    return sum(result.severity == "error" for result in results), len(results)


def _unknown_tool(name: str, catalogue: Catalogue) -> CheckResult:
    names, total = catalogue.names.first(_LISTED)
    listed = ", ".join(f"`{each[:_LONGEST_NAME]}`" for each in names)
    more = f" and {total - len(names)} more" if total > len(names) else ""
    expected = f"one of {listed}{more}" if names else "no tool: the catalogue is empty"
    fault = Fault("unknown_tool", (), expected, f"`{name[:_LONGEST_NAME]}`", catalogue.names.nearest(name))
    return _result(name, "error", fault)


def _result(tool: str, severity: CheckSeverity, fault: Fault) -> CheckResult:
    return CheckResult(
        check=fault.check,
        severity=severity,
        tool=tool,
        path=pointer(fault.path),
        expected=fault.expected,
        got=fault.got,
        suggestions=fault.suggestions,
        kept=fault.got if fault.kept is None else fault.kept,
    )
