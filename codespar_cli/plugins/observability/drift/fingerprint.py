"""SHA-256 of a tool's definition: of all that came over the wire, of what it means, of each field, of the whole set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from codespar_cli.plugins.observability.drift.canonical import canonical
from codespar_cli.plugins.observability.drift.notation import meaning_of


class Fingerprint(NamedTuple):
    """Hex digests. `meaning` stays when only the notation changes; `fields` has unknown keys, too."""

    whole: str
    meaning: str
    fields: Mapping[str, str]


def fingerprint(tool: Mapping[str, Any]) -> Fingerprint:
    """Of one tool object. Raises ValueError as `canonical` does."""
    texts = {field: meaning_of(field, value) for field, value in tool.items()}
    # What is not said, and what is said and means nothing, are one meaning.
    said = {field: text for field, text in texts.items() if not (field == "annotations" and text == "{}")}
    meaning = "\n".join(f"{canonical(field)}:{said[field]}" for field in sorted(said))
    fields = {field: digest(canonical(tool[field])) for field in sorted(tool)}
    return Fingerprint(digest(canonical(tool)), digest(meaning), fields)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def set_digest(tools: Iterable[tuple[str, str]]) -> str:
    """Of a server's tools, as pairs of name and digest: their order in the list says nothing."""
    return digest("".join(f"{canonical(name)}:{whole}\n" for name, whole in sorted(tools)))
