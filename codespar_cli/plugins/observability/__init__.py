"""Observability: what did the calls take, cost and break?

Two functions work without a store and are public: `detect` finds anomalies in a plain series, `check_call` looks at one
call beside the catalogue of tools. They are imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codespar_cli.core.options import COUNT, DURATION, SIZE, STORE, Check, choice
from codespar_cli.plugins.observability.costs.options import BUDGETS, PRICES
from codespar_cli.plugins.observability.exporters.options import ENDPOINT

if TYPE_CHECKING:
    from codespar_cli.plugins.observability.anomalies.detect import DETECT_THRESHOLD, detect
    from codespar_cli.plugins.observability.checks.call import check_call

__all__ = ["DETECT_THRESHOLD", "OPTIONS", "check_call", "detect"]

OPTIONS: dict[str, dict[str, Check]] = {
    "observer": {
        "store": STORE,
        "durability": choice("commit", "batch"),
        "retention": DURATION,
        "max_rows": COUNT,
        "max_size": SIZE,
        "otlp_endpoint": ENDPOINT,
        "prices": PRICES,
        "budgets": BUDGETS,
    },
}
_HOMES = {
    "detect": "codespar_cli.plugins.observability.anomalies.detect",
    "DETECT_THRESHOLD": "codespar_cli.plugins.observability.anomalies.detect",
    "check_call": "codespar_cli.plugins.observability.checks.call",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
