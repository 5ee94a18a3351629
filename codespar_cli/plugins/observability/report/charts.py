"""Charts as SVG, from values and axes: bars from zero, lines that stop where nothing was measured, times in UTC.

A chart is drawn twice, for a wide page and for a phone, because letters shrink with a picture: the style shows one of them.
Colours are classes; the page's style knows them, in light and in dark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from codespar_cli.plugins.observability.report.markup import Content, Markup, join, number, shortened, tag
from codespar_cli.plugins.observability.report.scales import Scale, TimeAxis, plain

LETTER = 6.4
"""The width of a digit in the axes' size, generously."""
_LEAST_BAR, _WIDEST_BAR = 1.0, 52.0
_MARK = 8.0


class Frame(NamedTuple):
    """A picture's size, and what around the plot is for axes."""

    name: str
    width: float
    height: float
    most_ticks: int
    left: float = 60.0
    right: float = 12.0
    top: float = 26.0
    bottom: float = 30.0

    @property
    def plot_width(self) -> float:
        return self.width - self.left - self.right

    @property
    def plot_height(self) -> float:
        return self.height - self.top - self.bottom


WIDE = Frame("wide", 1000, 250, 14)
NARROW = Frame("narrow", 340, 220, 5)


class Layer(NamedTuple):
    """One part of stacked bars, from below, or one line. `style` is a class; None is no value, which is not zero."""

    name: str
    style: str
    values: Sequence[float | None]


class Mark(NamedTuple):
    """Something that lasted from `start` to `end`, numbered as the list says that `link` leads to."""

    label: str
    style: str
    start: datetime
    end: datetime
    link: str
    title: str


class Chart(NamedTuple):
    """What a picture shows. `titles` are told for each slot when it is pointed at."""

    name: str
    title: str
    description: str
    axis: TimeAxis
    scale: Scale
    unit: str
    spell: Callable[[float], str]
    titles: Sequence[str]
    marks: Sequence[Mark] = ()


def stacked_bars(chart: Chart, layers: Sequence[Layer]) -> Markup:
    return join(_picture(chart, frame, _bars(chart, frame, layers)) for frame in (WIDE, NARROW))


def lines(chart: Chart, layers: Sequence[Layer]) -> Markup:
    return join(
        _picture(chart, frame, [_line(chart, frame, layer) for layer in reversed(layers)]) for frame in (WIDE, NARROW)
    )


def sparkline(values: Sequence[float | None], label: str, *, most: float | None = None) -> Markup:
    """Small bars from zero to `most`, or to their own largest. What is there at all is seen."""
    width, height = 96.0, 22.0
    known = [plain(value) for value in values]
    top = max([each for each in known if each] + ([most] if most and plain(most) else []), default=0.0)
    step = width / max(len(known), 1)
    gap = 1.0 if step >= 4 else 0.0
    bars = [
        (index * step, height - 1 - tall, step - gap, tall)
        for index, value in enumerate(known)
        if value and (tall := max(value / top * (height - 2), _LEAST_BAR))
    ]
    return tag(
        "svg",
        tag("title", label),
        _rule(0, height - 0.5, width, height - 0.5, "axis"),
        tag("path", class_="a1 fill", d=_boxes(bars)) if bars else None,
        class_="spark",
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
    )


# ── inside ──


