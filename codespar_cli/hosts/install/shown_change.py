"""A change as a person is shown it: a unified diff in which nobody's values stand but ours.

Settings hold credentials, and a diff shows the lines around: what others wrote is drawn as `"…"`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from codespar_cli.hosts.install.entries import ours
from codespar_cli.hosts.install.installing import Change
from codespar_cli.hosts.install.layouts import Layout
from codespar_cli.hosts.install.settings_file import SettingsFile
from codespar_cli.hosts.install.settings_text import Document, Node, parse

_AROUND = 2
_NAMES = 2
_TAB = 4
_HIDDEN = '"…"'
_HIDDEN_LINE = "// …"
_HIDDEN_BLOCK = "/* … */"


def diff_of(change: Change) -> list[str]:
    """Its lines, without their ends, tabs as blanks. Raises ConfigError for a text that cannot be read."""
    file = change.file
    after = file._replace(data=change.after)
    name = str(file.path)
    around = 0 if file.target.suffix == ".toml" else _AROUND
    lines = difflib.unified_diff(
        _shown(change.layout, file),
        _shown(change.layout, after),
        "/dev/null" if file.data is None else name,
        "/dev/null" if change.after is None else name,
        lineterm="",
        n=around,
    )
    # The first two name the file, and a tab in a name is to be seen.
    return [
        line.rstrip("\r") if number < _NAMES else line[0] + line[1:].rstrip("\r").expandtabs(_TAB)
        for number, line in enumerate(lines)
    ]


def _shown(layout: Layout, file: SettingsFile) -> list[str]:
    text = file.text
    if file.target.suffix == ".toml" or not text.strip():
        return _lines(text)
    document = parse(text)
    spans = [(start, end, _comment(text[start:end])) for start, end in document.comments]
    known = _our_spans(layout, document)
    spans += [
        (start, end, _HIDDEN)
        for start, end in _texts(document.root)
        if not any(first <= start and end <= last for first, last in known)
    ]
    for start, end, drawn in sorted(spans, reverse=True):
        text = text[:start] + drawn + text[end:]
    return _lines(text)


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _comment(text: str) -> str:
    return _HIDDEN_LINE if text.startswith("//") else _HIDDEN_BLOCK + "\n" * text.count("\n")


def _our_spans(layout: Layout, document: Document) -> list[tuple[int, int]]:
    found = []
    for one in ours(layout, document.root.value):
        node = document.node(one.path[:3] if one.alone else one.path)
        if node is not None:
            found.append((node.start, node.end))
    return found


def _texts(node: Node) -> Iterator[tuple[int, int]]:
    if isinstance(node.value, str):
        yield node.start, node.end
    for child in node.children:
        yield from _texts(child)
