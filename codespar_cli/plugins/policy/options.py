"""The keys that `[policy]` understands in plugins.toml, backend by backend."""

from collections.abc import Iterator, Mapping
from typing import Any

from codespar_cli.core.options import (
    FLAG,
    REFERENCE,
    STORE,
    TEXT,
    Check,
    Path,
    Problem,
    choice,
    either,
    listing,
    mapping,
    simple,
    table,
)


def _is_webhook(value: Any) -> bool:
    """`https`, or to this machine `http`, without a password in it, which messages could not hide."""
    from urllib.parse import urlsplit

    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        sound = parts.port != 0 and bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        return False
    return sound and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _is_program(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.replace("_", "a").replace("-", "a").isalnum()


_NOTIFY_KEYS = table(
    {
        "command": simple("a name of letters, digits and `_-`: a program in codespar/notifiers", _is_program),
        "webhook": simple("`https://HOST/…` or `http://localhost…`", _is_webhook, shown=False),
        "secret": REFERENCE,
    }
)


def NOTIFY(value: Any, path: Path) -> Iterator[Problem]:  # noqa: N802  a check, named as its fellows are
    """`[policy.notify]`: one way to tell people that a request for approval waits."""
    yield from _NOTIFY_KEYS(value, path)
    if isinstance(value, Mapping):
        if ("command" in value) == ("webhook" in value):
            yield Problem(path, "expected one of `command` and `webhook`")
        elif ("webhook" in value) != ("secret" in value):
            missing = "missing key `secret`: what the webhook is signed with" if "webhook" in value else None
            yield Problem(path, missing or "`secret` is for a `webhook`")


OPTIONS: dict[str, dict[str, Check]] = {
    "engine": {
        "rules": TEXT,
        "mode": choice("enforce", "observe"),
        "store": STORE,
        "durability": choice("full", "normal"),
        "record_args": FLAG,
        "tenants": mapping(table({"rules": TEXT}, required=("rules",))),
        "notify": NOTIFY,
    },
}

_POLICIES = either(TEXT, listing(TEXT), expected="a file or a list of files")
_FOREIGN: dict[str, dict[str, Check]] = {
    "cedar": {"rules": TEXT, "policies": _POLICIES, "entities": TEXT, "schema": TEXT},
    "rego": {"rules": TEXT, "policies": _POLICIES, "data": TEXT, "package": TEXT},
}
OPTIONS |= {name: {**OPTIONS["engine"], **own, "tenants": mapping(table(own))} for name, own in _FOREIGN.items()}
