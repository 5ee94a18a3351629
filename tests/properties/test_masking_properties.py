"""Masking a stream is masking the whole, and nothing that was to be masked is left."""

import base64
import json
import urllib.parse

from hypothesis import example, given
from hypothesis import strategies as st

from codespar_cli.core.masking.masker import GLIMPSE, MASK, Masker, mask
from codespar_cli.core.masking.spellings import SHORTEST, spellings

# Few letters, so that values begin, overlap and contain each other.
NEEDLES = st.sets(st.text("abc", min_size=4, max_size=20).map(str.encode), min_size=1, max_size=30)
BROKEN = st.sets(st.text("abc", min_size=12, max_size=24).map(str.encode), min_size=1, max_size=10)
LONG = st.text("ab", min_size=200, max_size=400).map(str.encode)


def naive(data, needles):
    """Every byte of every occurrence, one mask for what touches, by the definition."""
    covered = [False] * len(data)
    for needle in needles:
        for start in range(len(data) - len(needle) + 1):
            if data.startswith(needle, start):
                covered[start : start + len(needle)] = [True] * len(needle)
    for start in range(len(data)):
        end = data[start:]
        if len(end) >= 8 and any(len(needle) < 2 * len(end) and needle.startswith(end) for needle in needles):
            covered[start:] = [True] * len(end)
            break
    out = b""
    for index, byte in enumerate(data):
        if not covered[index]:
            out += bytes([byte])
        elif index == 0 or not covered[index - 1]:
            out += MASK
    return out


@st.composite
def outputs(draw, needles):
    """Text with whole, broken and joined needles in it."""
    known = sorted(needles)
    pieces = st.one_of(
        st.sampled_from(known),
        st.builds(lambda needle, size: needle[: size % (len(needle) + 1)], st.sampled_from(known), st.integers(0, 400)),
        st.text("abc\n", max_size=12).map(str.encode),
    )
    return b"".join(draw(st.lists(pieces, max_size=12)))


def streamed(data, needles, cuts, *, glimpses=False, broken=()):
    masker = Masker(needles, broken)
    out = b""
    before = 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        out += masker.feed(data[before:cut])
        if glimpses:
            out += masker.glimpse()
        before = cut
    return out + masker.finish()


@given(st.data(), NEEDLES, st.lists(st.integers(0, 10_000), max_size=40))
def test_any_split_equals_the_definition(data, needles, cuts):
    text = data.draw(outputs(needles))
    expected = naive(text, needles)
    assert mask(text, needles) == expected
    assert streamed(text, needles, cuts) == expected
    assert streamed(text, needles, range(len(text))) == expected


@given(st.data(), st.sets(LONG, min_size=1, max_size=3), NEEDLES, st.lists(st.integers(0, 10_000), max_size=10))
def test_long_needles_too(data, long, short, cuts):
    needles = long | short
    text = data.draw(outputs(needles))
    assert streamed(text, needles, cuts) == naive(text, needles)


@given(st.data(), st.sets(st.binary(min_size=4, max_size=40), min_size=13, max_size=60), st.integers(1, 50))
def test_the_sieve_finds_what_there_is_at_any_place(data, needles, size):
    """Many needles of any bytes: the words are compared, not each needle searched for."""
    filler = st.binary(max_size=30)
    text = b"".join(data.draw(st.lists(st.one_of(filler, st.sampled_from(sorted(needles))), max_size=10)))
    assert streamed(text, needles, range(0, len(text), size)) == naive(text, needles)


@given(st.data(), NEEDLES, st.lists(st.integers(0, 10_000), max_size=40))
def test_glimpses_show_at_most_three_bytes_of_a_beginning(data, needles, cuts):
    text = data.draw(outputs(needles))
    left = streamed(text, needles, cuts, glimpses=True)
    for run in left.split(MASK):
        # Between masks stands nothing that is a whole needle.
        assert all(needle not in run for needle in needles)
    assert len(left.replace(MASK, b"")) <= len(naive(text, needles).replace(MASK, b"")) + GLIMPSE * (
        left.count(MASK) + 1
    )


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=1, max_size=60).filter(
    lambda value: len(value.encode()) >= SHORTEST
)


@given(VALUES, st.binary(max_size=9), st.binary(max_size=9))
@example("aaaa", b"", b"")
@example("a\nb\nc d", b"", b"")
def test_no_known_encoding_survives(value, before, after):
    raw = value.encode()
    forms = [
        raw,
        raw.hex().encode(),
        raw.hex().upper().encode(),
        json.dumps(value)[1:-1].encode(),
        json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        urllib.parse.quote(value).encode(),
        urllib.parse.quote(value, safe="").encode(),
        urllib.parse.quote_plus(value).encode(),
        repr(value)[1:-1].encode(),
        base64.b64encode(raw).rstrip(b"=")[: len(raw) * 8 // 6],
    ]
    needles = spellings([value])
    for form in forms:
        assert form in needles.whole
        assert form not in mask(before.replace(b"*", b"") + form + after.replace(b"*", b""), *needles)


@given(VALUES, st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_anything_around_a_value_does_not_give_it_away(value, before, after):
    raw = value.encode()
    whole = base64.b64encode(before + raw + after)
    needles = spellings([value])
    first, last = (len(before) * 8 + 5) // 6, (len(before) + len(raw)) * 8 // 6
    core = whole[first:last]
    assert core in needles.whole or len(core) < SHORTEST
    if len(core) >= SHORTEST:
        assert core not in mask(whole, *needles)


@given(st.data(), NEEDLES, BROKEN, st.lists(st.integers(0, 10_000), max_size=40))
def test_line_ends_do_not_save_what_may_be_broken(data, whole, broken, cuts):
    """By the definition, over the text without its line ends: what is covered there is covered where it was."""
    text = data.draw(outputs(whole | broken))
    ends = data.draw(st.lists(st.integers(0, len(text)), max_size=10))
    for place in sorted(ends, reverse=True):
        text = text[:place] + data.draw(st.sampled_from([b"\n", b"\r\n"])) + text[place:]
    masked = mask(text, whole | broken, broken)
    for split in (cuts, range(len(text))):
        shown = streamed(text, whole | broken, split, broken=broken).replace(MASK, b"*")
        # A line that is over may have shown a few characters; a whole needle is never to be put together.
        assert all(needle not in shown.translate(None, b"\r\n") for needle in broken)
        assert all(needle not in shown for needle in whole)
    kept = [index for index, byte in enumerate(text) if byte not in b"\r\n"]
    joined = bytes(text[index] for index in kept)
    left = len(masked.replace(MASK, b""))
    covered = set()
    for needle in broken:
        for start in range(len(joined)):
            if joined.startswith(needle, start):
                covered.update(range(kept[start], kept[start + len(needle) - 1] + 1))
    assert left <= len(text) - len(covered)
