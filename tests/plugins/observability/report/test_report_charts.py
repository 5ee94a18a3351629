"""Charts, whatever the data: well-formed, without NaN, within the picture, and true."""

import math
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_values import HOSTILE, NAMES

from codespar_cli.plugins.observability.report import wording
from codespar_cli.plugins.observability.report.charts import (
    LETTER,
    NARROW,
    WIDE,
    Chart,
    Layer,
    Mark,
    lines,
    sparkline,
    stacked_bars,
)
from codespar_cli.plugins.observability.report.markup import tag
from codespar_cli.plugins.observability.report.scales import for_latency, linear, plain, time_axis

START = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VALUES = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(0, 10**12).map(float)
NUMBER = re.compile(r"-?[0-9]+([.][0-9]+)?")
NUMERIC = {"x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height"}
SAID = {"aria-label"}


def drawn(markup):
    return list(ET.fromstring(f"<all>{markup}</all>"))


def chart(slots, scale, marks=(), unit=HOUR, titles=(), spell=wording.brief):
    axis = time_axis(START, START + unit * max(slots - 1, 0) + timedelta(minutes=29), unit)
    assert axis.slots == max(slots, 1)
    return Chart("c", "title", "what it says", axis, scale, "calls", spell, titles, marks)


def boxes(path):
    """x, y, width, height of each bar."""
    found = re.findall(r"M([\d.]+) (-?[\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z", path)
    assert "".join(f"M{x} {y}h{w}v{h}h-{w}z" for x, y, w, h in found) == path
    return [tuple(map(float, each)) for each in found]


def corners(element):
    kind, get = element.tag, lambda name: float(element.get(name))
    if kind == "line":
        yield from ((get("x1"), get("y1")), (get("x2"), get("y2")))
    elif kind == "rect":
        yield from ((get("x"), get("y")), (get("x") + get("width"), get("y") + get("height")))
    elif kind == "circle":
        yield from ((get("cx") - get("r"), get("cy") - get("r")), (get("cx") + get("r"), get("cy") + get("r")))
    elif kind == "text":
        width = len(element.text or "") * LETTER
        left = get("x") - {"end": width, "middle": width / 2, "start": 0}[element.get("text-anchor")]
        yield from ((max(left, 0) if width > 60 else left, get("y")), (left + width, get("y")))
    elif kind == "path" and "line" in element.get("class"):
        yield from (tuple(map(float, each)) for each in re.findall(r"([\d.-]+) ([\d.-]+)", element.get("d")))
    elif kind == "path":
        for x, y, w, h in boxes(element.get("d")):
            yield from ((x, y), (x + w, y + h))


def assert_sound(picture):
    _, _, width, height = map(float, picture.get("viewBox").split())
    for element in picture.iter():
        for name, value in element.attrib.items():
            assert name not in NUMERIC or NUMBER.fullmatch(value), (element.tag, name, value)
            assert name in SAID or not re.search(r"\b(nan|inf|None)\b", value, re.IGNORECASE), (
                element.tag,
                name,
                value,
            )
        for x, y in corners(element):
            assert -0.02 <= x <= width + 0.02, (element.tag, element.attrib, element.text)
            assert -0.02 <= y <= height + 0.02, (element.tag, element.attrib)


@st.composite
def marked(draw):
    at = START + timedelta(minutes=draw(st.integers(-10_000, 10_000)))
    end = at + timedelta(seconds=draw(st.integers(1, 10**7)))
    return Mark(str(draw(st.integers(1, 99))), "bad", at, end, "#a", draw(NAMES))


@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=60),
    st.lists(marked(), max_size=8),
    st.sampled_from([HOUR, DAY]),
    st.data(),
)
def test_any_data_are_a_sound_picture(pairs, marks, unit, draw):
    first, second = zip(*pairs, strict=True)
    known = [value for pair in pairs for each in pair if (value := plain(each)) is not None]
    layers = [Layer("a", "bad", first), Layer("b", "a1", second)]
    titles = ["told"] * len(pairs)
    spell = draw.draw(st.sampled_from([wording.brief, wording.axis_time, wording.axis_money]))
    for scale in (linear(max(known, default=0)), for_latency(min(known, default=0), max(known, default=0))):
        for picture in (stacked_bars, lines):
            pictures = drawn(picture(chart(len(pairs), scale, marks, unit, titles, spell), layers))
            assert [each.get("class") for each in pictures] == ["chart wide", "chart narrow"]
            for each in pictures:
                assert_sound(each)
    assert_sound(drawn(sparkline(first, "a"))[0])
    assert_sound(drawn(sparkline(first, "a", most=second[0]))[0])


