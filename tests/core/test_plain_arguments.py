"""What a rule reads of a Python call: the same for every notation of the same text or number."""

import asyncio
import json
import os
import re
from enum import Enum, IntEnum, StrEnum
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli import CallContext, CallDenied, Gate, Outcome, PluginRegistry, ToolCall, load
from codespar_cli.core.asking import plainly
from codespar_cli.core.guard.self_protection import SelfProtection
from codespar_cli.core.plain_arguments import plain_arguments
from codespar_cli.frameworks.passage import Passage, Refusal

PLUGINS = 'version = 1\n[policy]\nbackend = "engine"\n'
RULES = """\
version: 1
default: allow
rules:
  - {id: etc, effect: deny, tools: ["**"], when: {args.path: "/etc"}}
  - {id: below, effect: deny, tools: ["**"], when: {args.path: {glob: "/etc/**"}}}
  - {id: deep, effect: deny, tools: ["**"], when: {args.box.path: "/etc"}}
  - {id: many, effect: deny, tools: ["**"], when: {args.count: {gt: 10}}}
"""


class Text(str):
    __slots__ = ()

    def __eq__(self, other):
        return False

    __hash__ = str.__hash__

    def __str__(self):
        return "harmless"


class Number(int):
    def __gt__(self, other):
        return False

    def __int__(self):
        return 0


class Place(Enum):
    ETC = "/etc"


class Named(StrEnum):
    ETC = "/etc"


class Count(IntEnum):
    MANY = 11


class OwnPath:
    def __fspath__(self):
        return b"/etc"


class Broken:
    def __fspath__(self):
        raise LookupError


SAME = [Path("/etc"), PurePosixPath("/etc"), b"/etc", bytearray(b"/etc"), memoryview(b"/etc"), Text("/etc")]


@pytest.fixture
def gate(newcomer):
    (newcomer / "plugins.toml").write_text(PLUGINS)
    (newcomer / "policy.yaml").write_text(RULES)
    return load()


ARGUMENTS = [
    *({"path": value} for value in ("/etc", *SAME, Place.ETC, Named.ETC, OwnPath(), Path("/etc/passwd"), b"/etc/\xff")),
    {"box": {"path": Path("/etc")}},
    {Text("path"): "/etc"},
    {"count": Number(11)},
    {"count": Count.MANY},
]


@pytest.mark.parametrize("args", ARGUMENTS, ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", repr(value)))
def test_a_rule_on_an_argument_holds_in_every_notation_of_it(gate, args):
    ran = []

    @gate.tool
    def act(**given):
        ran.append(given)

    with pytest.raises(CallDenied):
        gate.call("agent", "act", args=args).__enter__()
    with pytest.raises(CallDenied):
        gate.call("agent", "act", context=CallContext(args=args)).__enter__()
    assert isinstance(Passage(gate).enter("act", args), Refusal)
    assert ran == []
    call = ToolCall("agent", "act", None, CallContext(args=args))
    decisions = [gate.check(call), gate.preview(call), asyncio.run(gate.acheck(call))]
    assert [(one.allowed, one.code) for one in decisions] == [(False, "denied_by_rule")] * 3
    assert call.context.args is args


@pytest.mark.parametrize("path", SAME, ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", repr(value)))
def test_a_guarded_function_is_refused_and_gets_what_it_was_given_elsewhere(gate, path):
    ran = []

    @gate.tool
    def remove(path):
        ran.append(path)

    with pytest.raises(CallDenied):
        remove(path)
    elsewhere = Path("/tmp")
    remove(elsewhere)
    assert ran == [elsewhere]
    assert ran[0] is elsewhere


def test_an_argument_that_cannot_be_read_is_a_refusal(gate):
    assert isinstance(Passage(gate).enter("act", {"path": Broken()}), Refusal)


def test_an_argument_that_cannot_be_read_is_a_deny_of_whoever_asks_the_gate_itself(gate):
    call = ToolCall("agent", "act", None, CallContext(args={"path": Broken()}))
    decisions = [gate.check(call), gate.preview(call), asyncio.run(gate.acheck(call))]
    assert [(one.allowed, one.code) for one in decisions] == [(False, "policy_error")] * 3
    assert decisions[0].reason == "the arguments cannot be read: LookupError"


def test_what_protects_codespar_itself_reads_every_notation_of_a_path(gate, newcomer):
    own = newcomer / "policy.yaml"
    gate.protection = SelfProtection([str(own)])
    for path in (str(own), own, os.fsencode(own), Text(own)):
        call = ToolCall("agent", "Write", None, CallContext(args={"file_path": path, "content": "x"}))
        assert [gate.check(call).code, gate.preview(call).code] == ["self_protection"] * 2


def test_what_came_as_json_is_passed_as_it_is():
    said = {"path": "/etc", "list": [1, 2.5, None, {"deep": [True]}], "": {}}
    said["list"].append(said)
    call = ToolCall("agent", "act", None, CallContext(args=said))
    assert plainly(call) is call
    none = ToolCall("agent", "act")
    assert plainly(none) is none


class Teller:
    def __init__(self):
        self.told = []

    def record(self, metric):
        self.told.append(metric)


def test_a_record_of_a_call_counts_the_arguments_that_were_asked_about():
    registry, teller = PluginRegistry(), Teller()
    registry.register_observability(teller)
    Gate(registry).record(ToolCall("agent", "act", None, CallContext(args={"path": Path("/etc")})), Outcome())
    assert [metric.arguments for metric in teller.told] == [{"path": "/etc"}]


def test_a_table_that_holds_itself_ends():
    loop = {}
    loop["again"] = loop
    assert isinstance(plain_arguments(loop)["again"], dict)


@given(st.binary(), st.binary())
def test_no_two_values_of_bytes_read_the_same(one, other):
    assert (plain_arguments({"a": one}) == plain_arguments({"a": other})) is (one == other)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), PLAIN))
def test_what_is_plain_stays_what_it_is(args):
    found = plain_arguments(args)
    assert found == args
    assert json.dumps(found) == json.dumps(args)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.sets(st.text()))
def test_paths_and_sets_have_one_form(text, several):
    assert plain_arguments({"a": Path(text)}) == {"a": os.fspath(Path(text))}
    assert plain_arguments({"a": several}) == plain_arguments({"a": frozenset(sorted(several, reverse=True))})
