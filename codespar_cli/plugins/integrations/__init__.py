"""Integrations: what outside services say, as one plain event. One file per provider."""

import re
from typing import Any

from codespar_cli.core.options import DURATION, REFERENCE, TEXT, Check, choice, either, listing, mapping, simple
from codespar_cli.core.sizes import EXPECTED as A_SIZE
from codespar_cli.core.sizes import parse_size

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, section 5.6.2


def _is_size(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_size(value) > 0
    except ValueError:
        return False


def _is_header(value: Any) -> bool:
    return isinstance(value, str) and _HEADER_NAME.fullmatch(value) is not None


_COMMON: dict[str, Check] = {
    "secret": either(
        REFERENCE, listing(REFERENCE), expected="`secret:KEY`, `env:NAME`, `file:PATH` or a list of them", shown=False
    ),
    "severity": mapping(choice("critical", "error", "warning", "info")),
    "max_body": simple(A_SIZE, _is_size, hint='max_body = "25MiB"'),
    "token": REFERENCE,
    "api": TEXT,
}
_HEADER = simple("the name of a header", _is_header)

DATADOG_SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)
"""docs.datadoghq.com, "Getting Started with Datadog Sites" and, for the last, the API's "Validate API key"."""

OPTIONS: dict[str, dict[str, Check]] = {
    "github": _COMMON,
    "sentry": _COMMON,
    "linear": {**_COMMON, "skew": DURATION},
    "jira": {**_COMMON, "email": TEXT},
    "datadog": {**_COMMON, "header": _HEADER, "site": choice(*DATADOG_SITES)},
    "pagerduty": _COMMON,
}
