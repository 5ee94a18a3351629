"""What may have been signed in place of the bytes at hand, and with what in place of the secret at hand.

Each way is a mistake that people make with webhooks: a framework that parses and writes the JSON again, an editor that
ends a file with a newline, a secret pasted with white space around it. One that makes the signature hold is the cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, quote_plus

from codespar_cli.webhooks.finding import Finding

_BOM = b"\xef\xbb\xbf"
_LARGEST = 8 << 20
_SPACING: dict[str, Mapping[str, Any]] = {
    "compact": {"separators": (",", ":")},
    "with a space after commas and colons": {},
    "indented by 2": {"indent": 2},
    "indented by 4": {"indent": 4},
    "indented by tabs": {"indent": "\t"},
}
_KEEP_BYTES = "keep the body as it came: hand the raw bytes to the check, before anything parses or writes them"


class Body(NamedTuple):
    """Bytes that may have been signed, and what is wrong when it was them; nothing for those at hand."""

    raw: bytes
    findings: tuple[Finding, ...] = ()


class Key(NamedTuple):
    """A secret that may have signed, and what is wrong when it was that one; nothing for those that should."""

    secret: str
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        return f"<Key {', '.join(finding.cause for finding in self.findings)}>"


# ── bodies ──


def bodies(raw: bytes) -> Iterator[Body]:
    """The bytes at hand first, then what is like them, each once."""
    seen: set[bytes] = set()
    for body in _all(raw):
        if body.raw not in seen:
            seen.add(body.raw)
            yield body


def _all(raw: bytes) -> Iterator[Body]:
    yield Body(raw)
    yield from _ends(raw, ())
    for body in (*_marks(raw), *_lines(raw), *_forms(raw), *_written_again(raw)):
        yield body
        yield from _ends(body.raw, body.findings)


def _ends(raw: bytes, before: tuple[Finding, ...]) -> Iterator[Body]:
    added = Finding(
        "trailing_newline_added",
        "what was signed does not end with the newline that this body ends with",
        "an editor or `echo` has added it: save the body with `printf %s`, or without the last newline",
    )
    missing = Finding(
        "trailing_newline_missing",
        "what was signed ends with a newline that this body does not have",
        "something has trimmed the body: keep every byte as it came, the last newline too",
    )
    stripped = raw.rstrip(b"\r\n")
    for shorter in (raw.removesuffix(b"\n"), raw.removesuffix(b"\r\n"), stripped):
        if shorter != raw:
            yield Body(shorter, (*before, added))
    for end in (b"\n", b"\r\n"):
        yield Body(raw + end, (*before, missing))


def _marks(raw: bytes) -> Iterator[Body]:
    if raw.startswith(_BOM):
        words = "this body begins with a byte order mark that was not signed"
        yield Body(raw.removeprefix(_BOM), (Finding("bom", words, "save it as UTF-8 without a byte order mark"),))
    else:
        words = "what was signed begins with a byte order mark that this body does not have"
        yield Body(_BOM + raw, (Finding("bom", words, _KEEP_BYTES),))


def _lines(raw: bytes) -> Iterator[Body]:
    unix = raw.replace(b"\r\n", b"\n")
    for other, words in (
        (unix, "the line ends of this body are CRLF, those of what was signed are LF"),
        (unix.replace(b"\n", b"\r\n"), "the line ends of this body are LF, those of what was signed are CRLF"),
    ):
        if other != raw:
            fix = "something has changed the line ends: copy the file in binary, and keep git's autocrlf from it"
            yield Body(other, (Finding("line_ends", words, fix),))


def _forms(raw: bytes) -> Iterator[Body]:
    unwrapped = Finding(
        "form_unwrapped",
        "what was signed is the whole form, `payload=` and the encoded JSON; this is the JSON out of it",
        "check the signature over the raw body before the form is unwrapped, or have the provider send JSON",
    )
    if raw.startswith(b"payload="):
        try:
            inner = parse_qs(raw.decode(), strict_parsing=True)["payload"][0].encode()
        except (ValueError, KeyError):
            return
        words = "this is a form, what was signed is the JSON inside of it"
        yield Body(inner, (Finding("form_wrapped", words, "keep the body as it came, without wrapping it again"),))
        return
    for encode in (quote_plus, quote, lambda text: quote_plus(text, safe="*")):
        yield Body(b"payload=" + encode(raw).encode(), (unwrapped,))


def _written_again(raw: bytes) -> Iterator[Body]:
    """The same JSON as other writers spell it."""
    if len(raw) > _LARGEST:
        return
    try:
        value = json.loads(raw.removeprefix(_BOM))
    except (ValueError, RecursionError):
        return
    for (spacing, options), ordered, ascii_only in product(_SPACING.items(), (False, True), (False, True)):
        try:
            text = json.dumps(value, sort_keys=ordered, ensure_ascii=ascii_only, **options)
            forms = (text.encode(), text.replace("/", "\\/").encode())
        except (ValueError, RecursionError, TypeError):  # half a surrogate pair, or no end of nesting
            continue
        details = [spacing, *(["its keys sorted"] if ordered else []), *(["in ASCII only"] if ascii_only else [])]
        for form, more in zip(forms, ((), ("its slashes escaped",)), strict=True):
            words = f"the body was written again: what was signed is the same JSON {', '.join((*details, *more))}"
            yield Body(form, (Finding("body_rewritten", words, _KEEP_BYTES),))


# ── secrets ──


def keys(own: Iterable[str], others: Iterable[tuple[str, str]]) -> Iterator[Key]:
    """Those that should sign, with what white space makes of them; then others', each with a word for whose it is."""
    mine = list(own)
    yield from map(Key, mine)
    yield from (Key(shaped, (_WHITE,)) for secret in mine for shaped in _shapes(secret))
    for whose, secret in others:
        if secret not in mine:
            words = f"it was signed with another secret: that of {whose}"
            fix = "have the provider sign with this endpoint's own secret, or send it to that one's address"
            yield Key(secret, (Finding("other_secret", words, fix),))
    yield Key("", (Finding("empty_secret", "it was signed with an empty secret", "set the provider's secret again"),))


_WHITE = Finding(
    "secret_whitespace",
    "the secret here and the one that signed differ in white space or quotes around it",
    "set it again without them: printf %s VALUE | codespar secrets set KEY",
)


def _shapes(secret: str) -> Iterator[str]:
    bare = secret.strip().strip("\"'").strip()
    shapes = (secret.strip(), bare, f"{bare}\n", f"{bare}\r\n", f"{bare} ", f" {bare}", f'"{bare}"', f"'{bare}'")
    yield from (shape for shape in dict.fromkeys(shapes) if shape != secret and shape.strip())
