"""HTML and SVG from values: what is not markup already is escaped, wherever it stands.

    tag("td", name, class_="name")      <td class="name">&lt;b&gt;</td>

There is no other way to write text: a name can open no element, end no attribute and turn no line around. The output is
well-formed XML as well, so one parser can judge all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from codespar_cli.core.text import visible

VOID = frozenset({"meta", "link", "br", "wbr", "hr", "col"})
# Noncharacters that XML forbids, and that `visible` lets pass.
_NO_XML = re.compile("[\ufffe\uffff]")


class Markup(str):
    """Text that is markup already. Only this module makes it from anything but constants."""

    __slots__ = ()


Content: TypeAlias = "str | int | Markup | Iterable[Content] | None"
Value: TypeAlias = str | int | float | bool | None

NOTHING = Markup("")


def text(value: object) -> Markup:
    """Harmful characters are spelled out, markup is escaped."""
    return Markup(escape(_NO_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", visible(str(value)))))


def shortened(value: str, longest: int) -> str:
    """At most so many characters once it is spelled out: an escape must not make a short name a long one."""
    spelled = visible(value[: longest + 1])
    return spelled if len(spelled) <= longest else spelled[: longest - 1] + "…"


def join(*content: Content) -> Markup:
    return Markup("".join(_pieces(content)))


def tag(name: str, /, *content: Content, **attributes: Value) -> Markup:
    """`class_` is `class` and `aria_label` is `aria-label`. None and False leave an attribute out, True has no value."""
    head = "".join((name, *(_attribute(key, value) for key, value in attributes.items())))
    if name in VOID:
        return Markup(f"<{head}/>")
    return Markup(f"<{head}>{join(*content)}</{name}>")


def _pieces(content: Iterable[Content]) -> Iterable[str]:
    for piece in content:
        if piece is None:
            continue
        if isinstance(piece, Markup):
            yield piece
        elif isinstance(piece, str | int):
            yield text(piece)
        else:
            yield from _pieces(piece)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f' {name}=""'
    return f' {name}="{number(value) if isinstance(value, float) else text(value)}"'


def number(value: float) -> str:
    """A coordinate: no exponent, no more than two digits behind the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
