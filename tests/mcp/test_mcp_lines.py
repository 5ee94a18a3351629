"""A stream cut at line feeds: nothing is added, dropped or changed, however it arrives."""

from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.mcp.lines import Line, LineCutter

chunks = st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"\r\n", b"a\n", b"\n\n"]), max_size=30)


def cut(parts, most):
    cutter = LineCutter(most)
    return [line for part in parts for line in cutter.feed(part)] + cutter.rest()


@given(chunks, st.integers(1, 60))
def test_joined_the_lines_are_what_was_fed(parts, most):
    assert b"".join(line.data for line in cut(parts, most)) == b"".join(parts)


@given(chunks, st.integers(1, 60))
def test_every_whole_line_is_one_line_within_the_limit(parts, most):
    lines = cut(parts, most)
    for line in lines:
        if line.whole:
            assert len(line.data) <= most
            assert line.data.find(b"\n") in {-1, len(line.data) - 1}
    whole = b"".join(parts).split(b"\n")
    expected = [text + b"\n" for text in whole[:-1]] + [whole[-1]] * bool(whole[-1])
    assert [line.data for line in lines if line.whole] == [text for text in expected if len(text) <= most]
    assert sum(line.ends for line in lines) == len(expected)


def test_a_line_that_is_too_long_comes_in_pieces_and_ends_once():
    lines = cut([b"abc", b"def", b"gh\nok\n"], 4)
    assert lines[-1] == Line(b"ok\n")
    assert [line.ends for line in lines[:-1]] == [False, True]


def test_what_is_held_is_bounded():
    cutter = LineCutter(1000)
    for _ in range(1000):
        cutter.feed(b"x" * 500)
        assert sum(map(len, cutter._held)) <= 1000
