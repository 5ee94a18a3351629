"""Why a signature fails: what is wrong is found by doing it, until the signature holds.

Every way of getting a body, a secret or the header's spelling wrong is tried, alone and with one another; the way that
needs the fewest mistakes is the answer. What is told was proved by a match, but for the last resort, which says so.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from codespar_cli.core.administration.webhooks import Signing, Wire
from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import IntegrationHook
from codespar_cli.core.text import visible
from codespar_cli.errors import CodesparError
from codespar_cli.webhooks.authenticity import refusal, secrets_for, staleness, wire_of
from codespar_cli.webhooks.finding import Finding
from codespar_cli.webhooks.payload import Payload
from codespar_cli.webhooks.signature_reading import SIZES, Given, digests
from codespar_cli.webhooks.signed_variants import Body, Key, bodies, keys

_LARGE = 64 << 10
_AT_ONCE = 3
"""Mistakes that are looked for together, in a body that is not large; more than that explains anything."""


class Diagnosis(NamedTuple):
    """`genuine` is what the receiver would say. Findings of a genuine delivery are remarks."""

    source: str
    provider: str | None
    genuine: bool
    findings: tuple[Finding, ...] = ()


class Doctor:
    """Fetches secrets when a payload needs them, each provider's once."""

    def __init__(self, integrations: Mapping[str, IntegrationHook], now: datetime, tenant: str | None = None) -> None:
        """`tenant` is whose secrets count for payloads that do not say to whom they were sent."""
        self._integrations = integrations
        self._tenant = tenant
        self._now = now
        self._secrets: dict[tuple[str, str | None], tuple[str, ...]] = {}

    def examine(self, payload: Payload, provider: str | None) -> Diagnosis:
        """`provider` is who sent it, as far as anybody knows. Raises CodesparError only for its own secrets."""
        name = provider
        if name is None or name not in self._integrations:
            return Diagnosis(payload.source, name, False, (_stranger(name, self._integrations),))
        hook = self._integrations[name]
        if payload.raw is None:
            found: tuple[Finding, ...] = (_no_bytes(payload),)
            return Diagnosis(payload.source, name, False, found)
        own = self._secrets_of(name, payload.tenant)
        refused = refusal(hook, name, payload.raw, payload.headers, own)
        if refused is None:
            stale = staleness(hook, payload.value, payload.headers, payload.received_at or self._now)
            if stale is not None:
                return Diagnosis(payload.source, name, False, (_clock(stale.words),))
            return Diagnosis(payload.source, name, True, _remarks(payload.headers, wire_of(hook)))
        if refused.cause in {"not_signed", "no_secret"}:
            table = self._table(name, payload.tenant)
            return Diagnosis(payload.source, name, False, (_unable(refused.cause, refused.words, table),))
        signing = isinstance(hook, Signing) and callable(hook.sign)
        if refused.cause == "header_missing" and payload.verified is not None and not signing:
            return Diagnosis(payload.source, name, payload.verified, (_not_kept(wire_of(hook), payload.verified),))
        others = list(self._others(name, payload.tenant))
        if signing:
            findings = _search(payload.raw, payload.headers, wire_of(hook), own, others)
        else:
            findings = _token(payload.headers, wire_of(hook), own, others)
        return Diagnosis(payload.source, name, False, findings)

    def _table(self, name: str, tenant: str | None) -> str:
        """Where in plugins.toml the secrets of this provider stand, for whoever it was sent to."""
        whose = tenant or self._tenant
        own = whose is not None and whose in getattr(self._integrations[name], "tenants", ())
        return f"integrations.tenants.{visible(whose or '')}.{name}" if own else f"integrations.{name}"

    def _secrets_of(self, name: str, tenant: str | None) -> tuple[str, ...]:
        return self._fetched(name, tenant or self._tenant)

    def _fetched(self, name: str, whose: str | None) -> tuple[str, ...]:
        """None is for whom the file names."""
        if (name, whose) not in self._secrets:
            self._secrets[name, whose] = secrets_for(self._integrations[name], whose)
        return self._secrets[name, whose]

    def _others(self, name: str, tenant: str | None) -> Iterator[tuple[str, str]]:
        """Every other secret that is configured, with whose it is. One that cannot be had is passed over."""
        for other, hook in self._integrations.items():
            for whose in (None, *sorted(getattr(hook, "tenants", ()))):
                words = f"`{visible(other)}`" + (f" of the tenant `{visible(whose)}`" if whose else "")
                try:
                    yield from ((words, secret) for secret in self._fetched(other, whose))
                except CodesparError:
                    continue


def _search(
    raw: bytes, headers: Headers, wire: Wire, own: Sequence[str], others: Sequence[tuple[str, str]]
) -> tuple[Finding, ...]:
    given = list(digests(headers, wire))
    at_once = _AT_ONCE if len(raw) <= _LARGE else 1
    best: tuple[Finding, ...] | None = None
    secrets = list(keys(own, others))
    for body in bodies(raw):
        for key in secrets:
            if len(body.findings) + len(key.findings) > at_once:
                continue
            for found in _matches(body, key, given):
                if best is None or len(found) < len(best):
                    best = found
    # With a known mistake in its spelling alone the connector would have taken it.
    return best or _last_resort(headers, wire, given)


