"""What a call is told when the engine could not decide: the code of the refusal, and its reason."""

from __future__ import annotations

from codespar_cli.core.sound_decision import POLICY_ERROR, STORE_UNREACHABLE
from codespar_cli.errors import CodesparError, StoreUnreachable
from codespar_cli.plugins.policy.decision.judge import JudgeError


def told_of(error: Exception) -> tuple[str, str]:
    if isinstance(error, StoreUnreachable):
        return STORE_UNREACHABLE, f"the policy's store cannot be reached: {error}"
    if isinstance(error, JudgeError):
        return POLICY_ERROR, f"the policy could not be evaluated: {error}"
    if isinstance(error, CodesparError):
        return POLICY_ERROR, f"the policy's store cannot be used: {error}"
    # The class alone: a message may hold what the call was about.
    return POLICY_ERROR, f"the policy engine failed: {type(error).__name__}"
