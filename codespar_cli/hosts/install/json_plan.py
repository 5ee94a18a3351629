"""JSON settings with our hooks and without them, as text."""

from __future__ import annotations

from typing import Any

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install import settings_edit
from codespar_cli.hosts.install.entries import HOOKS, Path, check_form, is_as_wanted, ours, own_options
from codespar_cli.hosts.install.layouts import Layout
from codespar_cli.hosts.install.settings_text import Document, line_at, parse

Made = tuple[Path, ...]
"""The tables and lists that an installation had to make, outermost first."""
NOTHING_MADE: Made = ()


def read(layout: Layout, text: str) -> Any:
    """What the settings say. None for a text that says nothing. Raises ConfigError with a line."""
    if not text.strip():
        return None
    document = parse(text)
    _check_once(document)
    check_form(layout, document.root.value)
    return document.root.value


def with_hooks(layout: Layout, text: str) -> tuple[str, Made]:
    """The same text for settings that hold our hooks already, as they should be. Raises ConfigError."""
    if not text.strip():
        all_events: dict[str, Any] = {}
        for event, group in layout.entries():
            all_events.setdefault(event, []).append(group)
        return settings_edit.rendered({**layout.root, HOOKS: all_events}, "  ") + "\n", ()
    settings = read(layout, text)
    if is_as_wanted(layout, settings):
        return text, ()
    options = own_options(layout, settings)
    text = without_hooks(layout, text, ())
    made: list[Path] = []
    for key, value in layout.root.items():
        if key not in parse(text).root.value:
            text = settings_edit.insert(text, (), value, key)
            made.append((key,))
    for event, group in layout.entries(options):
        events = parse(text).root.value.get(HOOKS)
        if events is None:
            text = settings_edit.insert(text, (), {event: [group]}, HOOKS)
            made += [(HOOKS,), (HOOKS, event)]
        elif event not in events:
            text = settings_edit.insert(text, (HOOKS,), [group], event)
            made.append((HOOKS, event))
        else:
            text = settings_edit.insert(text, (HOOKS, event), group)
    return text, tuple(made)


def without_hooks(layout: Layout, text: str, made: Made, before: bytes | None = None) -> str:
    """Without our hooks, and without what an installation made and nothing is in any more. Raises ConfigError.

    `before` is what was there when they were put in: brackets that held nothing then are given back as they were.
    """
    settings = read(layout, text)
    old = _text_of(before)
    for one in reversed(ours(layout, settings)):
        # From the back, so that the places of those before stay true; a group that is empty then goes as a whole.
        path = one.path
        current = parse(text).node(path[:-1])
        assert current is not None
        alone = layout.grouped and len(current.children) == 1
        text = _removed(text, path[:-2] if alone else path, old)
    for path in reversed(made):
        node = parse(text).node(path) if text.strip() else None
        if node is not None and (
            node.value in ([], {}) or (path[0] != HOOKS and node.value == layout.root[str(path[0])])
        ):
            text = _removed(text, path, old)
    return text


def _removed(text: str, path: Path, old: str | None) -> str:
    blank = None if old is None else settings_edit.inner_of(old, path[:-1])
    return settings_edit.remove(text, path, blank or "")


def emptied(layout: Layout, text: str, before: bytes | None) -> Made:
    """What holds nothing once our hooks are gone from `text`, and did not stand there empty `before` they came."""
    events = dict.fromkeys(one.event for one in ours(layout, read(layout, text)))
    old = _hooks_of(before)
    paths: list[Path] = [(HOOKS, event) for event in events if not (isinstance(old, dict) and old.get(event) == [])]
    return ((HOOKS,), *paths) if events and old != {} else tuple(paths)


def _hooks_of(data: bytes | None) -> Any:
    text = _text_of(data)
    settings = None if text is None else parse(text).root.value
    return settings.get(HOOKS) if isinstance(settings, dict) else None


def _text_of(data: bytes | None) -> str | None:
    """None where there was no file, or one that does not say anything any more."""
    try:
        text = (data or b"").decode("utf-8-sig")
        parse(text)
    except (ValueError, ConfigError):
        return None
    return text


def _check_once(document: Document) -> None:
    """A key given twice means the last one to a host: what is put into the first would not be there for it."""
    for path in ((), (HOOKS,)):
        node = document.node(path)
        for key in node.keys if node is not None else ():
            if node is not None and node.keys.count(key) > 1 and (path or key == HOOKS):
                place = node.children[node.keys.index(key)].start
                raise ConfigError(
                    f"`{'.'.join(map(str, (*path, key)))}` is given twice",
                    line=line_at(document.text, place),
                    hint="leave one of them",
                )