def _matches(body: Body, key: Key, given: Sequence[Given]) -> Iterator[tuple[Finding, ...]]:
    made: dict[int, bytes] = {}
    for each in given:
        size = len(each.digest)
        if size not in made:
            made[size] = hmac.digest(key.secret.encode("utf-8", "replace"), body.raw, SIZES[size])
        if hmac.compare_digest(made[size], each.digest):
            weak = () if size == 32 else (_algorithm(SIZES[size]),)
            yield (*key.findings, *body.findings, *each.findings, *weak)


def _token(headers: Headers, wire: Wire, own: Sequence[str], others: Sequence[tuple[str, str]]) -> tuple[Finding, ...]:
    """For a provider that sends a shared token and signs nothing."""
    right = (wire.signature_header or "").lower()
    best: tuple[Finding, ...] | None = None
    for name, value in headers.items():
        bare = value.removeprefix("Bearer ")
        odd: tuple[Finding, ...] = () if name == right else (_token_elsewhere(name, wire),)
        if bare != value:
            odd += (Finding("wrong_prefix", "`Bearer ` stands before the token", "send the token alone"),)
        for key in keys(own, others):
            if key.secret and hmac.compare_digest(key.secret.encode(), bare.encode("utf-8", "replace")):
                found = (*key.findings, *odd)
                best = found if best is None or len(found) < len(best) else best
    if best:
        return best
    if right not in headers:
        return (_no_header(wire),)
    words = f"the token in {wire.signature_header} is none of the secrets that are configured"
    return (Finding("unknown_secret", words, "compare it with what the provider's page has under custom headers"),)


# ── what is said ──


def _last_resort(headers: Headers, wire: Wire, given: Sequence[Given]) -> tuple[Finding, ...]:
    header = wire.signature_header or ""
    if header not in headers:
        return (_no_header(wire),)
    if not given:
        shape = f"`{wire.signature_prefix}` and 64 hex digits" if wire.signature_prefix else "64 hex digits"
        words = f"{header} holds {len(headers[header])} characters that are no signature, expected {shape}"
        return (Finding("malformed_signature", words, "copy the header again, whole"),)
    return (
        Finding(
            "unknown_secret",
            "no secret that is configured signed these bytes, in any way that was tried: another secret, or another body",
            "copy the secret from the provider's page again: codespar secrets set KEY",
        ),
    )


def _remarks(headers: Headers, wire: Wire) -> tuple[Finding, ...]:
    right = (wire.signature_header or "").lower()
    only = Headers({right: headers[right]}) if right in headers else Headers()
    return tuple(finding for given in digests(only, wire) for finding in given.findings if finding.cause == "hex_case")[
        :1
    ]


def _no_header(wire: Wire) -> Finding:
    return Finding(
        "header_missing",
        f"the header {wire.signature_header} is missing, and no other holds the signature",
        f"set a secret on the provider's page, or give it: --header '{wire.signature_header}: VALUE'",
    )


def _not_kept(wire: Wire, verified: bool) -> Finding:
    """Of a delivery in the inbox: a header that is the secret itself is not stored with it."""
    if verified:
        words = (
            f"the token in {wire.signature_header} was good on receipt; it is not kept, and cannot be looked at again"
        )
        return Finding("token_not_kept", words, f"to check a token: --header '{wire.signature_header}: VALUE'")
    words = f"it came while nothing was verified, and {wire.signature_header} is not kept"
    return Finding("not_verified", words, "codespar serve, without --insecure-no-verify, and have it sent again")


def _token_elsewhere(name: str, wire: Wire) -> Finding:
    words = f"the token is in the header {visible(name[:60])}, expected {wire.signature_header}"
    return Finding("wrong_header", words, f'name it in plugins.toml: header = "{visible(name[:60])}"')


def _algorithm(name: str) -> Finding:
    words = f"it was signed with {name.upper()}, expected SHA256"
    return Finding("wrong_algorithm", words, "send the provider's SHA-256 signature; no other is accepted")


def _clock(words: str) -> Finding:
    fix = "timedatectl status; a delivery that was kept is not refused for its age by codespar webhook replay --verify"
    return Finding("clock", f"the signature is good, but {words}", fix)


def _unable(cause: str, words: str, table: str) -> Finding:
    """`table` is where in plugins.toml the secret would stand."""
    if cause == "no_secret":
        words = f"no secret is configured: `[{table}] secret`"
    fixes = {"no_secret": f'add secret = "secret:KEY" to [{table}], then codespar secrets set KEY'}
    return Finding(cause, words, fixes.get(cause, "codespar plugins info NAME"))


def _no_bytes(payload: Payload) -> Finding:
    if payload.error is not None:
        return Finding(payload.trouble or "unreadable", visible(payload.error), "give a file with a body or a record")
    return Finding(
        "body_parsed",
        "the record keeps the body as parsed JSON: the bytes that were signed are gone",
        "record the raw body as text in `body`, or as base64 in `body_b64`",
    )


def _stranger(name: str | None, integrations: Mapping[str, IntegrationHook]) -> Finding:
    known = ", ".join(f"`{visible(each)}`" for each in integrations) or "none"
    if name is None:
        return Finding("unknown_provider", f"nothing says who sent it, active: {known}", "--provider NAME")
    words = f"`{visible(name[:60])}` is not an active integration, active: {known}"
    return Finding("unknown_provider", words, "codespar plugins enable integrations NAME")
