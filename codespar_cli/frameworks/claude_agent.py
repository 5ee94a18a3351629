"""Claude Agent SDK: `ClaudeAgentOptions(hooks=codespar_hooks(gate))`.

Sources: `HookMatcher`, `PreToolUseHookInput`, `PostToolUseHookInput` and `PostToolUseFailureHookInput` of claude-agent-sdk
0.2.187. Hooks and not `can_use_tool`, which allow rules and permission modes go past. `on_failure="block"` closes what
these functions cannot: a time-out, or an answer that Claude Code does not take.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from codespar_cli.core.gate import Gate
from codespar_cli.core.guarded_call import GuardedCall
from codespar_cli.frameworks.passage import CostOf, NotRun, Passage, Refusal, ToolError, not_installed

try:
    from claude_agent_sdk import HookMatcher
except ImportError:
    raise not_installed("claude_agent", "claude-agent-sdk>=0.2.187") from None

_MOST_OPEN = 1024
_TIMEOUT_S = 10.0


def codespar_hooks(
    gate: Gate | None = None, *, agent: str | None = None, cost_of: CostOf | None = None, **fields: Any
) -> dict[Any, list[HookMatcher]]:
    """The hooks that put one gate before and after every tool.

    Without a gate it loads plugins.toml as the CLI does, which may raise ConfigError. `cost_of` reads the tool's response.
    """
    guard = _Guard(Passage(gate, agent=agent, cost_of=cost_of, **fields))
    return {
        "PreToolUse": [HookMatcher(hooks=[guard.before], timeout=_TIMEOUT_S, on_failure="block")],
        "PostToolUse": [HookMatcher(hooks=[guard.after], timeout=_TIMEOUT_S)],
        "PostToolUseFailure": [HookMatcher(hooks=[guard.after], timeout=_TIMEOUT_S)],
    }


class _Guard:
    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._open: OrderedDict[tuple[str, str], tuple[str, GuardedCall]] = OrderedDict()

    async def before(self, event: Any, tool_use_id: str | None, context: Any) -> Any:
        """Silence where the policy allows, so that Claude Code still asks what it would have asked."""
        try:
            tool, args, session = event["tool_name"], event["tool_input"], event["session_id"]
            if not (isinstance(tool, str) and isinstance(args, dict) and isinstance(session, str)):
                raise TypeError
            key = session, str(event["tool_use_id"])
        except (KeyError, TypeError):
            return _denied("codespar denied a call that does not say its tool, its arguments or whose it is.")
        call = await self._passage.aenter(tool, args, session=session)
        if isinstance(call, Refusal):
            return _denied(call.text)
        # Of a call that the person, or another hook, then refuses nothing more is heard.
        while len(self._open) >= _MOST_OPEN or key in self._open:
            name, old = self._open.pop(key) if key in self._open else self._open.popitem(last=False)[1]
            self._passage.leave(old, name, error=NotRun)
        self._open[key] = tool, call
        return {}

    async def after(self, event: Any, tool_use_id: str | None, context: Any) -> Any:
        try:
            known = self._open.pop((event["session_id"], event["tool_use_id"]), None)
        except (KeyError, TypeError):
            return {}
        if known is not None:
            tool, call = known
            failed = event.get("hook_event_name") == "PostToolUseFailure"
            self._passage.leave(call, tool, event.get("tool_response"), error=ToolError if failed else None)
        return {}


def _denied(reason: str) -> dict[str, Any]:
    answer = {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}
    return {"hookSpecificOutput": answer}
