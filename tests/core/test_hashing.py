"""Hashing in pieces is hashing."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.core import hashing

SIZES = st.sampled_from([0, 1, 2046, 2047, 2048, 4094, 7600, 65535, 65536, 65537, 200_000])


@given(SIZES, st.binary(min_size=1, max_size=3), st.binary(max_size=100))
def test_the_digests_are_those_of_the_standard_library(size, pattern, key):
    data = (pattern * size)[:size]
    assert hashing.sha256(data) == hashlib.sha256(data).digest()
    assert hashing.hmac_sha256(key, data) == hmac.digest(key, data, "sha256")
