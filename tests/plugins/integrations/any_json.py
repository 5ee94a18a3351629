"""Any JSON value, put anywhere into a payload, and what must hold of the event that a connector makes of it."""

import json
from copy import deepcopy

import deliveries
from hypothesis import strategies as st

from codespar_cli.core.hooks import SEVERITIES
from codespar_cli.core.text import clean_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def is_event_or_none(event):
    """True, or an AssertionError that says what is wrong."""
    if event is not None:
        assert event.severity in SEVERITIES
        assert 0 < len(event.title) <= 300
        assert clean_line(event.title) == event.title
        assert event.url is None or event.url.startswith(("https://", "http://"))
        json.dumps(deliveries.as_told(event)).encode()
    return True


def altered(payload, data):
    """A copy with another value at some place."""
    payload = deepcopy(payload)
    place = payload
    while True:
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
        if not (isinstance(place[key], dict | list) and place[key]) or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    return payload
