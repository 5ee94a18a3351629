"""The names that OpenTelemetry's conventions give to what is exported, pinned to one version.

Sources: open-telemetry/semantic-conventions-genai v0.1.0 (execute_tool span, `gen_ai.execute_tool.duration`,
`gen_ai.client.token.usage`) and, for MCP, `mcp.method.name`. All of it is in development there: a newer version is a
change of this file, and of docs/exporters.md. What the conventions have no name for begins with `codespar.`.
"""

from __future__ import annotations

from typing import Final

SEMCONV_GENAI: Final = "0.1.0"

OPERATION_NAME: Final = "gen_ai.operation.name"
EXECUTE_TOOL: Final = "execute_tool"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
FUNCTION: Final = "function"
AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105  a name
PROVIDER_NAME: Final = "gen_ai.provider.name"
ERROR_TYPE: Final = "error.type"
OTHER: Final = "_OTHER"
"""An error without a type, a provider that nobody named."""
MCP_METHOD: Final = "mcp.method.name"
TOOLS_CALL: Final = "tools/call"

AGENT_ID: Final = "codespar.agent.id"
COST_USD: Final = "codespar.cost.usd"
COST_SOURCE: Final = "codespar.cost.source"
TENANT: Final = "codespar.tenant"
PROJECT: Final = "codespar.project"
DECISION_ID: Final = "codespar.decision.id"
MCP_SERVER: Final = "codespar.mcp.server"
RESULT_BYTES: Final = "codespar.result.size"

DURATION: Final = "gen_ai.execute_tool.duration"
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105  a name
COST: Final = "codespar.tool.cost"
DURATION_BOUNDS: Final = tuple(0.01 * 2**power for power in range(14))
"""Seconds: 0.01 to 81.92."""
TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(14))
