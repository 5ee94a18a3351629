"""What plugins.toml may say about exporting."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from codespar_cli.core.options import simple


def _is_endpoint(value: Any) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return (
            parts is not None
            and parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and not parts.query
            and not parts.fragment
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False


# A URL may hold a password: what is found is never repeated.
ENDPOINT = simple("an http or https URL such as http://127.0.0.1:4318", _is_endpoint, shown=False)
