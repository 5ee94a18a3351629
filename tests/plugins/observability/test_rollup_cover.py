"""The pieces of a span: every moment in exactly one of them, and nothing from outside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.plugins.observability.rollup_cover import Cells, Hour, cover
from codespar_cli.plugins.observability.rollup_schema import DAY_US, HOUR_US, SLICE_US, Kind

MINUTE_US = 60_000_000
flags = st.tuples(st.booleans(), st.booleans(), st.booleans())
days = st.dictionaries(st.integers(-2, 2), st.tuples(st.booleans(), st.lists(flags, min_size=24, max_size=24)))
moments = st.builds(
    lambda minutes, edge: minutes * MINUTE_US + edge,
    st.one_of(st.integers(-3000, 4400), st.sampled_from([-1440, 0, 5, 60, 1440, 2880])),
    st.integers(-1, 1),
)


@given(days, moments, moments, st.sampled_from(Kind), st.booleans())
def test_every_moment_is_in_one_piece(facts, start, end, kind, sliced):
    closed = [] if sliced else sorted(
        day * DAY_US for day, (is_closed, _) in facts.items()
        if is_closed and start <= day * DAY_US and (day + 1) * DAY_US <= end
    )  # fmt: skip
    hours = [
        Hour(day * DAY_US + number * HOUR_US, *what)
        for day, (_, found) in sorted(facts.items())
        if day * DAY_US not in closed
        for number, what in enumerate(found)
    ]
    pieces = list(cover(start, end, kind, hours, closed, sliced=sliced))
    known = {each.hour: each for each in hours}
    covered = []
    for piece in pieces:
        covered.append((piece.start, piece.end))
        if isinstance(piece, Cells):
            assert piece.start % piece.level == piece.end % piece.level == 0
            assert start <= piece.start < piece.end <= end
            for hour in range(piece.start - piece.start % HOUR_US, piece.end, HOUR_US):
                if piece.level != DAY_US:
                    assert not known[hour].stale
                    assert piece.level != SLICE_US or known[hour].sliced
                    assert piece.kind == Kind.FULL or (known[hour].closed and piece.level == HOUR_US)
    covered.sort()
    wanted = []
    for first, last in [(day, day + DAY_US) for day in closed] + [(each, each + HOUR_US) for each in known]:
        first, last = max(first, start), min(last, end)
        if first < last:
            wanted.append((first, last))
    assert merged(covered) == merged(sorted(wanted))
    assert sum(last - first for first, last in covered) == sum(last - first for first, last in wanted)


def merged(spans):
    found = []
    for first, last in spans:
        if found and found[-1][1] == first:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found
