"""How the inbox is, for whoever looks over everything: `doctor` and `plugins status`."""

from __future__ import annotations

from typing import NamedTuple

from codespar_cli.cli.session import Session
from codespar_cli.cli.webhook_choice import inbox_address
from codespar_cli.core.hooks import Health
from codespar_cli.errors import CodesparError


class InboxHealth(NamedTuple):
    """`fix` is a command, or None when there is nothing to mend."""

    health: Health
    fix: str | None = None


def inbox_health(session: Session) -> InboxHealth | None:
    """None where nothing was ever received. Makes nothing, and writes nothing."""
    try:
        address = inbox_address(session)
        try:
            if not address.exists:
                return None
            from codespar_cli.webhooks.inbox.delivery import Filter

            dead = len(address.store.deliveries(Filter(status="dead")))
            newest = next(iter(address.store.deliveries(Filter(last=1))), None)
        finally:
            address.close()
    except CodesparError as error:
        return InboxHealth(Health("error", str(error)), error.hint or "codespar webhook list --last 1")
    if dead:
        letters = f"{dead} dead letter{'' if dead == 1 else 's'}"
        return InboxHealth(Health("warning", letters), "codespar webhook list --status dead")
    return InboxHealth(Health("ok", "no dead letters" if newest else "empty"))
