"""Recorded calls as OTLP spans: `ExportTraceServiceRequest` of opentelemetry-proto, trace/v1.

A span ends when the call was recorded and began its latency before. Each is the root of a trace of its own, since a row
does not know the trace that it was part of; `gen_ai.conversation.id` joins those of one session.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.exporters import genai
from codespar_cli.plugins.observability.exporters.protobuf import data, double, fixed64, text, whole
from codespar_cli.plugins.observability.money import MICROS

_INTERNAL = 1
_ERROR = 2
_LATEST_NS = 2**64 - 1


def spans_request(rows: Iterable[StoredRow], resource: bytes, scope: bytes) -> bytes:
    """`resource` and `scope` as `resource_message` and `scope_message` make them."""
    spans = b"".join(data(2, _span(row)) for row in rows)
    return data(1, data(1, resource) + data(2, data(1, scope) + spans))


def resource_message(attributes: Mapping[str, str]) -> bytes:
    return b"".join(text_attribute(1, name, value) for name, value in attributes.items())


def scope_message(name: str, version: str, attributes: Mapping[str, str]) -> bytes:
    given = b"".join(text_attribute(3, key, value) for key, value in attributes.items())
    return text(1, name) + text(2, version) + given


def text_attribute(number: int, name: str, value: str) -> bytes:
    return data(number, text(1, name) + data(2, text(1, value)))


def _whole_attribute(number: int, name: str, value: int) -> bytes:
    return data(number, text(1, name) + data(2, whole(3, value)))


def _double_attribute(number: int, name: str, value: float) -> bytes:
    return data(number, text(1, name) + data(2, double(4, value)))


def _span(row: StoredRow) -> bytes:
    ids = os.urandom(24)
    time, tool, latency_ms, success = row[0], row[5], row[6], row[7]
    end = min(max(time * 1000, 0), _LATEST_NS)
    start = max(end - round(latency_ms * 1_000_000), 0)
    parts = [
        data(1, ids[:16]),
        data(2, ids[16:]),
        text(5, f"{genai.EXECUTE_TOOL} {tool}"),
        whole(6, _INTERNAL),
        fixed64(7, start),
        fixed64(8, end),
        _attributes(row),
    ]
    if not success:
        # No message: it may hold what the tool was called with.
        parts.append(data(15, whole(3, _ERROR)))
    return b"".join(parts)


def _attributes(row: StoredRow) -> bytes:
    _, tenant, project, session, agent, tool, _, success, error_type, cost, cost_source, given, got, decision, *rest = (
        row
    )
    server, _, _, result_bytes = rest
    words = {
        genai.OPERATION_NAME: genai.EXECUTE_TOOL,
        genai.TOOL_NAME: tool,
        genai.TOOL_TYPE: genai.FUNCTION,
        genai.AGENT_NAME: agent,
        genai.AGENT_ID: agent,
        genai.TENANT: tenant,
        genai.PROJECT: project,
        genai.CONVERSATION_ID: session,
        genai.DECISION_ID: decision,
        genai.COST_SOURCE: cost_source,
        genai.ERROR_TYPE: None if success else error_type or genai.OTHER,
        genai.MCP_METHOD: genai.TOOLS_CALL if server else None,
        genai.MCP_SERVER: server,
    }
    numbers = {genai.INPUT_TOKENS: given, genai.OUTPUT_TOKENS: got, genai.RESULT_BYTES: result_bytes}
    parts = [text_attribute(9, name, value) for name, value in words.items() if value is not None]
    parts += [_whole_attribute(9, name, value) for name, value in numbers.items() if value is not None]
    if cost is not None:
        parts.append(_double_attribute(9, genai.COST_USD, cost / MICROS))
    return b"".join(parts)
