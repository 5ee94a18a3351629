"""Deep nesting is refused though most documents are not walked for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core import strict_json

TEXTS = st.text(st.sampled_from('{}[]"\\:, a'))
VALUES = st.recursive(
    st.none() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=60,
)


@given(value=VALUES, wraps=st.lists(st.booleans(), max_size=12), limit=st.integers(0, 12))
def test_what_is_nested_deeper_than_the_limit_is_refused_and_nothing_else(value, wraps, limit):
    for in_list in wraps:
        value = [value, {"[": "]"}] if in_list else {"{": 1, "a": value}
    text = json.dumps(value)
    if strict_json.depth(value, limit) > limit:
        with pytest.raises(ValueError, match="nested deeper"):
            strict_json.loads(text, max_depth=limit)
    else:
        assert strict_json.loads(text, max_depth=limit) == value
