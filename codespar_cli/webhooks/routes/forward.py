"""A route that forwards: one POST, signed as Standard Webhooks says, to an address that is vetted at each attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from ipaddress import ip_address

from codespar_cli.core.clock import Clock
from codespar_cli.errors import CodesparError, ConfigError
from codespar_cli.net.addresses import LookUp, Refused, is_loopback, look_up, objection
from codespar_cli.net.exchange import Answer, Target, Unanswered, exchange
from codespar_cli.net.standard_webhooks import headers as signed_headers
from codespar_cli.webhooks.routes.back_off import retry_after
from codespar_cli.webhooks.routes.deed import Failed, on_own_thread
from codespar_cli.webhooks.routes.event_document import EventDocument
from codespar_cli.webhooks.routes.route import Route


class Forward:
    """2xx is success, 410 Gone gives up, anything else is tried again ("Delivery success and failure" of the
    specification). `secret` is asked for at each attempt, so that a rotated one is used at once."""

    def __init__(self, route: Route, secret: Callable[[], str] | None, *, clock: Clock, look: LookUp = look_up) -> None:
        """Raises ConfigError: an address that is never reached."""
        self._target = Target.of(route.target)
        self._secret = secret
        self._clock = clock
        self._look = look
        self._limit_s = route.timeout.total_seconds()
        self._allow_private = route.allow_private
        self._name = route.name
        _check_literal(self._target.host, route)

    async def do(self, document: EventDocument) -> None:
        """Raises Failed."""
        answer = await on_own_thread(lambda: self._posted(document), name="codespar-forward")
        if 200 <= answer.status < 300:
            return
        raise Failed(
            f"{self._target.host} answered {answer.status}",
            final=answer.status == HTTPStatus.GONE,
            after=retry_after(answer.headers.get("retry-after"), self._clock()),
        )

    def _posted(self, document: EventDocument) -> Answer:
        """Raises Failed."""
        body = document.body
        headers = {
            "content-type": "application/json",
            "user-agent": "codespar",
            **self._signed(document.id, body),
        }
        try:
            return exchange(
                self._target,
                headers=headers,
                body=body,
                limit_s=self._limit_s,
                allow_private=self._allow_private,
                look=self._looked_up,
            )
        except Refused as error:
            hint = "" if self._allow_private else ", which `allow_private` would have to let pass"
            raise Failed(f"not sent: {error}{hint}") from None
        except Unanswered as error:
            raise Failed(f"{self._target.host} {error}") from None

    def _looked_up(self, host: str, port: int) -> Sequence[str]:
        addresses = self._look(host, port)
        if not self._target.secure and not all(is_loopback(address) for address in addresses):
            raise Refused(f"`{host}` is not on this machine, and http is for that only")
        return addresses

    def _signed(self, id: str, body: bytes) -> dict[str, str]:
        """Raises Failed."""
        timestamp = int(self._clock().timestamp())  # of this attempt: receivers refuse old ones
        if self._secret is None:
            return {"webhook-id": id, "webhook-timestamp": str(timestamp)}
        try:
            return signed_headers(self._secret(), id, timestamp, body)
        except CodesparError as error:
            raise Failed(f"the secret cannot be had: {error.message}") from None
        except ValueError as error:
            raise Failed(f"the secret cannot be used: {error}") from None


def _check_literal(host: str, route: Route) -> None:
    """Raises ConfigError for an address that no attempt would be allowed to reach."""
    try:
        why = objection(str(ip_address(host)), allow_private=route.allow_private)
    except ValueError:
        return  # a name: what it means is seen at each attempt
    if why is not None:
        raise ConfigError(
            f"the route `{route.name}` forwards to {why}",
            key="routes.forward",
            hint=None if "link-local" in why else "allow_private = true, in your own configuration",
        )
