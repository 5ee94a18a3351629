"""Observability: what did the calls take, cost and break?"""

from codespar_cli.core.options import COUNT, DURATION, Check, choice

OPTIONS: dict[str, dict[str, Check]] = {
    "observer": {
        "store": choice("sqlite"),
        "durability": choice("commit", "batch"),
        "retention": DURATION,
        "max_rows": COUNT,
    },
}
