"""What an approval is bound to: one digest for equal calls, another for any other."""

import hashlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core.hooks import CallContext
from codespar_cli.plugins.policy.approvals.binding import _Canonical, digest_of
from codespar_cli.plugins.policy.decision.call import Call
from codespar_cli.plugins.policy.language.policy_reader import compile_policy

POLICY = compile_policy(b'{"version": 1, "rules": [{"id": "x", "effect": "approve"}]}', "policy.yaml")
OTHER = compile_policy(b'{"version": 1, "rules": [{"id": "y", "effect": "approve"}]}', "policy.yaml")


def digest(agent="a", tool="t", cost=None, policy=POLICY, **context):
    return digest_of(Call(agent, tool, cost, CallContext(**context), policy))


def canonical(value):
    import rfc8785

    return rfc8785.dumps(_Canonical().spelled(value, 0)).decode()


def test_the_digest_is_the_sha256_of_the_documented_text():
    text = (
        '{"agent":"a","args":{"a":1,"b":[true,null,"€"]},"cost":"5e0",'
        f'"policy":"{POLICY.hash}","project":"p","tenant":"one","tool":"t"}}'
    )
    expected = hashlib.sha256(text.encode()).hexdigest()
    args = {"b": [True, None, "€"], "a": 1.0}
    assert digest(cost="5.00", tenant="one", project="p", args=args) == expected


# RFC 8785: the sample of section 3.2.2, the sorting of section 3.2.3, and numbers of appendix B.
SAMPLE = r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
SAMPLE_OUT = (
    r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
)
SORTING = (
    '{"\\u20ac": "Euro Sign", "\\r": "Carriage Return", "\\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",'
    ' "\\ud83d\\ude00": "Emoji: Grinning Face", "\\u0080": "Control", "\\u00f6": "Latin Small Letter O With Diaeresis"}'
)
ORDER = ["Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign",
         "Emoji: Grinning Face", "Hebrew Letter Dalet With Dagesh"]  # fmt: skip
NUMBERS = {
    "0000000000000000": "0", "8000000000000000": "0", "0000000000000001": "5e-324", "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308", "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992", "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000", "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23", "44b52d02c7e14af7": "1.0000000000000001e+23", "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000", "444b1ae4d6e2ef50": "1e+21", "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001", "41b3de4355555553": "333333333.3333332", "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333", "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343", "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}  # fmt: skip


def test_the_published_samples():
    assert canonical(json.loads(SAMPLE)) == SAMPLE_OUT
    assert list(json.loads(canonical(json.loads(SORTING))).values()) == ORDER


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_the_published_numbers(bits, text):
    import struct

    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical(number) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text('ab$é\n"\\'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab$é"), inner, max_size=3),
    max_leaves=12,
)


def as_javascript(value):
    """Equality of JSON values as a reader of them has it: numbers by value, booleans apart from them."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, list):
        return ("list", [as_javascript(item) for item in value])
    return ("object", sorted((key, as_javascript(item)) for key, item in value.items()))


@given(JSON, JSON)
def test_equal_arguments_have_equal_digests_and_others_do_not(one, two):
    same = digest(args={"x": one}) == digest(args={"x": two})
    if as_javascript(one) == as_javascript(two) and not holds_large(one) and not holds_large(two):
        assert same
    if same:
        assert as_javascript(one) == as_javascript(two)


def holds_large(value):
    """A whole number that a float cannot tell from its neighbours: bound exactly, and so apart from that float."""
    if isinstance(value, list):
        return any(map(holds_large, value))
    if isinstance(value, dict):
        return any(map(holds_large, value.values()))
    return isinstance(value, int | float) and abs(value) >= 2**53


@given(JSON, st.data())
def test_the_order_of_keys_does_not_matter(value, data):
    def shuffled(part):
        if isinstance(part, dict):
            return {key: shuffled(part[key]) for key in data.draw(st.permutations(list(part)))}
        return [shuffled(item) for item in part] if isinstance(part, list) else part

    assert digest(args={"x": value}) == digest(args={"x": shuffled(value)})


CALL = {"agent": "a", "tool": "t", "cost": "5", "tenant": "one", "project": "p", "environment": "e", "args": {"x": 1}}


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "b"}, {"tool": "u"}, {"cost": "5.0000001"}, {"cost": None}, {"tenant": "two"}, {"project": None},
        {"project": "q"}, {"environment": None}, {"environment": "f"}, {"args": None}, {"args": {}}, {"policy": OTHER},
        {"args": {"x": "1"}}, {"args": {"x": True}}, {"args": {"x": 1, "y": None}}, {"args": {"$x": 1}},
        {"attributes": {"cwd": "/a"}}, {"attributes": {"cwd": ""}},
    ],
)  # fmt: skip
def test_any_change_of_the_call_changes_it(change):
    assert digest(**{**CALL, **change}) != digest(**CALL)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (2**53, 2**53 + 1),
        (2**70, {"$integer": str(2**70)}),
        (Decimal("1.5"), {"$decimal": "15e-1"}),
        ({"$a": 1}, {"$$a": 1}),
        # More digits than the precision of a thread: rounding would make them one.
        (Decimal("0." + "1" * 40), Decimal("0." + "1" * 39 + "2")),
        ([1, 2], [[1], 2]),
    ],
)
def test_what_is_spelled_alike_is_told_apart(one, two):
    assert digest(args={"x": one}) != digest(args={"x": two})


@pytest.mark.parametrize(
    ("one", "two"), [("5", 5), ("5", "5.000"), (5.0, Decimal("5E0")), ("0", "0.00"), ("1000", "1e3"), ("0.10", ".1")]
)
def test_one_cost_is_one_however_it_is_given(one, two):
    assert digest(cost=one) == digest(cost=two)
    assert digest(args={"x": Decimal("1.50")}) == digest(args={"x": Decimal("1.5")})
