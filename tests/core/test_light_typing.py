"""The light classes behave as those of `typing` and `dataclasses`: each is held to its original."""

import copy
import dataclasses
import inspect
import pickle
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core import light_classes, light_json, light_typing
from codespar_cli.core.hooks import CallContext, PolicyDecision, ToolCall, ToolMetric
from codespar_cli.storage.chain import ChainHead, ChainRecord

VALUES = [CallContext, ToolCall, PolicyDecision, ToolMetric, ChainRecord, ChainHead]


class LightPair(light_typing.NamedTuple):
    """Two."""

    one: int
    two: str = "b"

    @property
    def both(self):
        return f"{self.one}{self.two}"


class RealPair(typing.NamedTuple):
    """Two."""

    one: int
    two: str = "b"

    @property
    def both(self):
        return f"{self.one}{self.two}"


class LightMany(light_typing.NamedTuple):
    a: int
    b: int
    c: int
    d: int
    e: int
    f: int
    g: int
    h: int
    i: int = 9


@light_typing.dataclass(frozen=True, slots=True)
class LightPoint:
    x: int
    y: str = "b"
    more: dict = light_typing.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class RealPoint:
    x: int
    y: str = "b"
    more: dict = dataclasses.field(default_factory=dict)


CALLS = st.tuples(
    st.lists(st.integers(), max_size=4),
    st.dictionaries(st.sampled_from(["one", "two", "x", "y", "more", "odd"]), st.integers(), max_size=3),
)


def outcome(make, values, named):
    try:
        return repr(make(*values, **named)).replace("Light", "").replace("Real", "")
    except TypeError:
        return TypeError


@given(call=CALLS)
def test_a_light_named_tuple_is_called_as_a_real_one(call):
    assert outcome(LightPair, *call) == outcome(RealPair, *call)


@given(calls=st.lists(CALLS, min_size=1, max_size=40))
def test_a_light_dataclass_is_called_as_a_real_one_before_and_after_it_is_compiled(calls):
    fresh = light_classes._made(type("LightPoint", (), fields_of_a_point()))
    for values, named in calls:
        assert outcome(fresh, values, named) == outcome(RealPoint, values, named)


def fields_of_a_point():
    more = light_typing.field(default_factory=dict)
    return {"__annotations__": {"x": int, "y": str, "more": dict}, "y": "b", "more": more, "__module__": __name__}


def test_what_a_named_tuple_offers():
    light, real = LightPair(1), RealPair(1)
    for look in (
        lambda pair: pair._asdict(),
        lambda pair: tuple(pair),
        lambda pair: pair._replace(two="x")[:],
        lambda pair: type(pair)._make([3, 4])[:],
        lambda pair: (pair._fields, pair._field_defaults, type(pair).__match_args__, type(pair).__mro__[-2:]),
        lambda pair: (pair.both, pair == (1, "b"), hash(pair), type(pair).__doc__),
        lambda pair: copy.deepcopy(pair)[:],
        lambda pair: pickle.loads(pickle.dumps(pair)) == pair,
        lambda pair: [str(each) for each in inspect.signature(type(pair)).parameters],
    ):
        assert look(light) == look(real)
    assert LightMany(1, 2, 3, 4, 5, 6, 7, h=8) == (1, 2, 3, 4, 5, 6, 7, 8, 9)
    for wrong in (lambda pair: pair._replace(three=3), lambda pair: type(pair)._make([1])):
        with pytest.raises((ValueError, TypeError)) as ours:
            wrong(light)
        with pytest.raises(ours.type):
            wrong(real)
    with pytest.raises(AttributeError):
        light.one = 2
    with pytest.raises(TypeError):
        type(
            "Wrong", (light_typing.NamedTuple,), {"__annotations__": {"a": int, "b": int}, "a": 1, "__qualname__": "W"}
        )


def test_what_a_dataclass_offers():
    light, real = LightPoint(1, more={"a": [1]}), RealPoint(1, more={"a": [1]})
    for look in (
        dataclasses.asdict,
        dataclasses.astuple,
        lambda point: [(field.name, field.init, field.repr) for field in dataclasses.fields(point)],
        lambda point: repr(dataclasses.replace(point, y="z")).partition("(")[2],
        lambda point: (dataclasses.is_dataclass(point), dataclasses.is_dataclass(type(point))),
        lambda point: (type(point).__match_args__, type(point).__slots__, hasattr(point, "__dict__")),
        lambda point: (point == type(point)(1, "b", {"a": [1]}), point == type(point)(2), point == 1),
        lambda point: list(inspect.signature(type(point)).parameters),
        lambda point: type(point).__dataclass_params__.frozen,
    ):
        assert look(light) == look(real)
    assert light_typing.replace(light, x=2) == LightPoint(2, more={"a": [1]})
    with pytest.raises(TypeError):
        light_typing.replace(light, odd=2)
    for change in (lambda: setattr(light, "x", 2), lambda: delattr(light, "x"), lambda: setattr(light, "new", 2)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_our_values_are_copied_pickled_and_compared(kind):
    names = [field.name for field in dataclasses.fields(kind)]
    value = kind(**dict.fromkeys(names, 1))
    assert copy.copy(value) == copy.deepcopy(value) == pickle.loads(pickle.dumps(value)) == value
    assert hash(value) == hash(kind(**dict.fromkeys(names, 1)))
    assert value != kind(**dict.fromkeys(names, 2))
    match value:
        case kind():
            pass
        case _:
            raise AssertionError


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=15,
)


@given(value=JSON, blank=st.sampled_from(["", " ", "\n\t", "\r\n"]))
def test_light_json_is_json(value, blank):
    import json

    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    assert light_json.dumps(value) == text
    assert light_json.loads(blank + text + blank) == value
    for circular in (False, True):
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
        assert light_json.encoder(sort_keys=True, check_circular=circular)(value) == canonical


@given(text=st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\u\x00\x0b\xa0', max_size=12))
def test_light_json_refuses_what_json_refuses_in_its_words(text):
    import json

    def result(loads):
        try:
            return repr(loads(text))
        except ValueError as error:
            return type(error), str(error)

    assert result(light_json.loads) == result(json.loads)


def test_light_json_refuses_to_write_what_json_does():
    endless: list = []
    endless.append(endless)
    for value in (float("nan"), float("inf"), {1: object()}, endless):
        with pytest.raises((ValueError, TypeError)):
            light_json.encoder(sort_keys=True, check_circular=True)(value)
