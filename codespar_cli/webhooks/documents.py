"""One file of payloads as its single documents: one JSON document, an array of them, or one a line (NDJSON).

Each comes with exactly the text it was written as, because a signature is over bytes. A broken one costs itself, never
its neighbours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

_SPACE = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
_REST_OF_LINE = re.compile(r"[^\n]*")
_NEXT_LINE = re.compile(r"\n(?=[\[{])")
_DECODER = json.JSONDecoder()

# Each failure of the decoder costs a pass over the text before it, for a line number nobody reads here. A file with
# more broken documents than this is no file of payloads: what follows is one more broken document.
MAX_BROKEN = 1000


class Document(NamedTuple):
    """`place` says where in the file: nothing for a file that is one document, `[2]` or `:3` otherwise."""

    text: str
    place: str = ""


def documents(text: str) -> Iterator[Document]:
    """The documents in a text that is not empty and starts with none of the white space JSON allows."""
    if text.startswith("["):
        yield from _elements(text)
        return
    found = _sequence(text)
    first, second = next(found, None), next(found, None)
    if first is not None and second is None:
        yield Document(first[0])
        return
    number, counted = 1, 0
    for document, start in chain(filter(None, (first, second)), found):
        number += text.count("\n", counted, start)
        counted = start
        yield Document(document, f":{number}")


def _sequence(text: str) -> Iterator[tuple[str, int]]:
    """Documents one after the other. After a broken one, the next line that opens one is a new start."""
    start, broken = 0, 0
    while start < len(text):
        end = _end_of_value(text, start)
        if end is None:
            broken += 1
            again = _NEXT_LINE.search(text, start) if broken <= MAX_BROKEN else None
            end = again.start() if again else len(text)
        else:
            # Anything but a line's end after a document is a mistake, and belongs to the document it spoils.
            rest = _REST_OF_LINE.match(text, end)
            if rest and rest[0].strip() and not rest[0].lstrip().startswith(("{", "[")):
                end = rest.end()
        yield text[start:end].rstrip(), start
        start = _after_space(text, end)


def _elements(text: str) -> Iterator[Document]:
    """The elements of the array that the text is. What is not an array in the end is one broken document."""
    at, index, broken = _after_space(text, 1), 0, 0
    while at < len(text) and text[at] != "]":
        end = _end_of_value(text, at)
        if end is None:
            broken += 1
            end = _end_of_brackets(text, at) if broken <= MAX_BROKEN else None
        after = len(text) if end is None else _after_space(text, end)
        if end is None or (after < len(text) and text[after] not in ",]"):
            yield Document(text[at:], f"[{index}]")
            return
        yield Document(text[at:end], f"[{index}]")
        index += 1
        at = _after_space(text, after + 1) if text[after : after + 1] == "," else after
        if at > after and text[at : at + 1] == "]":  # nothing after the last comma
            at = after
            break
    # What spoils the array is one document more that cannot be read by itself either, whatever it holds: it begins
    # with the bracket or the comma in front of it, or is the opening bracket that nothing closes.
    rest = text[at:].rstrip() or "["
    if rest != "]":
        yield Document(rest, f"[{index}]")


def _end_of_value(text: str, start: int) -> int | None:
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def _end_of_brackets(text: str, start: int) -> int | None:
    """Where the brackets opened here are closed again, for a value that does not parse."""
    depth = 0
    for token in _STRUCTURE.finditer(text, start):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
            if depth == 0:
                return token.end()
            if depth < 0:
                return None
    return None


def _after_space(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    return match.end() if match else start
