"""How a call stands with those who may approve it, as far as every call is concerned: most ask nobody."""

from __future__ import annotations

from codespar_cli.core.light_typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from codespar_cli.plugins.policy.approvals.approval import Approval

State: TypeAlias = 'Literal["none", "waiting", "granted", "refused"]'


class Preview(NamedTuple):
    """What an approver is shown of the arguments: `hidden` values sound or look secret and are not in the text, or not
    whole; `complete` is False when it was cut short."""

    text: str
    hidden: int
    complete: bool


NO_ARGS = Preview("", 0, complete=True)


class Standing(NamedTuple):
    """`refused` says why in `reason`; `digest` is what a new request is bound to."""

    state: State
    digest: str = ""
    approval: Approval | None = None
    reason: str = ""


UNASKED = Standing("none")
