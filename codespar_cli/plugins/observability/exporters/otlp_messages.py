"""The bodies of one process's requests: who it is, its spans, its sums. For one thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import codespar_cli
from codespar_cli.plugins.observability.admission import StoredRow
from codespar_cli.plugins.observability.exporters import genai
from codespar_cli.plugins.observability.exporters.otlp_metrics import CallMetrics
from codespar_cli.plugins.observability.exporters.otlp_settings import now_ns, of_process
from codespar_cli.plugins.observability.exporters.otlp_spans import resource_message, scope_message, spans_request
from codespar_cli.plugins.observability.exporters.protobuf import fields_of


class Messages:
    def __init__(self, resource: Mapping[str, str], *, delta: bool) -> None:
        self._resource = resource_message({**of_process(), **resource})
        self._scope = scope_message(
            "codespar", codespar_cli.__version__, {"codespar.semconv.gen_ai": genai.SEMCONV_GENAI}
        )
        self.metrics = CallMetrics(now_ns(), delta=delta)

    def now(self) -> int:
        return now_ns()

    def spans_body(self, rows: Sequence[StoredRow]) -> bytes:
        return spans_request(rows, self._resource, self._scope)

    def metrics_body(self, now: int) -> bytes:
        return self.metrics.request(now, self._resource, self._scope)


def rejected(answer: bytes) -> int:
    """How many items the collector says it did not take; 0 for an answer that says nothing."""
    try:
        for number, partial in fields_of(answer):
            if number == 1 and isinstance(partial, bytes):
                for inner, count in fields_of(partial):
                    if inner == 1 and isinstance(count, int):
                        return count if 0 < count < 2**32 else 0
    except ValueError:
        pass
    return 0
