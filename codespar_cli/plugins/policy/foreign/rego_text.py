"""What is refused in a Rego policy before it is asked: what could exhaust the interpreter, effects, and wrong shapes.

Each bracket within another doubles regorus's time to parse (measured with gordon-to-regorus 0.13: 14 take half a second,
18 six), a long row of minus signs and some thousand rules that call each other overflow its stack. `http.send` is
undefined in it without an error, so that a deny rule that waits for an answer would never deny.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from codespar_cli.plugins.policy.language.nodes import Refused

MAX_DEPTH = 10
MAX_ROUND = 30
MAX_RULES = 1000
_TOKEN = re.compile(r"""\#[^\n]*|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\s+|.""", re.DOTALL)
_MINUSES = 16
# Not pure: the world outside, the clock, chance. `input.now` and `input.now_ns` are the clock that is recorded.
_REFUSED = {
    "http.send": "a policy reaches no network",
    "net.lookup_ip_addr": "a policy reaches no network",
    "opa.runtime": "a policy does not read its surroundings",
    "time.now_ns": "the time of a call is `input.now_ns`",
    "rand.intn": "a policy answers alike every time",
    "uuid.rfc4122": "a policy answers alike every time",
    # These answer what they cannot do with nothing, where all others err: a deny rule that asks them would not deny.
    **dict.fromkeys(
        (
            *(f"bits.{name}" for name in ("and", "or", "xor", "negate", "lsh", "rsh")),
            "array.slice",
            "json.patch",
            "regex.replace",
            "regex.template_match",
            "units.parse",
            "units.parse_bytes",
            "uuid.parse",
        ),
        "what it cannot do is undefined in regorus, and a deny rule would not deny",
    ),
}
STAGES = ("deny", "approve", "allow")


def check_nesting(text: str) -> None:
    """Raises Refused."""
    line, depth, rounds, minuses = 1, 0, 0, 0
    for match in _TOKEN.finditer(text):
        word = match[0]
        minuses = minuses + 1 if word == "-" else minuses if word.isspace() else 0
        if word in {"[", "{"}:
            depth += 1
        elif word in {"]", "}"}:
            depth = max(0, depth - 1)
        elif word == "(":
            rounds += 1
        elif word == ")":
            rounds = max(0, rounds - 1)
        if depth > MAX_DEPTH or rounds > MAX_ROUND or minuses > _MINUSES:
            limit = MAX_DEPTH if depth > MAX_DEPTH else MAX_ROUND if rounds > MAX_ROUND else _MINUSES
            raise Refused(line, f"nested deeper than {limit} levels", "tables belong into the data file")
        line += word.count("\n")


def check_modules(modules: list[Any], package: str) -> int:
    """How many rules there are. `modules` is regorus's syntax tree. Raises Misplaced."""
    count = 0
    for number, module in enumerate(modules):
        rules = module["ast"]["rules"]
        count += len(rules)
        if count > MAX_RULES:
            raise Misplaced(number, None, f"more than {MAX_RULES} rules", "tables belong into the data file")
        for name, line in _calls(module["ast"]):
            if name in _REFUSED:
                raise Misplaced(number, line, f"`{name}` is not available: {_REFUSED[name]}")
        if _name(module["ast"]["package"]["refr"]) == package:
            for rule in rules:
                _check_stage(rule, number)
    return count


class Misplaced(Exception):
    """A fault in one of several modules."""

    def __init__(self, module: int, line: int | None, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.module = module
        self.line = line
        self.message = message
        self.hint = hint


def packages_of(modules: list[Any]) -> list[str]:
    return [_name(module["ast"]["package"]["refr"]) for module in modules]


def parsed(text: str) -> list[Any]:
    """The syntax tree that regorus tells as JSON. Raises Refused."""
    try:
        modules: list[Any] = json.loads(text)
    except RecursionError:
        raise Refused(None, "an expression is too long", "tables belong into the data file") from None
    return modules


def _check_stage(rule: dict[str, Any], number: int) -> None:
    function = rule.get("Spec", {}).get("head", {}).get("Func")
    if function is not None and _name(function["refr"]) in STAGES:
        name = _name(function["refr"])
        raise Misplaced(number, function["span"]["line"], f"`{name}` is a function here, and nobody would call it")


def _calls(tree: Any) -> Iterator[tuple[str, int]]:
    """Every function that is called or replaced, with its line. No recursion: the tree may be deep."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in {"RefDot", "RefBrack"}:
                    yield _name({key: value}), value["span"]["line"]
                waiting.append(value)


def _name(reference: Any) -> str:
    """`http.send` for a reference of constant parts, else what its constant beginning is."""
    parts: list[str] = []
    while isinstance(reference, dict):
        if "Var" in reference:
            parts.append(reference["Var"]["value"])
            break
        if "RefDot" in reference:
            parts.append(reference["RefDot"]["field"][1])
            reference = reference["RefDot"]["refr"]
        elif "RefBrack" in reference:
            index = reference["RefBrack"]["index"]
            parts.append(str(index.get("String", {}).get("value", "*")))
            reference = reference["RefBrack"]["refr"]
        else:
            break
    return ".".join(reversed(parts))
