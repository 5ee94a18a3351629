"""What every integration hook must do, as tests to inherit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codespar_cli.core.headers import Headers
from codespar_cli.core.hooks import SEVERITIES, IntegrationEvent
from codespar_cli.core.text import clean_line
from codespar_cli.testing.hostile import VALUES, mutations

Sample = tuple[Any, Mapping[str, str]]


class IntegrationContract:
    """Inherit, override `make` to return a fresh hook, and `samples` to return a few deliveries that it takes."""

    def make(self, tmp_path: Path) -> Any:
        raise TypeError("override make(self, tmp_path) to return a fresh hook")

    def samples(self) -> list[Sample]:
        """Parsed bodies with their headers, each of which becomes an event."""
        return []

    def test_it_says_who_it_is(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        assert isinstance(hook.id, str)
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]*", hook.id), "an id is lower case: it names a table of plugins.toml"
        assert isinstance(hook.name, str)
        assert hook.name

    def test_what_is_not_its_own_is_none(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for payload in ({}, {"somebody": {"else": "entirely"}}, *(value for value in VALUES if value != {})):
            assert _handled(hook, payload, {}) is None

    def test_nothing_from_outside_makes_it_raise(self, tmp_path: Path) -> None:
        """Every sample with every one of its values replaced by something of a wrong type, or left out."""
        hook = self.make(tmp_path)
        for payload, headers in self.samples():
            for event in _all_handled(hook, [*mutations(payload), *VALUES], headers):
                _check(event, hook)

    def test_a_sample_becomes_an_event(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for payload, headers in self.samples():
            event = _handled(hook, payload, headers)
            assert event is not None, f"nothing came of a sample with the headers {dict(headers)}"
            _check(event, hook)

    def test_the_case_of_headers_does_not_count(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for payload, headers in self.samples():
            expected = _handled(hook, payload, Headers(headers))
            for change in (str.lower, str.upper):
                assert (
                    _handled(hook, payload, Headers({change(name): text for name, text in headers.items()})) == expected
                )

    def test_a_payload_is_left_as_it_was(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        for payload, headers in self.samples():
            before = repr(payload)
            _handled(hook, payload, headers)
            assert repr(payload) == before

    def test_only_a_right_signature_verifies(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        verify = getattr(hook, "verify_signature", None)
        if verify is None:
            return
        signatures = (
            "",
            "sha256=",
            "sha256=" + "0" * 64,
            "0" * 64,
            "v1=" + "0" * 64,
            "ünïcödé",
            "\ud800",
            "x" * 10_000,
        )
        for signature in signatures:
            for secret in ("secret", "", "   ", [], ["", "secret"], "sécret", "\ud800"):
                assert verify(b"{}", signature, secret) is False

    def test_a_parsed_body_cannot_be_verified(self, tmp_path: Path) -> None:
        verify = getattr(self.make(tmp_path), "verify_signature", None)
        if verify is None:
            return
        try:
            answer = verify({"a": 1}, "sha256=" + "0" * 64, "secret")
        except TypeError:
            return
        raise AssertionError(f"a dict has lost the bytes that were signed: expected TypeError, found {answer!r}")

    def test_what_it_signs_it_verifies(self, tmp_path: Path) -> None:
        hook = self.make(tmp_path)
        if not (callable(getattr(hook, "sign", None)) and callable(getattr(hook, "verify_signature", None))):
            return
        body = b'{"a": "\xff\xfe not even text"}'
        signature = hook.sign(body, "secret")
        assert hook.verify_signature(body, signature, "secret") is True
        assert hook.verify_signature(body, signature, ["other", "secret"]) is True
        assert hook.verify_signature(body + b"\n", signature, "secret") is False
        assert hook.verify_signature(body, signature, "Secret") is False


def _handled(hook: Any, payload: Any, headers: Mapping[str, str]) -> Any:
    return asyncio.run(hook.handle_webhook(payload, headers))


def _all_handled(hook: Any, payloads: list[Any], headers: Mapping[str, str]) -> list[Any]:
    async def each() -> list[Any]:
        return [await hook.handle_webhook(payload, headers) for payload in payloads]

    return asyncio.run(each())


def _check(event: Any, hook: Any) -> None:
    if event is None:
        return
    assert isinstance(event, IntegrationEvent), f"expected an IntegrationEvent, found {type(event).__name__}"
    assert event.source == hook.id
    assert event.severity in SEVERITIES
    assert event.event_type
    assert event.title, "a title is never empty"
    assert len(event.title) <= 300
    assert clean_line(event.title) == event.title, "a title is one line without control or bidi characters"
    assert event.url is None or event.url.startswith(("https://", "http://"))
    assert event.occurred_at is None or event.occurred_at.tzinfo is not None
