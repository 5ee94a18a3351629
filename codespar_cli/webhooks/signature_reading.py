"""A signature header as somebody may have meant it: which digests it could hold, and what is odd about each spelling."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import NamedTuple

from codespar_cli.core.administration.webhooks import Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.text import visible
from codespar_cli.webhooks.finding import Finding

_PREFIX = re.compile(r"(?:(?:sha|SHA|hmac-sha)-?(?:1|256|512)|v[0-9]|[Bb]earer|signature)[=:, ]", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")
_MOST = 20
SIZES = {20: "sha1", 32: "sha256", 64: "sha512"}
"""Bytes of a digest, by what makes it."""


class Given(NamedTuple):
    """A digest that a header may hold, and what is wrong when it is the one."""

    digest: bytes
    findings: tuple[Finding, ...] = ()


def digests(headers: Headers, wire: Wire) -> Iterator[Given]:
    """Those of the right header first, then those of every other."""
    right = (wire.signature_header or "").lower()
    for name in sorted(headers, key=lambda name: name != right):
        elsewhere = () if name == right else (_wrong_header(name, wire),)
        for given in _in(headers[name], wire.signature_prefix):
            yield given._replace(findings=(*elsewhere, *given.findings))


def _wrong_header(name: str, wire: Wire) -> Finding:
    return Finding(
        "wrong_header",
        f"the signature is in the header {visible(name[:60])}, expected {wire.signature_header}",
        f"send it as {wire.signature_header}; a proxy or an exporter may have renamed it",
    )


def _in(value: str, prefix: str) -> Iterator[Given]:
    parts = value.split(",", _MOST)[:_MOST]
    twice: tuple[Finding, ...] = ()
    if len(parts) > 1 and prefix != "v1=":  # a scheme with versions is a list by design
        words = "the header holds several values, joined with commas"
        twice = (Finding("several_signatures", words, "send the header once, with one signature"),)
    for part in parts:
        for token, odd in _tokens(part if len(parts) == 1 else part.strip(), prefix):
            yield from (given._replace(findings=(*twice, *odd, *given.findings)) for given in _decoded(token))


def _tokens(part: str, prefix: str) -> Iterator[tuple[str, tuple[Finding, ...]]]:
    """The digits, without whatever stands in front of them."""
    bare = part.strip()
    odd: tuple[Finding, ...] = ()
    if bare != part:
        odd = (Finding("signature_whitespace", "the signature has white space around it", "send it without"),)
    if prefix and bare.startswith(prefix):
        yield bare[len(prefix) :], odd
        return
    found = _PREFIX.match(bare)
    if found is None:
        missing = Finding("missing_prefix", f"the signature lacks its prefix `{prefix}`", f"send `{prefix}` before it")
        yield bare, (*odd, missing) if prefix else odd
    else:
        expected = f"`{prefix}`" if prefix else "none"
        words = f"the signature has the prefix `{visible(found[0])}`, expected {expected}"
        fix = f"send it with {expected} before the digits" if prefix else "send the digits alone"
        yield bare[found.end() :].strip(), (*odd, Finding("wrong_prefix", words, fix))


def _decoded(token: str) -> Iterator[Given]:
    if _HEX.fullmatch(token) and len(token) // 2 in SIZES:
        digest = bytes.fromhex(token)
        fix = "send lower case, as the provider does; here both are taken"
        upper = Finding("hex_case", "its hex digits are upper case", fix)
        yield Given(digest, () if token == token.lower() else (upper,))
    try:
        digest = base64.b64decode(token.replace("-", "+").replace("_", "/") + "=" * (-len(token) % 4), validate=True)
    except (binascii.Error, ValueError):
        return
    if len(digest) in SIZES:
        words = "the signature is spelled in base64, expected hex digits"
        yield Given(digest, (Finding("base64", words, "send the digest in lower-case hex"),))
