"""Payloads of a replay to another address: the original bytes, signed anew where a secret is given."""

from __future__ import annotations

from collections.abc import Mapping

from codespar_cli.core.clock import Clock
from codespar_cli.core.hooks import IntegrationHook
from codespar_cli.net.addresses import LookUp, Refused, look_up
from codespar_cli.net.exchange import Target, Unanswered, exchange
from codespar_cli.webhooks.outcome import Outcome
from codespar_cli.webhooks.outgoing import Message, kept_for_target, resigned
from codespar_cli.webhooks.payload import Payload

LIMIT_S = 30.0
"""Longer than any provider waits."""


class Resend:
    """A deed of a replay. Every request looks the target's name up again; no redirect is followed."""

    def __init__(
        self,
        target: Target,
        integrations: Mapping[str, IntegrationHook],
        *,
        clock: Clock,
        secret: str | None = None,
        allow_private: bool = False,
        look: LookUp = look_up,
    ) -> None:
        self._target = target
        self._integrations = integrations
        self._clock = clock
        self._secret = secret
        self._allow_private = allow_private
        self._look = look

    def __repr__(self) -> str:
        return f"<Resend {self._target.host}>"

    def __call__(self, payload: Payload, outcome: Outcome) -> Outcome:
        """What the target answered, or why it was not asked."""
        if payload.raw is None:
            return _failed(outcome, "no bytes to send: the record keeps the body as parsed JSON")
        hook = self._integrations.get(outcome.provider or "")
        message = Message(payload.raw, {"content-type": "application/json", **kept_for_target(hook, payload.headers)})
        if self._secret is not None:
            try:
                message = resigned(hook, message, self._secret, self._clock(), outcome.delivery_id)
            except ValueError as error:
                return _failed(outcome, f"cannot be signed: {error}")
        try:
            status = post(self._target, message, allow_private=self._allow_private, look=self._look)
        except Unanswered as error:
            return _failed(outcome, f"the target {error}")
        except Refused as error:  # its name led elsewhere when it was looked at before
            return _failed(outcome, f"the target is refused: {error}")
        if 200 <= status < 300:
            return outcome._replace(answered=status)
        return outcome._replace(answered=status, error=f"the target answered {status}")


def post(target: Target, message: Message, *, allow_private: bool, look: LookUp = look_up) -> int:
    """The status of the answer. Raises Refused, Unanswered."""
    answer = exchange(
        target, headers=message.headers, body=message.raw, limit_s=LIMIT_S, allow_private=allow_private, look=look
    )
    return answer.status


def _failed(outcome: Outcome, error: str) -> Outcome:
    return outcome._replace(status="failed", error=error)


__all__ = ["Refused", "Resend", "Target", "post"]