@pytest.mark.parametrize("frame", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_bar_is_as_long_as_its_value_and_stands_on_zero(frame):
    drawing = drawn(
        stacked_bars(chart(3, linear(40.0)), [Layer("a", "bad", [10, 0, 40]), Layer("b", "a1", [10, 20, None])])
    )
    picture = drawing[0 if frame is WIDE else 1]
    low, high = (boxes(picture.find(f"path[@class='{style} fill']").get("d")) for style in ("bad", "a1"))
    floor = frame.top + frame.plot_height
    assert [box[3] for box in low] == pytest.approx([frame.plot_height / 4, frame.plot_height], abs=0.02)
    assert [box[3] for box in high] == pytest.approx([frame.plot_height / 4, frame.plot_height / 2], abs=0.02)
    assert all(box[1] + box[3] == pytest.approx(floor, abs=0.02) for box in low)
    assert high[0][1] + high[0][3] == pytest.approx(low[0][1], abs=0.02)
    assert high[1][1] + high[1][3] == pytest.approx(floor, abs=0.02)


def test_one_error_among_millions_is_seen():
    values = [Layer("failed", "bad", [1.0]), Layer("fine", "a1", [1e7])]
    (picture, _) = drawn(stacked_bars(chart(1, linear(1e7, whole=True)), values))
    ((*_, height),) = boxes(picture.find("path[@class='bad fill']").get("d"))
    assert height >= 1


def test_a_gap_is_a_gap_and_a_lonely_value_a_dot():
    values = [1.0, 2.0, None, 3.0, None, 1.0, 1.0]
    (picture, _) = drawn(lines(chart(7, linear(3.0)), [Layer("a", "a1", values)]))
    path = picture.find("path[@class='a1 line']").get("d")
    assert path.count("M") == 2
    assert path.count("L") == 2
    assert len(picture.findall("circle")) == 1
    assert "0 0" not in path


def test_no_data_have_axes_and_no_bars():
    for picture in drawn(stacked_bars(chart(1, linear(0)), [Layer("a", "a1", [None])])):
        assert picture.find("path") is None
        assert {"0", "UTC", "calls"} <= {each.text for each in picture.findall("text")}


@given(st.floats(0, 1e15), st.booleans())
def test_axes_begin_at_zero_in_round_even_steps_and_hold_the_largest(largest, whole):
    scale = linear(largest, whole=whole)
    assert scale.ticks[0] == 0
    assert scale.ticks[-1] == scale.top
    assert scale.top >= (plain(largest) or 0) * (1 - 1e-6)
    assert 2 <= len(scale.ticks) <= 7
    steps = [after - before for before, after in zip(scale.ticks, scale.ticks[1:], strict=False)]
    assert max(steps) == pytest.approx(min(steps))
    if whole:
        assert all(tick == math.floor(tick) for tick in scale.ticks)


@given(st.floats(1e-6, 1e12), st.floats(1, 1e15), st.floats(0, 1))
def test_a_scale_keeps_the_order_and_its_ticks_their_place(smallest, times, between):
    largest = min(smallest * times, 1e15)
    scale = for_latency(smallest, largest)
    assert 0 <= scale.at(smallest) <= scale.at(smallest + (largest - smallest) * between) <= scale.at(largest) <= 1
    assert len(scale.ticks) <= 7
    places = [scale.at(tick) for tick in scale.ticks]
    assert places == sorted(places)
    assert scale.is_log is (largest / smallest >= 60)


@given(st.integers(1, 400), st.sampled_from([HOUR, DAY]), st.integers(1, 15))
def test_time_ticks_lie_on_the_axis_and_are_few(slots, unit, most):
    axis = time_axis(START, START + unit * slots, unit)
    ticks = axis.ticks(most)
    assert len(ticks) <= most
    assert all(axis.first <= moment < axis.last for moment, _ in ticks)
    assert len(set(ticks)) == len(ticks)


def test_a_time_from_elsewhere_is_utc():
    from datetime import timezone

    local = datetime(2026, 11, 23, 1, 30, tzinfo=timezone(timedelta(hours=9)))
    axis = time_axis(local, local + HOUR, DAY)
    assert axis.first == datetime(2026, 11, 22, tzinfo=UTC)
    assert axis.is_partial(0)


@given(NAMES)
def test_text_is_never_markup(name):
    element = ET.fromstring(tag("td", name, class_=name, title=name))
    assert list(element) == []
    assert set(element.attrib) == {"class", "title"}


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_mark_is_a_link_with_a_harmless_name(name):
    mark = Mark("1", "bad", START, START + HOUR, "#anomaly-1", name)
    for picture in drawn(stacked_bars(chart(5, linear(1), [mark]), [Layer("a", "a1", [1] * 5)])):
        (link,) = picture.findall("a")
        assert link.get("href") == "#anomaly-1"
        assert {each.tag for each in link} == {"title", "circle", "text"}
        assert picture.get("role") == "group"


def test_marks_that_overlap_are_one_span():
    marks = [Mark(str(at), "warn", START + HOUR * at, START + HOUR * (at + 2), "#a", "") for at in (1, 2, 6)]
    for picture in drawn(stacked_bars(chart(10, linear(1), marks), [Layer("a", "a1", [1] * 10)])):
        first, second = boxes(picture.find("path[@class='warn span']").get("d"))
        assert first[2] == pytest.approx(second[2] * 1.5, abs=0.05)
        assert first[0] + first[2] < second[0]
