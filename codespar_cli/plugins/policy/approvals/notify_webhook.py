"""A notifier that posts to a webhook, signed as the Standard Webhooks specification says (standardwebhooks.com).

No redirect is followed, nothing of the answer is read but its status, and no message names more of the address than its
host: the path of a webhook is often its password.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from codespar_cli.errors import CodesparError
from codespar_cli.net.standard_webhooks import headers, key_of, sign
from codespar_cli.plugins.policy.approvals.approval import Approval
from codespar_cli.plugins.policy.approvals.notice import Undelivered, announcement

ATTEMPT_S = 3.0
PAUSES_S = (0.0, 0.5, 2.0)
"""How long to wait before each attempt."""
_AGAIN = frozenset({408, 425, 429})


class _Failed(Exception):
    """One attempt. `again` says that another may do."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


class Webhook:
    """`secret` is asked for at each delivery, so that a rotated one is used at once."""

    def __init__(
        self,
        url: str,
        secret: Callable[[], str | None],
        *,
        now: Callable[[], float] = time.time,
        pauses_s: tuple[float, ...] = PAUSES_S,
        attempt_s: float = ATTEMPT_S,
    ) -> None:
        self._url = url
        self.host = urlsplit(url).hostname or ""
        self._secret = secret
        self._now = now
        self._pauses_s = pauses_s
        self._attempt_s = attempt_s

    def problem(self) -> str | None:
        """Nothing that could be told without opening a vault or a connection."""
        return None

    def deliver(self, approval: Approval) -> None:
        """Post it, a few times if need be. Raises Undelivered."""
        secret = self._usable_secret()
        body = json.dumps(announcement(approval), separators=(",", ":")).encode()
        failure = "was never tried"
        for pause in self._pauses_s:
            threading.Event().wait(pause)
            try:
                self._post(approval.token, body, secret)
            except _Failed as error:
                failure = str(error)
                if not error.again:
                    break
            else:
                return
        raise Undelivered(f"the webhook at {self.host} {failure}")

    def _usable_secret(self) -> str:
        try:
            secret = self._secret()
        except CodesparError as error:
            raise Undelivered(f"the webhook's secret cannot be had: {error.message}") from None
        if not secret:
            raise Undelivered("the webhook's secret is not set")
        try:
            key_of(secret)
        except ValueError as error:
            raise Undelivered(f"the webhook's secret cannot be used: {error}") from None
        return secret

    def _post(self, id: str, body: bytes, secret: str) -> None:
        from codespar_cli.net.exchange import Refused, Target, Unanswered, exchange

        timestamp = int(self._now())  # of this attempt: receivers refuse old ones
        try:
            answer = exchange(
                Target.of(self._url),
                headers={
                    "content-type": "application/json",
                    "user-agent": "codespar",
                    **headers(secret, id, timestamp, body),
                },
                body=body,
                limit_s=self._attempt_s,
                allow_private=True,  # whose address it is, the file's reader decides: a notifier in the house is usual
            )
        except Unanswered as error:
            raise _Failed(str(error), again=True) from None
        except (Refused, ValueError) as error:
            raise _Failed(f"is not asked: {error}", again=False) from None
        if not 200 <= answer.status < 300:
            raise _Failed(f"answered {answer.status}", again=answer.status >= 500 or answer.status in _AGAIN)


__all__ = ["Webhook", "key_of", "sign"]
