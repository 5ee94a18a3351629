"""The seam for foreign decision engines: they answer the deny, approval and allow stages, and nothing else.

Budgets, rates, windows and the machinery of approvals stay ours, whoever judges. A judge that raises denies: any error of
evaluation is `policy_error`, never a rule that was skipped.
"""

from __future__ import annotations

from codespar_cli.core.light_typing import NamedTuple, Protocol
from codespar_cli.plugins.policy.language.rules import Allow, Approve, Deny

TYPE_CHECKING = False
if TYPE_CHECKING:
    from codespar_cli.core.calls import CallContext


class Judgement(NamedTuple):
    """Rules of the foreign policy that spoke, in the order of their ids. `allow` is the one that allows, if any does."""

    denies: tuple[Deny, ...] = ()
    approvals: tuple[Approve, ...] = ()
    allow: Allow | None = None


class JudgeError(Exception):
    """The foreign policy could not be evaluated. The message is fit for a decision's reason."""


class Judge(Protocol):
    """Loaded and checked once, asked for every call. Must not keep anything of a call. `summary` is what `plugins status` says
    of it: `4 policies from policy.cedar`."""

    summary: str

    def judge(self, agent: str, names: tuple[str, ...], cost: str | None, context: CallContext, now: int) -> Judgement:
        """`names` are the tool's, the one that was called first; cost is plain decimal text, `now` microseconds since
        the epoch.

        Raises:
            JudgeError: anything at all went wrong.
        """
