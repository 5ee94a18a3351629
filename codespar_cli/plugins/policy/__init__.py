"""Policy: may this agent make this call now?"""

from codespar_cli.core.options import FLAG, TEXT, Check, choice, mapping, table

OPTIONS: dict[str, dict[str, Check]] = {
    "engine": {
        "rules": TEXT,
        "mode": choice("enforce", "observe"),
        "store": choice("sqlite"),
        "durability": choice("full", "normal"),
        "record_args": FLAG,
        "tenants": mapping(table({"rules": TEXT}, required=("rules",))),
    },
}
