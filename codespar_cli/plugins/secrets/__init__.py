"""Secrets: the credential a call needs, for one tenant."""

import re
from collections.abc import Iterator
from typing import Any

from codespar_cli.core.globs import EXPECTED as A_GLOB
from codespar_cli.core.globs import is_glob
from codespar_cli.core.options import TEXT, Check, Path, Problem, duration, listing, mapping, simple, table
from codespar_cli.core.references import circular, is_reference

_GLOB = simple(A_GLOB, is_glob, hint='agents = ["billing-*"], tools = ["stripe/**"]')
_GRANTS = mapping(table({"agents": listing(_GLOB), "tools": listing(_GLOB)}))
_TIMEOUT = duration('timeout = "30s"')

_FOLDERS = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}){0,7}")
_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]"
_ADDRESS = re.compile(
    rf"https://(?:{_HOST})(?::[0-9]{{1,5}})?/?|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{{1,5}})?/?"
)


def OPENING(value: Any, path: Path) -> Iterator[Problem]:  # noqa: N802  a check, named as its fellows are
    """A credential that opens the store of secrets: `secret:KEY` would ask that very store."""
    if isinstance(value, str) and value.startswith("secret:"):
        yield Problem(path, circular(value), "use env:NAME or file:PATH here")
    elif not is_reference(value):
        yield from _NO_REFERENCE(value, path)


def MASTER_KEY(value: Any, path: Path) -> Iterator[Problem]:  # noqa: N802
    """Where a vault's master key is; the vault itself knows the forms."""
    if isinstance(value, str) and value.startswith("secret:"):
        yield Problem(path, circular(value), "use env:NAME, file:PATH or keyring:SERVICE/NAME here")
    else:
        yield from TEXT(value, path)


_NO_REFERENCE = simple("`env:NAME` or `file:PATH`", lambda value: False, shown=False)
_FOLDER = simple("names of letters, digits and `_.-` with `/` between", lambda value: _matches(_FOLDERS, value))


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


OPTIONS: dict[str, dict[str, Check]] = {
    "none": {},
    "vault": {
        "master_key": MASTER_KEY,
        "grace": duration('grace = "24h"'),
        "grants": _GRANTS,
    },
    "keyring": {
        "service": simple("letters, digits and `_.-`", lambda value: _matches(_FOLDERS, value) and "/" not in value),
        "timeout": _TIMEOUT,
    },
    "hashicorp": {
        # An address may be followed by what was meant for somebody else: it is not repeated.
        "address": simple(
            "`https://HOST:PORT`, or `http://` to this machine", lambda value: _matches(_ADDRESS, value), shown=False
        ),
        "namespace": _FOLDER,
        "mount": _FOLDER,
        "prefix": _FOLDER,
        "token": OPENING,
        "approle": table(
            {"role_id": OPENING, "secret_id": OPENING, "mount": _FOLDER}, required=("role_id", "secret_id")
        ),
        "ca": TEXT,
        "timeout": _TIMEOUT,
    },
}
