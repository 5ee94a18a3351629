"""What sections are made of: tables that scroll in a box of their own, names, keys of charts, what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codespar_cli.plugins.observability.report.markup import Content, Markup, shortened, tag
from codespar_cli.plugins.observability.report.wording import count

LONGEST_NAME = 100


class Limits(NamedTuple):
    """How many rows a list has at most, and how many characters a piece of evidence."""

    rows: int = 100
    evidence: int = 400

    def halved(self) -> Limits:
        return Limits(max(self.rows // 2, 1), max(self.evidence // 2, 40))


class Column(NamedTuple):
    title: str
    style: str = "n"


NAME = "name"


def table(label: str, columns: Sequence[Column], rows: Iterable[Sequence[Content]]) -> Markup:
    """The first cell of a row names it. The box can be reached and scrolled with the keyboard."""
    head = tag("tr", [tag("th", each.title, scope="col", class_=each.style) for each in columns])
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row", class_=columns[0].style),
            [tag("td", cell, class_=each.style) for cell, each in zip(row[1:], columns[1:], strict=True)],
        )
        for row in rows
    ]
    drawn = tag("table", tag("caption", label), tag("thead", head), tag("tbody", body))
    return tag("div", drawn, class_="box", role="region", aria_label=label, tabindex="0")


def name(value: str | None) -> Markup:
    """Somebody else's word: it cannot turn around what stands beside it."""
    return tag("bdi", "–" if value is None else shortened(value, LONGEST_NAME) or "“”")


def left_out(total: int, shown: int, what: str, where: str) -> Markup | None:
    if total <= shown:
        return None
    return tag(
        "p", f"{count(total - shown)} more {what} are left out; ", tag("code", where), " has all.", class_="quiet small"
    )


def key(entries: Iterable[tuple[str, str, str]]) -> Markup:
    """Of a chart: style, shape (`line` or `fill`) and words."""
    drawn = []
    for style, shape, words in entries:
        sign = (
            tag("path", class_=f"{style} line", d="M0 5L14 5")
            if shape == "line"
            else tag("rect", class_=f"{style} fill", x="0", y="0", width="10", height="10")
        )
        drawn.append(tag("li", tag("svg", sign, viewBox="0 0 14 10", aria_hidden="true"), words))
    return tag("ul", drawn, class_="key")


def quiet(*words: Content) -> Markup:
    return tag("p", *words, class_="quiet")


def unread(error: Exception, what: str) -> Markup:
    return tag("p", tag("strong", f"{what} could not be read: "), shortened(str(error), 300), class_="alarm bad-word")


def figure(title: str, *content: Content, caption: str = "") -> Markup:
    return tag("figure", tag("h3", title), *content, tag("figcaption", caption) if caption else None)
