"""Is an agent going in circles? Looked at call by call, with nothing but the calls: no catalogue, no model.

Told once when a threshold is reached, and again whenever it has doubled. All memory is bounded.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

from codespar_cli.core.administration.tool_checks import CheckName, CheckResult, CheckSeverity, ObservedCall
from codespar_cli.core.canonical_json import canonical_encoder
from codespar_cli.plugins.observability.checks.call_reading import NoArguments, parsed, read_call
from codespar_cli.plugins.observability.checks.json_values import plain
from codespar_cli.plugins.observability.checks.loops import Loops
from codespar_cli.plugins.observability.checks.similarity import Features, alike, features

WARN_AT, ERROR_AT = 3, 5
SIMILAR_AT = 5
POLLING_PATIENCE = 4
"""How many times as often a tool that is made for asking again may be asked."""
REMEMBERED_FAILURES = 256
MAX_STREAMS = 1000
_POLLING = re.compile(
    r"(?:^|[^a-z])(?:status|poll|polling|wait|sleep|watch|progress|health|ping|heartbeat|tail|monitor)(?:$|[^a-z])"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_TRANSIENT = re.compile(
    r"time(?:d )?-?out|rate.?limit|too many requests|\b(?:429|502|503|504)\b|unavailable|temporar|connection|"
    r"try again|throttl|overloaded",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"[0-9a-fA-F]{8,}|[0-9]+|0x[0-9a-fA-F]+")
_LONGEST_ERROR = 500
_LONGEST_NAME = 256


class _Failure(NamedTuple):
    error: str
    times: int


class CallSequence:
    """The calls of one agent in one session, in their order. Not safe to share between threads."""

    def __init__(self) -> None:
        self._loops = Loops()
        self._tool = ""
        self._features: Features | None = None
        self._result: str | None = None
        self._alike = 1
        self._differing = False
        self._failures: OrderedDict[bytes, _Failure] = OrderedDict()
        self._encode = canonical_encoder()

    def observe(self, call: Any, error: str | None = None, *, result: str | None = None) -> list[CheckResult]:
        """What this call adds to those before it. Never raises for a call.

        Args:
            call: as `check_call` takes it.
            error: what it failed with, if it did and the call does not say so itself.
            result: a digest or the text of the answer, if known. Calls that are answered differently are no loop.
        """
        read = read_call(call)
        name = read.name if isinstance(read.name, str) else ""
        try:
            arguments = plain(parsed(read.arguments)).value
        except NoArguments:
            arguments = read.arguments
        return self.observe_digest(
            name,
            self._digest(name, arguments),
            error or read.error,
            result=result or read.result,
            features=features(name, arguments),
        )

    def observe_digest(
        self,
        tool: str,
        digest: bytes,
        error: str | None = None,
        *,
        result: str | None = None,
        features: Features | None = None,
    ) -> list[CheckResult]:
        """The same for a call whose arguments are known by a digest only. Without features, likeness is not looked at."""
        patience = POLLING_PATIENCE if _is_polling(tool) else 1
        key = blake2b(repr((tool, result)).encode("utf-8", "surrogatepass") + b"\0" + digest, digest_size=16).digest()
        found = [*self._repeats(tool, key, patience), *self._likeness(tool, features, result, patience)]
        return [*found, *self._failing(tool, digest, error)]

    def _digest(self, tool: str, arguments: Any) -> bytes:
        try:
            text = self._encode(arguments)
        except (ValueError, TypeError, RecursionError):
            text = repr(arguments)[:100_000]
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _repeats(self, tool: str, key: bytes, patience: int) -> list[CheckResult]:
        found = []
        for period, times in self._loops.observe(key):
            severity = _severity(times, WARN_AT * patience, ERROR_AT * patience)
            if severity is not None:
                check: CheckName = "repeat_identical" if period == 1 else "cycle"
                got = f"the same call {times} times" if period == 1 else f"{period} calls over and over, {times} times"
                found.append(_result(check, severity, tool, "a call that differs from the last ones", got))
        return found

    def _likeness(self, tool: str, now: Features | None, result: str | None, patience: int) -> list[CheckResult]:
        before, self._features = self._features, now
        answered, self._result = self._result, result
        if now is None or before is None or tool != self._tool or result != answered or not alike(now, before):
            self._tool, self._alike, self._differing = tool, 1, False
            return []
        self._alike += 1
        self._differing = self._differing or now != before or not self._loops.repeats
        # Calls that are the same to the letter are told as such, and not twice.
        if not self._differing or _severity(self._alike, SIMILAR_AT * patience, SIMILAR_AT * patience) is None:
            return []
        return [
            _result(
                "repeat_similar",
                "warn",
                tool,
                "arguments that differ from the last ones",
                f"nearly the same call {self._alike} times",
            )
        ]

    def _failing(self, tool: str, digest: bytes, error: str | None) -> list[CheckResult]:
        key = blake2b(tool.encode("utf-8", "surrogatepass") + b"\0" + digest, digest_size=16).digest()
        before = self._failures.pop(key, None)
        if error is None:
            return []
        words = _VARIABLE.sub("#", error[:_LONGEST_ERROR])
        times = before.times + 1 if before is not None and before.error == words else 1
        self._failures[key] = _Failure(words, times)
        if len(self._failures) > REMEMBERED_FAILURES:
            self._failures.popitem(last=False)
        later = 1 if _TRANSIENT.search(error[:_LONGEST_ERROR]) else 0  # worth another try, not any number of them
        severity = _severity(times, 2 + later, 3 + 2 * later)
        if severity is None:
            return []
        got = f"the same call failed the same way {times} times"
        return [_result("repeat_after_same_error", severity, tool, "another call, or the cause mended", got)]


class CallStreams:
    """A `CallSequence` for every agent and session; of more than 1,000, those that called last are kept."""

    def __init__(self, make: Callable[[], CallSequence] = CallSequence) -> None:
        self._make = make
        self._sequences: OrderedDict[tuple[str, str | None], CallSequence] = OrderedDict()

    def observe(self, call: ObservedCall) -> list[CheckResult]:
        key = (call.agent[:_LONGEST_NAME], call.session[:_LONGEST_NAME] if call.session else None)
        sequence = self._sequences.pop(key, None) or self._make()
        self._sequences[key] = sequence
        if len(self._sequences) > MAX_STREAMS:
            self._sequences.popitem(last=False)
        return sequence.observe(call)


def _severity(times: int, warn_at: int, error_at: int) -> CheckSeverity | None:
    """None where nothing new is to be said."""
    if times == warn_at and warn_at < error_at:
        return "warn"
    turns, rest = divmod(times, error_at)
    return "error" if turns and rest == 0 and turns & (turns - 1) == 0 else None


def _is_polling(tool: str) -> bool:
    return _POLLING.search(_CAMEL.sub("_", tool[-_LONGEST_NAME:]).lower()) is not None


def _result(check: CheckName, severity: CheckSeverity, tool: str, expected: str, got: str) -> CheckResult:
    return CheckResult(check, severity, tool, "", expected, got, (), got)
