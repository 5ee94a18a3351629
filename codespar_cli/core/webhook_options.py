"""What plugins.toml may say about receiving webhooks: `[[routes]]`, `[serve]`, and the keys of `[integrations]` that are
not a provider's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from codespar_cli.core.durations import parse_duration
from codespar_cli.core.hooks import SEVERITIES
from codespar_cli.core.options import (
    DURATION,
    FLAG,
    REFERENCE,
    STORE,
    TEXT,
    Check,
    Path,
    Problem,
    choice,
    describe,
    either,
    listing,
    mapping,
    simple,
    table,
)
from codespar_cli.core.text import visible


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 <= value < 65_536


def _is_name(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= 64
        and all(char.isascii() and (char.isalnum() or char in "._-") for char in value)
    )


def _is_host(value: Any) -> bool:
    """A name or an address as it stands in a `Host` header, without brackets and port."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= 253
        and all(char.isascii() and (char.isalnum() or char in ".-:_") for char in value)
    )


def _is_url(value: Any) -> bool:
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        return (
            parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        return False


def _is_command(value: Any) -> bool:
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(part, str) and "\0" not in part for part in value)
        and value[0] != ""
    )


def _retention(value: Any, path: Path) -> Iterator[Problem]:
    problems = list(DURATION(value, path))
    yield from problems
    if not problems and parse_duration(value) < LEAST_RETENTION:
        yield Problem(
            path,
            f"expected at least `{LEAST_RETENTION.days}d`, found {describe(value)}",
            "a delivery that is forgotten is taken for a new one when it is sent again",
        )


TENANTS = "tenants"
LEAST_RETENTION = timedelta(days=7)
"""How long every delivery is remembered: providers send again for days, and whoever captured one may at any time."""
INBOX: dict[str, Check] = {"store": STORE, "retention": _retention}
"""Keys of `[integrations]` beside `active`, `tenants` and the providers' tables."""


def _bounded(most: int) -> Check:
    return simple(f"a whole number from 1 to {most}", lambda value: type(value) is int and 0 < value <= most)


MOST_WORKERS = 4
SERVE: Check = table(
    {
        "host": TEXT,
        "port": simple("a port, 0 to 65535", _is_port),
        "workers": _bounded(MOST_WORKERS),
        "token": REFERENCE,
        "metrics_token": REFERENCE,
        "hosts": listing(simple("the name of a host, without a port", _is_host)),
    }
)


def _timeout(value: Any, path: Path) -> Iterator[Problem]:
    problems = list(DURATION(value, path))
    yield from problems
    if not problems and parse_duration(value) > _LONGEST:
        yield Problem(path, f"expected at most `1d`, found {describe(value)}")


def _plain_http(route: Mapping[str, Any], place: Path) -> Iterator[Problem]:
    """Nothing is encrypted on the way: only to where there is no way, on this machine."""
    url = route.get("forward")
    if not _is_url(url) or urlsplit(str(url)).scheme == "https":
        return
    if not _is_this_machine(urlsplit(str(url)).hostname or ""):
        yield Problem((*place, "forward"), "expected an https URL, found http to another machine", _HTTPS)
    elif route.get("allow_private") is not True:
        yield Problem(
            (*place, "forward"),
            "expected an https URL, found http to this machine without `allow_private`",
            "allow_private = true, in ~/.config/codespar/plugins.toml or a file named with --config",
        )


def _is_this_machine(host: str) -> bool:
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_LONGEST = timedelta(days=1)
_HTTPS = 'forward = "https://…", or run codespar where it listens: http is for this machine, with `allow_private`'
_DEEDS = ("forward", "run", "call")
_USERS_OWN = ("run", "allow_private")
_GLOBS = either(TEXT, listing(TEXT), expected="a glob or a list of globs")
_ROUTE = table(
    {
        "name": simple("a name of letters, digits and `._-`", _is_name),
        "when": table({"provider": _GLOBS, "event": _GLOBS, "tenant": _GLOBS, "severity": choice(*SEVERITIES)}),
        "forward": simple("an http or https URL", _is_url, shown=False),
        "run": simple("a list of strings, the program first", _is_command),
        "call": TEXT,
        "secret": REFERENCE,
        "allow_private": FLAG,
        "attempts": _bounded(100),
        "concurrency": _bounded(64),
        "timeout": _timeout,
    },
    required=("name",),
)


def routes(value: Any, path: Path, *, users_own: bool) -> Iterator[Problem]:
    """`[[routes]]`: what happens to an event. What runs a program or reaches a private network is the user's to say."""
    if not isinstance(value, list):
        yield Problem(path, f"expected `[[routes]]`, found {describe(value)}")
        return
    names: set[object] = set()
    for index, route in enumerate(value):
        place = (*path, index)
        yield from _ROUTE(route, place)
        if not isinstance(route, Mapping):
            continue
        deeds = [deed for deed in _DEEDS if deed in route]
        if len(deeds) != 1:
            found = " and ".join(f"`{deed}`" for deed in deeds) or "none"
            yield Problem(place, f"expected one of `forward`, `run` and `call`, found {found}")
        if deeds != ["forward"]:
            for key in ("secret", "allow_private"):
                if key in route:
                    yield Problem((*place, key), f"`{key}` is for a route that forwards")
        yield from _plain_http(route, place)
        if isinstance(name := route.get("name"), str) and name in names:
            yield Problem((*place, "name"), f"`{visible(name)}` is given twice")
        names.add(str(name))
        for key in _USERS_OWN:
            if not users_own and route.get(key):
                yield Problem(
                    (*place, key),
                    f"only the user's own configuration may say `{key}`, and this file was found in a project",
                    "move the route to ~/.config/codespar/plugins.toml, or name the file with --config",
                )


def tenants(value: Any, path: Path, providers: Mapping[str, Mapping[str, Check]]) -> Iterator[Problem]:
    """`[integrations.tenants.<tenant>.<provider>]`: the secrets of other tenants."""
    known = {
        name: table({key: checks[key] for key in ("secret",) if key in checks}) for name, checks in providers.items()
    }
    yield from mapping(table(known))(value, path)
