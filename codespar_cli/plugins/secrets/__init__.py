"""Secrets: the credential a call needs, for one tenant."""

from codespar_cli.core.options import DURATION, TEXT, Check

OPTIONS: dict[str, dict[str, Check]] = {
    "none": {},
    "vault": {
        "master_key": TEXT,
        "grace": DURATION,
    },
}
