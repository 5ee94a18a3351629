"""Keywords about objects and arrays: names, required ones, items and their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codespar_cli.core.text import nearest
from codespar_cli.plugins.observability.checks.json_values import Path, identity, json_type, shape
from codespar_cli.plugins.observability.checks.schema.fault import Fault, Outcome
from codespar_cli.plugins.observability.checks.schema.scalars import is_count, pattern_matches
from codespar_cli.plugins.observability.checks.schema.types import accepted_types, listed

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.checks.schema.evaluator import Evaluation

_LISTED = 20


def check_object(
    evaluation: Evaluation, schema: dict[str, Any], value: dict[str, Any], path: Path, out: Outcome
) -> None:
    declared = schema.get("properties")
    properties: dict[str, Any] = declared if isinstance(declared, dict) else {}
    out.declares = out.declares or isinstance(declared, dict)
    out.known |= properties.keys()
    required = schema.get("required")
    if isinstance(required, list):
        _require(required, value, properties, path, out, "")
    _check_members(evaluation, schema, properties, value, path, out)
    _check_size(schema, value, path, out, "Properties", "names")
    _check_dependencies(evaluation, schema, properties, value, path, out)
    name_schema = schema.get("propertyNames")
    if name_schema is not None:
        for name in value:
            if not evaluation.fits(name_schema, name, (*path, name)):
                out.faults.append(
                    Fault("unknown_argument", (*path, name), "a name that `propertyNames` allows", "given")
                )


def _check_members(
    evaluation: Evaluation,
    schema: dict[str, Any],
    properties: dict[str, Any],
    value: dict[str, Any],
    path: Path,
    out: Outcome,
) -> None:
    found = schema.get("patternProperties")
    patterns: dict[str, Any] = found if isinstance(found, dict) else {}
    for name, item in value.items():
        place = (*path, name)
        looked_at = name in properties
        if looked_at:
            evaluation.place(properties[name], item, place, out)
        for pattern, inner in patterns.items():
            matched = pattern_matches(evaluation, pattern, name, place)
            if matched:
                evaluation.place(inner, item, place, out)
            if matched is not False:
                out.foreseen.add(name)
                looked_at = True
        if looked_at:
            out.names.add(name)
        elif "additionalProperties" in schema:
            _additional(evaluation, schema["additionalProperties"], name, item, place, out)


def _additional(evaluation: Evaluation, inner: Any, name: str, item: Any, place: Path, out: Outcome) -> None:
    if inner is False:
        out.faults.append(unknown(place, out.known))
        return
    evaluation.place(inner, item, place, out)
    out.names.add(name)
    if isinstance(inner, dict) and inner:
        out.foreseen.add(name)


def unknown(place: Path, known: set[str]) -> Fault:
    name = str(place[-1])
    names = sorted(known)
    close = nearest(name[:64], [each for each in names[:500] if len(each) <= 64])
    expected = f"one of {', '.join(f'`{each}`' for each in names[:_LISTED])}" if names else "no arguments"
    if len(names) > _LISTED:
        expected += f" and {len(names) - _LISTED} more"
    return Fault("unknown_argument", place, expected, f"`{name[:64]}`", (close,) if close else ())


def _require(
    names: list[Any], value: dict[str, Any], properties: dict[str, Any], path: Path, out: Outcome, because: str
) -> None:
    out.foreseen.update(name for name in names if isinstance(name, str))
    missing = [name for name in names if isinstance(name, str) and name not in value]
    spare = [name for name in list(value)[:200] if name not in properties and len(name) <= 64] if missing else []
    for name in missing:
        inner = properties.get(name)
        types = accepted_types(inner) if isinstance(inner, dict) else None
        close = nearest(name[:64], spare)
        expected = (listed(types) if types else "a value") + because
        out.faults.append(Fault("missing_argument", (*path, name), expected, "nothing", (close,) if close else ()))


def _check_dependencies(
    evaluation: Evaluation,
    schema: dict[str, Any],
    properties: dict[str, Any],
    value: dict[str, Any],
    path: Path,
    out: Outcome,
) -> None:
    for keyword in ("dependentRequired", "dependentSchemas", "dependencies"):
        table = schema.get(keyword)
        for name, wanted in table.items() if isinstance(table, dict) else ():
            if name not in value:
                continue
            if isinstance(wanted, list):
                _require(wanted, value, properties, path, out, f", since `{name[:64]}` is given")
            elif keyword != "dependentRequired":
                out.add(evaluation.here(wanted, value, path))


def _check_size(schema: dict[str, Any], value: Any, path: Path, out: Outcome, suffix: str, of: str) -> None:
    least, most = schema.get(f"min{suffix}"), schema.get(f"max{suffix}")
    if is_count(least) and len(value) < least:
        out.faults.append(Fault("invalid_value", path, f"at least {least} {of}", shape(value)))
    if is_count(most) and len(value) > most:
        out.faults.append(Fault("invalid_value", path, f"at most {most} {of}", shape(value)))


def check_array(evaluation: Evaluation, schema: dict[str, Any], value: list[Any], path: Path, out: Outcome) -> None:
    first, rest = schema.get("prefixItems"), schema.get("items")
    if not isinstance(first, list):
        first = []
        if isinstance(rest, list):  # up to draft 2019-09
            first, rest = rest, schema.get("additionalItems")
    for index, inner in enumerate(first[: len(value)]):
        evaluation.place(inner, value[index], (*path, index), out)
        out.items.add(index)
    if rest is False and len(value) > len(first):
        out.faults.append(Fault("invalid_value", path, f"at most {len(first)} items", shape(value)))
    elif rest is not None and rest is not True:
        for index in range(len(first), len(value)):
            evaluation.place(rest, value[index], (*path, index), out)
    if rest is not None:
        out.items.update(range(len(value)))
    _check_size(schema, value, path, out, "Items", "items")
    if schema.get("uniqueItems") is True and len({identity(item) for item in value}) < len(value):
        out.faults.append(Fault("invalid_value", path, "items that differ from each other", shape(value)))
    if "contains" in schema:
        _check_contains(evaluation, schema, value, path, out)


def _check_contains(evaluation: Evaluation, schema: dict[str, Any], value: list[Any], path: Path, out: Outcome) -> None:
    unsure = evaluation.unsure
    found = [index for index, item in enumerate(value) if evaluation.fits(schema["contains"], item, (*path, index))]
    out.items.update(found)
    if evaluation.unsure != unsure:
        return
    least, most = schema.get("minContains", 1), schema.get("maxContains")
    if is_count(least) and len(found) < least:
        out.faults.append(Fault("invalid_value", path, f"at least {least} items that fit `contains`", str(len(found))))
    if is_count(most) and len(found) > most:
        out.faults.append(Fault("invalid_value", path, f"at most {most} items that fit `contains`", str(len(found))))


def check_unevaluated(evaluation: Evaluation, schema: dict[str, Any], value: Any, path: Path, out: Outcome) -> None:
    """What no keyword here has looked at. Where another fault stands, declared names are given the benefit of it."""
    if "unevaluatedProperties" in schema and isinstance(value, dict):
        spared = out.names if out.valid else out.names | out.known
        inner = schema["unevaluatedProperties"]
        for name in [name for name in value if name not in spared]:
            _additional(evaluation, inner, name, value[name], (*path, name), out)
    if "unevaluatedItems" in schema and isinstance(value, list) and out.valid:
        left = [index for index in range(len(value)) if index not in out.items]
        if schema["unevaluatedItems"] is False and left:
            most = len(value) - len(left)
            out.faults.append(Fault("invalid_value", path, f"at most {most} items", shape(value)))
        else:
            for index in left:
                evaluation.place(schema["unevaluatedItems"], value[index], (*path, index), out)
        out.items.update(left)


def type_fault(types: list[str], value: Any, path: Path) -> Fault:
    actual = json_type(value)
    meant = _read_as(types, value)
    return Fault("wrong_type", path, listed(types), actual, (meant,) if meant else ())


def _read_as(types: list[str], value: Any) -> str | None:
    """`5` for "5" where a number belongs: the value that was meant, when that is plain and short."""
    if not isinstance(value, str) or len(value) > 20:
        return None
    if "boolean" in types and value.lower() in {"true", "false"}:
        return value.lower()
    digits = value.strip().removeprefix("-")
    if ({"integer", "number"} & set(types)) and digits.isascii() and digits.isdecimal():
        return str(int(value.strip()))
    return "null" if "null" in types and value.lower() in {"null", "none"} else None
