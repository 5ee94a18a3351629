"""Integrations: what outside services say, as one plain event. One file per provider."""

from typing import Any

from codespar_cli.core.options import REFERENCE, Check, choice, either, listing, mapping, simple
from codespar_cli.core.sizes import EXPECTED as A_SIZE
from codespar_cli.core.sizes import parse_size


def _is_size(value: Any) -> bool:
    try:
        return isinstance(value, str) and parse_size(value) > 0
    except ValueError:
        return False


_COMMON: dict[str, Check] = {
    "secret": either(
        REFERENCE, listing(REFERENCE), expected="`secret:KEY`, `env:NAME`, `file:PATH` or a list of them", shown=False
    ),
    "severity": mapping(choice("critical", "error", "warning", "info")),
    "max_body": simple(A_SIZE, _is_size),
    "token": REFERENCE,
}

OPTIONS: dict[str, dict[str, Check]] = {
    "github": _COMMON,
    "sentry": _COMMON,
}
