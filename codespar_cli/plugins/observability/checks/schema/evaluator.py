"""Does a value fit a schema? JSON Schema 2020-12, with what older drafts and other catalogues write for the same.

An evaluation always ends: nesting, steps and references are bounded, nothing is fetched, patterns run on an automaton.
What cannot be decided is noted and counts as fitting, so that doubt never becomes an accusation.
"""

from __future__ import annotations

import re
from typing import Any

from codespar_cli.core.administration.tool_checks import CheckName
from codespar_cli.plugins.observability.checks.json_values import Path, identity, is_scalar
from codespar_cli.plugins.observability.checks.schema.alternatives import check_alternatives
from codespar_cli.plugins.observability.checks.schema.containers import (
    check_array,
    check_object,
    check_unevaluated,
    type_fault,
    unknown,
)
from codespar_cli.plugins.observability.checks.schema.ecma_matcher import Searcher
from codespar_cli.plugins.observability.checks.schema.fault import Fault, Outcome
from codespar_cli.plugins.observability.checks.schema.references import NotResolved, References
from codespar_cli.plugins.observability.checks.schema.scalars import choice_fault, number_faults, text_faults
from codespar_cli.plugins.observability.checks.schema.types import accepted_types, is_of

MAX_DEPTH = 150
"""Schemas within schemas, references included: more than twice what arguments can nest."""
_LEAST_STEPS = 20_000
_STEPS_A_VALUE = 20
_INDEXED = 32
_OLD_DRAFT = re.compile(r"^https?://json-schema\.org/draft-0[3-7]/")


class _Stopped(Exception):
    pass


class Schema:
    """A root schema with what is worth keeping between evaluations. Safe to share between threads."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.references = References(root)
        # Up to draft 7 a reference stands alone: what is written beside it says nothing.
        self.lone_references = isinstance(root, dict) and _OLD_DRAFT.search(str(root.get("$schema"))) is not None
        self.choices: dict[int, frozenset[Any]] = {}

    def evaluate(self, value: Any, nodes: int = 1) -> tuple[list[Fault], list[Fault], list[Fault]]:
        """Faults, warnings, and what could not be checked. `value` is plain JSON of so many nodes. Never raises."""
        evaluation = Evaluation(self, _LEAST_STEPS + _STEPS_A_VALUE * nodes)
        out = Outcome()
        try:
            evaluation.place(self.root, value, (), out)
        except (_Stopped, RecursionError):
            evaluation.not_checked((), evaluation.stopped or "schemas nested too deeply")
        return _distinct(out.faults), _distinct(out.warnings), list(evaluation.notes.values())


class Evaluation:
    """One value under evaluation. `unsure` grows whenever something could not be decided."""

    def __init__(self, schema: Schema, steps: int) -> None:
        self._schema = schema
        self._steps = steps
        self._depth = 0
        self._active: set[tuple[int, int]] = set()
        self._searcher = Searcher()
        self.notes: dict[tuple[Path, str], Fault] = {}
        self.unsure = 0
        self.stopped = ""

    def place(self, schema: Any, value: Any, path: Path, out: Outcome) -> None:
        """A schema at a new place: its faults and warnings go to `out`, with names that nothing there declares."""
        found = self.here(schema, value, path)
        out.faults += found.faults
        out.warnings += found.warnings
        if isinstance(value, dict) and found.declares:
            spared = found.known | found.foreseen
            spared |= {str(fault.path[-1]) for fault in found.faults if fault.check == "unknown_argument"}
            out.warnings += [unknown((*path, name), found.known) for name in value if name not in spared]

    def fits(self, schema: Any, value: Any, path: Path) -> bool:
        return self.here(schema, value, path).valid

    def here(self, schema: Any, value: Any, path: Path) -> Outcome:
        """A schema about a place that others may be about as well."""
        self._steps -= 1
        if self._steps < 0 or self._depth >= MAX_DEPTH:
            self.stopped = "a schema that takes too many steps" if self._steps < 0 else "schemas nested too deeply"
            raise _Stopped
        out = Outcome()
        if schema is False:
            check: CheckName = "unknown_argument" if path and isinstance(path[-1], str) else "invalid_value"
            out.faults.append(Fault(check, path, "nothing", "a value"))
        elif isinstance(schema, dict):
            self._depth += 1
            self._check(schema, value, path, out)
            self._depth -= 1
        elif schema is not True:
            self.not_checked(path, "a schema that is neither an object nor true or false")
        return out

    def _check(self, schema: dict[str, Any], value: Any, path: Path, out: Outcome) -> None:
        if value is None and schema.get("nullable") is True:
            return
        if self._schema.lone_references and isinstance(schema.get("$ref"), str):
            self._follow(schema["$ref"], value, path, out)
            return
        types = accepted_types(schema)
        if types is not None and not is_of(value, types):
            out.faults.append(type_fault(types, value, path))
            return
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(schema.get(keyword), str):
                self._follow(schema[keyword], value, path, out)
        if (fault := choice_fault(self, schema, value, path)) is not None:
            out.faults.append(fault)
        elif isinstance(value, str):
            out.faults += text_faults(self, schema, value, path)
        elif isinstance(value, dict):
            check_object(self, schema, value, path, out)
        elif isinstance(value, list):
            check_array(self, schema, value, path, out)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            out.faults += number_faults(schema, value, path)
        check_alternatives(self, schema, value, path, out)
        check_unevaluated(self, schema, value, path, out)

    def _follow(self, reference: str, value: Any, path: Path, out: Outcome) -> None:
        try:
            target = self._schema.references.resolve(reference)
        except NotResolved as error:
            self.not_checked(path, str(error))
            return
        turn = (id(target), len(path))
        if turn in self._active:
            self.not_checked(path, f"a `$ref` that leads back to itself: `{reference[:80]}`")
            return
        self._active.add(turn)
        try:
            out.add(self.here(target, value, path))
        finally:
            self._active.discard(turn)

    def is_among(self, value: Any, allowed: list[Any]) -> bool:
        """Equal as JSON is: 1 is 1.0, true is not 1. Long lists are looked at once for a schema."""
        if len(allowed) < _INDEXED:
            wanted = identity(value)
            return any(identity(item) == wanted for item in allowed)
        if id(allowed) not in self._schema.choices:
            self._schema.choices[id(allowed)] = frozenset(
                item if is_scalar(item) else identity(item) for item in allowed
            )
        return identity(value) in self._schema.choices[id(allowed)]

    def searched(self, pattern: str, text: str) -> bool:
        """Raises NotAnExpression, TooManySteps."""
        return self._searcher.searches(pattern, text)

    def not_checked(self, path: Path, why: str) -> None:
        self.unsure += 1
        if len(self.notes) < 20:
            self.notes.setdefault((path, why), Fault("not_checked", path, "a schema that can be evaluated", why))


def _distinct(faults: list[Fault]) -> list[Fault]:
    first: dict[tuple[str, Path], Fault] = {}
    for fault in faults:
        first.setdefault((fault.check, fault.path), fault)
    return list(first.values())
