import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.secrets.environment import PREFIX, variable_name
from codespar_cli.plugins.secrets.spelling import spelled, unspelled

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40) | st.text("_a0x/.", min_size=1)


@given(names)
def test_a_name_can_be_read_back_and_holds_nothing_that_a_path_would_read(name):
    text = spelled(name.encode())
    assert re.fullmatch(r"[A-Za-z0-9_]+", text)
    assert unspelled(text) == name


@given(names, names)
def test_a_variable_tells_its_tenant_and_key_apart(tenant, key):
    rest = variable_name(tenant, key).removeprefix(PREFIX)
    # `__` ends the tenant: inside a name an underscore is followed by a digit or a letter from a to f.
    first, second = re.fullmatch(r"((?:[A-Za-z0-9]|_[0-9a-f]{2})+)__((?:[A-Za-z0-9]|_[0-9a-f]{2})+)", rest).groups()
    assert (unspelled(first), unspelled(second)) == (tenant, key)


@pytest.mark.parametrize("text", ["", "_", "a_b", "_2", "_2F", "_61", "a/b", "_ff", "_c3", "é", "a-b"])
def test_what_is_never_spelled_so_is_no_name(text):
    assert unspelled(text) is None
