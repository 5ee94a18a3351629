"""What may stand in plugins.toml, key by key: the first problem is told, with the path to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from codespar_cli.core import webhook_options
from codespar_cli.core.options import (
    SCALAR,
    TEXT,
    Check,
    Problem,
    describe,
    either,
    listing,
    mapping,
    simple,
    table,
    unknown_key,
)
from codespar_cli.core.text import nearest

SINGLE_KINDS = ("policy", "observability", "secrets")
KINDS = (*SINGLE_KINDS, "integrations")
NONE = "none"
KnownOptions: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Check]]]
"""kind -> built-in backend -> the keys it understands."""
InstalledNames: TypeAlias = Callable[[str], Collection[str]]
"""kind -> names of installed entry points; asked only for a name that is not built in."""

_ATTRIBUTE = either(SCALAR, listing(SCALAR), expected="a string, a number, true/false or a list of them")
_TOP: dict[str, Check] = {
    "version": simple("1, the only version there is", lambda value: type(value) is int and value == 1),
    "tenant": TEXT,
    "state_dir": TEXT,
    "agents": mapping(mapping(_ATTRIBUTE)),
    "serve": webhook_options.SERVE,
}


def problems_in(document: Mapping[str, Any], known: KnownOptions, installed: InstalledNames, *, users_own: bool) -> Any:
    """Every problem of a whole document, in its order."""
    for key, value in document.items():
        if key in _TOP:
            yield from _TOP[key](value, (key,))
        elif key in SINGLE_KINDS:
            yield from _single_problems(key, value, known[key], installed)
        elif key == "integrations":
            yield from _integration_problems(value, known[key], installed)
        elif key == "routes":
            yield from webhook_options.routes(value, (key,), users_own=users_own)
        else:
            yield unknown_key((key,), dict.fromkeys((*_TOP, *KINDS, "routes")))


def _single_problems(
    kind: str, section: Any, known: Mapping[str, Mapping[str, Check]], installed: InstalledNames
) -> Any:
    if not isinstance(section, Mapping):
        yield Problem((kind,), f"expected a table, found {describe(section)}")
        return
    name = section.get("backend")
    if name is None:
        yield Problem((kind,), "missing key `backend`", f'backend = "{NONE}" switches it off')
        return
    if name != NONE and not (isinstance(name, str) and name in known):
        yield from _name_problem((kind, "backend"), kind, name, tuple(dict.fromkeys((NONE, *known))), installed)
    keys = known.get(name) if isinstance(name, str) else None
    if name == NONE:
        # What is switched off keeps its options, so that it can be switched on again.
        keys = {key: check for backend in known.values() for key, check in backend.items()}
    if keys is not None:
        yield from table({"backend": TEXT, **keys})(section, (kind,))


def _integration_problems(section: Any, known: Mapping[str, Mapping[str, Check]], installed: InstalledNames) -> Any:
    kind = "integrations"
    if not isinstance(section, Mapping):
        yield Problem((kind,), f"expected a table, found {describe(section)}")
        return
    active = section.get("active")
    if not isinstance(active, list):
        found = "missing key `active`" if active is None else f"expected a list, found {describe(active)}"
        yield Problem((kind, "active") if active is not None else (kind,), found, 'active = ["github"]')
        return
    for index, name in enumerate(active):
        path = (kind, "active", index)
        if not (isinstance(name, str) and name in known):
            yield from _name_problem(path, kind, name, tuple(known), installed)
        elif name in active[:index]:
            yield Problem(path, f"`{name}` is given twice")
    for name, options in section.items():
        if name == "active":
            continue
        if name in webhook_options.INBOX:
            yield from webhook_options.INBOX[name](options, (kind, name))
        elif name == webhook_options.TENANTS:
            yield from webhook_options.tenants(options, (kind, name), known)
        elif name in known:
            yield from table(known[name])(options, (kind, name))
        elif name not in active:
            yield unknown_key(
                (kind, name), dict.fromkeys(("active", webhook_options.TENANTS, *webhook_options.INBOX, *known))
            )
        elif not isinstance(options, Mapping):
            yield Problem((kind, name), f"expected a table, found {describe(options)}")


def _name_problem(
    path: tuple[str | int, ...], kind: str, name: Any, builtin: tuple[str, ...], installed: InstalledNames
) -> Any:
    if not isinstance(name, str):
        yield Problem(path, f"expected the name of a backend, found {describe(name)}")
        return
    others = sorted(installed(kind))
    if name in others:
        return
    expected = ", ".join(f"`{known}`" for known in (*builtin, *others))
    close = nearest(name, (*builtin, *others))
    meant = f"did you mean `{close}`? " if close else ""
    yield Problem(
        path, f"unknown backend {describe(name)}, expected one of {expected}", f"{meant}codespar plugins list"
    )
