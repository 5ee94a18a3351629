"""Putting a value into a JSON text and taking one out. Every character that is not about it stays as it is.

Indentation, line ends, comments and a comma before the closing bracket are what they were; what is put in looks like what
stands around it. Taking out what was put in gives the old text, to the character; of brackets that held nothing whoever
takes out has to say what stood between them.
"""

from __future__ import annotations

import json
import re
from typing import Any

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.settings_text import Document, Node, parse

Path = tuple[str | int, ...]
_INDENTED = re.compile(r"\n([ \t]+)[^ \t\r\n]")
_LINE_END = re.compile(r"[\r\n]")
_LAST_LINE = re.compile(r"(\r\n|\r|\n)[ \t]*\Z")


def insert(text: str, path: Path, value: Any, key: str | None = None) -> str:
    """Behind the last child of the object (under `key`) or list at `path`, which has to be there."""
    document = parse(text)
    parent = _at(document, path)
    inline = not _LINE_END.search(text[parent.start : parent.end]) and (
        not _LINE_END.search(text.strip()) or bool(parent.children)
    )
    label = "" if key is None else json.dumps(key) + ": "
    behind = _behind_last(document, parent)
    comma = "," if parent.children and len(parent.commas) == len(parent.children) else ""
    if inline:
        space = " " if comma or parent.children else ""
        put = space + label + json.dumps(value, ensure_ascii=False) + comma
        closing = ""
    else:
        newline, unit = _newline(text), _unit(text)
        outer = _indentation(text, parent.start)
        inner = outer + unit
        if parent.children and "\n" in text[parent.start : parent.children[-1].start]:
            inner = _indentation(text, parent.children[-1].start)
        shown = rendered(value, unit).replace("\n", newline + inner)
        put = newline + inner + label + shown + comma
        closing = newline + outer
    end = parent.end - 1
    rest = text[behind:end]
    # Where the bracket stands on the last child's line it stays behind what is put in, else on a line of its own.
    stays = bool(parent.children) or _LINE_END.search(rest) is not None or not closing
    changed = text[:behind] + (put + rest if stays else rest + put + closing) + text[end:]
    if parent.children and len(parent.commas) < len(parent.children):
        place = parent.children[-1].end
        changed = changed[:place] + "," + changed[place:]
    return changed


def rendered(value: Any, unit: str) -> str:
    """A value over several lines, a list of plain values on one."""
    if isinstance(value, dict) and value:
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {rendered(one, unit)}" for key, one in value.items()]
    elif isinstance(value, list) and any(isinstance(one, (dict, list)) for one in value):
        lines = [rendered(one, unit) for one in value]
    else:
        return json.dumps(value, ensure_ascii=False)
    first, last = "{}" if isinstance(value, dict) else "[]"
    inner = ",\n".join(lines).replace("\n", "\n" + unit)
    return f"{first}\n{unit}{inner}\n{last}"


def remove(text: str, path: Path, blank: str = "") -> str:
    """Without the child at `path`, which has to be there, and without the comma that is then one too many.

    `blank` is what stood between the brackets around it when they held nothing: blanks and comments.
    """
    document = parse(text)
    parent = _at(document, path[:-1])
    number = path[-1] if isinstance(path[-1], int) else _last_number(parent, path[-1])
    child = parent.children[number]
    begins = _name_start(document, parent, number)
    end = parent.commas[number] if number < len(parent.commas) else child.end
    if len(parent.children) == 1:
        written = _LINE_END.search(text[begins : parent.end]) is not None
        inner = _emptied(text[parent.start + 1 : begins], text[end : parent.end - 1], blank, over_lines=written)
        return text[: parent.start + 1] + inner + text[parent.end - 1 :]
    start = max([parent.start + 1, *_ends_before(document, parent, begins)])
    if _ends_line(document, start) and not _LINE_END.match(text[end:].lstrip(" \t")):
        start = begins  # what follows would become part of the comment
    changed = text[:start] + text[end:]
    is_last = number == len(parent.children) - 1
    if is_last and number > 0 and number >= len(parent.commas):
        place = parent.commas[number - 1]
        changed = changed[: place - 1] + changed[place:]
    return changed


def inner_of(text: str, path: Path) -> str | None:
    """What stands between the brackets at `path`, where they hold no value; else None."""
    node = parse(text).node(path)
    if node is None or node.value not in ([], {}):
        return None
    return text[node.start + 1 : node.end - 1]


def _emptied(before: str, behind: str, blank: str, over_lines: bool) -> str:
    """What is left between brackets around an only child, from what stands before it and behind it.

    Without comments that is `blank`, what stood there when they held nothing. Else it is what stands there without the
    lines that came with the child: its own and, where `blank` does not end a line itself, the closing bracket's.
    """
    comments = _comments(before) + _comments(behind)
    if not comments:
        return blank
    head, tail = (_LAST_LINE.sub("", before), _LAST_LINE.sub("", behind)) if over_lines else (before, behind)
    if _LINE_END.search(blank[_comments_end(blank) :]):
        tail = behind
    # A line end that came with the child stays where a comment would swallow what follows.
    candidates = (head + tail, head + behind, before + behind)
    return next((inner for inner in candidates if _comments(inner) == comments), before + behind)


def _comments(blank: str) -> list[str]:
    """The comments among blanks; none where one of them does not end."""
    try:
        return [blank[start - 1 : end - 1] for start, end in parse(f"[{blank}]").comments]
    except ConfigError:
        return []


def _ends_line(document: Document, place: int) -> bool:
    """Whether a comment ends there that reaches to the end of its line."""
    return any(end == place and document.text.startswith("//", start) for start, end in document.comments)


def _comments_end(blank: str) -> int:
    """Where the last comment ends among blanks and comments."""
    return max((end for _, end in parse(f"[{blank}]").comments), default=1) - 1


def _at(document: Document, path: Path) -> Node:
    node = document.node(path)
    assert node is not None
    return node


def _last_number(parent: Node, key: str) -> int:
    return max(number for number, name in enumerate(parent.keys) if name == key)


def _name_start(document: Document, parent: Node, number: int) -> int:
    """Where a child begins: with its key, in an object. A comment between the two goes with them."""
    child = parent.children[number]
    if not parent.keys:
        return child.start
    # From the child before, or the bracket, the key is the first thing that is no blank, comma or comment.
    before = parent.children[number - 1].end if number else parent.start + 1
    skipped = sorted(span for span in document.comments if before <= span[0] < child.start)
    place = before
    while True:
        while document.text[place] in " \t\r\n,":
            place += 1
        comment = next((span for span in skipped if span[0] == place), None)
        if comment is None:
            return place
        place = comment[1]


def _ends_before(document: Document, parent: Node, place: int) -> list[int]:
    """Where things end that stay: the comma or the comment in front of `place`."""
    ends = [comma for comma in parent.commas if comma <= place]
    return ends + [end for start, end in document.comments if parent.start < start and end <= place]


def _behind_last(document: Document, parent: Node) -> int:
    ends = [parent.start + 1, *_ends_before(document, parent, parent.end - 1)]
    return max([*ends, parent.children[-1].end]) if parent.children else max(ends)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    found = _INDENTED.search(text)
    return found.group(1) if found else "  "


def _indentation(text: str, place: int) -> str:
    start = text.rfind("\n", 0, place) + 1
    blank = re.match(r"[ \t]*", text[start:])
    return "" if blank is None else blank.group()
