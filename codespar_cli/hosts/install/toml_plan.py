"""Codex's config.toml with our hooks and without them, as text. They are appended as tables of their own."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from codespar_cli.errors import ConfigError
from codespar_cli.hosts.install.entries import HOOKS, check_form, is_as_wanted, ours, own_options
from codespar_cli.hosts.install.layouts import Entries, Layout
from codespar_cli.hosts.install.toml_sections import Section, sections

_WHERE = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")
_REMARK = "# written by `codespar hosts install codex`\n"


def read(layout: Layout, text: str) -> Any:
    """What the settings say. Raises ConfigError with the line, and the column in the message."""
    try:
        settings = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(text, error) from None
    check_form(layout, settings)
    return settings


def holds_hooks(settings: dict[str, Any]) -> bool:
    """Whether hooks are written here: `hooks.state` alone, where Codex notes what a person trusts, is none."""
    return bool(set(settings.get(HOOKS, {})) - {"state"})


def with_hooks(layout: Layout, text: str) -> str:
    """The same text for settings that hold our hooks already, as they should be. Raises ConfigError."""
    settings = read(layout, text)
    if is_as_wanted(layout, settings):
        return text
    entries = layout.entries(own_options(layout, settings))
    text = without_hooks(layout, text)
    settings = tomllib.loads(text)
    changed = text + _appended(text, _block(entries))
    for event, group in entries:
        settings.setdefault(HOOKS, {}).setdefault(event, []).append(group)
    _check(changed, settings)
    return changed


def without_hooks(layout: Layout, text: str) -> str:
    """Without our hooks. Raises ConfigError where they are written in a form that cannot be taken out in place."""
    settings = read(layout, text)
    found = ours(layout, settings)
    if not found:
        return text
    gone = {one.path for one in found}
    for start, end in reversed(_spans(text, gone)):
        text = text[:start] + text[end:]
    for one in reversed(found):
        groups = settings[HOOKS][one.event]
        group = groups[one.path[2]]
        del group[HOOKS][int(one.path[-1])]
        if not group[HOOKS]:
            del groups[int(one.path[2])]
        if not groups:
            del settings[HOOKS][one.event]
    if not settings[HOOKS]:
        del settings[HOOKS]
    _check(text, settings)
    return text


def _spans(text: str, gone: set[tuple[str | int, ...]]) -> list[tuple[int, int]]:
    """What to cut: the tables of these hooks, and of the groups that hold no other."""
    spans, numbers, within = [], dict[str, int](), 0
    group: tuple[Section, list[tuple[Section, bool]]] | None = None
    for section in sections(text):
        if section.listed and len(section.names) == 2 and section.names[0] == HOOKS:
            spans += _cut(group)
            event = section.names[1]
            numbers[event] = numbers.get(event, -1) + 1
            within, group = 0, (section, [])
        elif group is not None and section.names == (*group[0].names, HOOKS):
            event = section.names[1]
            group[1].append((section, (HOOKS, event, numbers[event], HOOKS, within) in gone))
            within += 1
    spans += _cut(group)
    return [_with_remark(text, span) for span in _joined([_own_lines(text, span) for span in spans])]


def _cut(group: tuple[Section, list[tuple[Section, bool]]] | None) -> list[tuple[int, int]]:
    if group is None or not any(goes for _, goes in group[1]):
        return []
    cut = [(section.start, section.end) for section, goes in group[1] if goes]
    whole = all(goes for _, goes in group[1])
    return [(group[0].start, group[0].end), *cut] if whole else cut


def _own_lines(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """What others wrote below, comments and blank lines, stays."""
    body = text[span[0] : span[1]]
    last = max((match.end() for match in re.finditer(r"(?m)^[ \t]*[^\s#][^\n]*\n?", body)), default=len(body))
    return span[0], span[0] + last


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that touch are one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return joined


def _with_remark(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Our own line above goes with it, and the blank one above that.

    Of the line ends around, the last one stays in place of the one that was there before: so a text comes back that had
    none at its end, and what was added behind ours keeps its own.
    """
    start, end = span
    newline = _line_end(text[:start])
    remark = _REMARK.replace("\n", newline)
    if not text.endswith(newline + remark, 0, start):
        return span
    start -= len(newline + remark)
    if start == 0:
        return start, end
    before = _line_end(text[:start])
    if not before:  # somebody took the blank line out
        return start + len(newline), end
    return start - len(before), end - len(_line_end(text[:end]))


def _line_end(text: str) -> str:
    return "\r\n" if text.endswith("\r\n") else "\n" if text.endswith("\n") else ""


def _appended(text: str, block: str) -> str:
    """The block with the line ends of this text, and with none at its end where the text has none."""
    ended = _line_end(text)
    newline = ended or ("\r\n" if "\r\n" in text else "\n")
    if text and not ended:
        block = "\n" + block.removesuffix("\n")
    return block.replace("\n", newline)


def _block(entries: Entries) -> str:
    import tomli_w

    lines = []
    for event, group in entries:
        matcher = {key: value for key, value in group.items() if key != HOOKS}
        lines.append(f"\n{_REMARK}[[{HOOKS}.{event}]]\n{tomli_w.dumps(matcher)}")
        lines += [f"[[{HOOKS}.{event}.{HOOKS}]]\n{tomli_w.dumps(handler)}" for handler in group[HOOKS]]
    return "".join(lines)


def _check(changed: str, expected: dict[str, Any]) -> None:
    try:
        same = tomllib.loads(changed) == expected
    except tomllib.TOMLDecodeError:
        same = False
    if not same:
        raise ConfigError(
            f"`{HOOKS}` is written in a form that cannot be changed in place",
            key=HOOKS,
            hint="write each hook as [[hooks.EVENT]] and [[hooks.EVENT.hooks]], or move them to hooks.json beside it",
        )


def _wrong(text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    found = _WHERE.search(str(error))
    if found is None or found.group(1) is None:
        return ConfigError("not valid TOML", line=text.count("\n") + 1)
    return ConfigError(f"column {found.group(2)}: not valid TOML", line=int(found.group(1)))