def _picture(chart: Chart, frame: Frame, drawn: Content) -> Markup:
    name = f"{chart.name}-{frame.name}"
    return tag(
        "svg",
        tag("title", chart.title, id=f"{name}-title"),
        tag("desc", chart.description, id=f"{name}-desc"),
        _spans(chart, frame),
        _value_axis(chart, frame),
        drawn,
        _time_axis(chart, frame),
        _titles(chart, frame) if frame is WIDE else None,
        _numbers(chart, frame),
        class_=f"chart {frame.name}",
        viewBox=f"0 0 {number(frame.width)} {number(frame.height)}",
        # The marks are links: a picture that is one image would hide them.
        role="group" if chart.marks else "img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def _bars(chart: Chart, frame: Frame, layers: Sequence[Layer]) -> list[Markup]:
    step = frame.plot_width / chart.axis.slots
    wide = min(step - (3.0 if step > 24 else 1.0 if step > 3 else 0.0), _WIDEST_BAR)
    floor = frame.top + frame.plot_height
    found: list[list[tuple[float, float, float, float]]] = [[] for _ in layers]
    for slot in range(chart.axis.slots):
        below, sum_below = floor, 0.0
        for layer, boxes in zip(layers, found, strict=True):
            value = plain(layer.values[slot])
            if not value:
                continue
            sum_below += value
            # Every part reaches as high as the sum up to it; what is there at all is seen, but never above the plot.
            high = floor - chart.scale.at(sum_below) * frame.plot_height
            high = max(min(high, below - _LEAST_BAR), frame.top)
            if below > high:
                boxes.append((frame.left + slot * step + (step - wide) / 2, high, wide, below - high))
            below = high
    return [
        tag("path", class_=f"{layer.style} fill", d=_boxes(boxes))
        for layer, boxes in zip(layers, found, strict=True)
        if boxes
    ]


def _line(chart: Chart, frame: Frame, layer: Layer) -> list[Markup]:
    """Runs of neighbours are lines, a value without a neighbour is a dot: nothing is drawn across a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    step = frame.plot_width / chart.axis.slots
    for slot, given in enumerate(layer.values):
        value = plain(given)
        if value is None:
            runs.append([])
            continue
        x = frame.left + (slot + 0.5) * step
        runs[-1].append((x, frame.top + (1 - chart.scale.at(value)) * frame.plot_height))
    path = " ".join("M" + "L".join(f"{number(x)} {number(y)}" for x, y in run) for run in runs if len(run) > 1)
    dots = [
        tag("circle", class_=f"{layer.style} fill", cx=x, cy=y, r=2.5) for run in runs if len(run) == 1 for x, y in run
    ]
    return [*([tag("path", class_=f"{layer.style} line", d=path)] if path else []), *dots]


def _value_axis(chart: Chart, frame: Frame) -> list[Markup]:
    right = frame.width - frame.right
    drawn: list[Markup] = []
    for value in chart.scale.ticks:
        y = frame.top + (1 - chart.scale.at(value)) * frame.plot_height
        drawn.append(_rule(frame.left, y, right, y, "axis" if not drawn else "grid"))
        drawn.append(_letters(frame.left - 8, y + 4, chart.spell(value), "end"))
    unit = f"{chart.unit}, logarithmic" if chart.scale.is_log else chart.unit
    return [*drawn, _letters(0, 11, unit, "start")]


def _time_axis(chart: Chart, frame: Frame) -> list[Markup]:
    floor = frame.top + frame.plot_height
    drawn, free = [], 0.0
    limit = frame.width - (4 * LETTER + 4)
    for moment, name in chart.axis.ticks(frame.most_ticks):
        x = frame.left + chart.axis.share(moment) * frame.plot_width
        drawn.append(_rule(x, floor, x, floor + 4, "axis"))
        if x >= free and x + len(name) * LETTER <= limit:
            drawn.append(_letters(x, floor + 18, name, "start"))
            free = x + (len(name) + 1) * LETTER
    return [*drawn, _letters(frame.width, floor + 18, "UTC", "end")]


def _titles(chart: Chart, frame: Frame) -> list[Markup]:
    """One invisible column a slot, which says its numbers when it is pointed at."""
    step = frame.plot_width / chart.axis.slots
    return [
        tag(
            "rect",
            tag("title", told),
            class_="hit",
            x=frame.left + slot * step,
            y=frame.top,
            width=step,
            height=frame.plot_height,
        )
        for slot, told in enumerate(chart.titles)
        if told
    ]


def _spans(chart: Chart, frame: Frame) -> list[Markup]:
    """Where marks lasted, each style as one shape: where two of them overlap nothing gets darker."""
    found: dict[str, list[tuple[float, float]]] = {}
    for mark, x, wide in _placed(chart, frame):  # by their beginning
        spans = found.setdefault(mark.style, [])
        if spans and x <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], x + wide))
        else:
            spans.append((x, x + wide))
    return [
        tag(
            "path",
            class_=f"{style} span",
            d=_boxes((start, frame.top, end - start, frame.plot_height) for start, end in spans),
        )
        for style, spans in found.items()
    ]


def _numbers(chart: Chart, frame: Frame) -> list[Markup]:
    """The numbers above the plot. Where one has no room its span still stands, and the list names it."""
    drawn, free = [], frame.left - _MARK
    for mark, x, _ in _placed(chart, frame):
        middle = min(max(x, frame.left), frame.width - frame.right - _MARK)
        if middle - _MARK < free:
            continue
        free = middle + _MARK
        drawn.append(
            tag(
                "a",
                tag("title", mark.title),
                tag("circle", class_=f"{mark.style} fill", cx=middle, cy=frame.top - 10, r=_MARK - 0.5),
                _letters(middle, frame.top - 6.4, mark.label, "middle", "number"),
                href=mark.link,
                aria_label=mark.title,
            )
        )
    return drawn


def _placed(chart: Chart, frame: Frame) -> Iterable[tuple[Mark, float, float]]:
    for mark in sorted(chart.marks, key=lambda each: each.start):
        if mark.end < chart.axis.first or mark.start >= chart.axis.last:
            continue
        x = frame.left + chart.axis.share(mark.start) * frame.plot_width
        end = frame.left + chart.axis.share(mark.end) * frame.plot_width
        x = min(x, frame.width - frame.right - 2)
        yield mark, x, max(end - x, 2.0)


def _rule(x1: float, y1: float, x2: float, y2: float, style: str) -> Markup:
    return tag("line", class_=style, x1=x1, y1=y1, x2=x2, y2=y2)


def _letters(x: float, y: float, words: str, anchor: str, style: str = "label") -> Markup:
    return tag("text", shortened(words, 24), class_=style, x=float(x), y=float(y), text_anchor=anchor)


def _boxes(boxes: Iterable[tuple[float, float, float, float]]) -> str:
    return "".join(f"M{number(x)} {number(y)}h{number(w)}v{number(h)}h-{number(w)}z" for x, y, w, h in boxes)
