"""Who may ask at a door: programs of this machine that have the token, and nothing that a browser was made to send.

    peer    from loopback; from elsewhere only for a name that the operator gave, and then TLS stands in front
    Host    `localhost`, a loopback address, or one of those names: a page whose name was bound anew to 127.0.0.1 says its own
    Origin  none: only browsers send it (RFC 6454; Fetch standard, "Origin header")
    token   `Authorization: Bearer …`, one, compared in constant time

A proxy or a tunnel on this machine makes every request come from loopback. Against that there is the token alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from codespar_cli.server.bearer import CHALLENGE, Bearer
from codespar_cli.server.requests import Refused, Request

# RFC 9110, 7.2: uri-host [":" port]. Whole: of `[::1]x` or `localhost:1@x` another reader takes another part for the host.
_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]*)?")


class Admission:
    """`names` are the hosts under which the doors may be reached, beside loopback."""

    def __init__(self, bearer: Bearer, names: Iterable[str] = ()) -> None:
        self._bearer = bearer
        self._names = frozenset(name.lower().rstrip(".") for name in names)

    def check(self, request: Request) -> None:
        """Raises Refused: 403 for where it comes from, 401 for its token."""
        host = _host_of(request)
        if host is None:
            raise Refused(403, "expected one `Host`: a name or address, and a port or none", told="forbidden")
        if host not in self._names:
            if not is_loopback(request.client):
                raise Refused(403, "expected a sender on this machine", told="forbidden")
            if host != "localhost" and not is_loopback(host):
                raise Refused(403, "`Host` is no name of this server: add it to `hosts` in [serve]", told="forbidden")
        if request.values(b"origin"):
            raise Refused(403, "a browser sent it: there is an `Origin`", told="forbidden")
        if not self._bearer.admits(request):
            raise Refused(401, "no valid token", told="unauthorized", headers=CHALLENGE)


@lru_cache(maxsize=256)
def is_loopback(address: str) -> bool:
    """Whether this is an address of this machine alone; a name is none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped.is_loopback
    return found.is_loopback


def _host_of(request: Request) -> str | None:
    """The name or address of the one `Host` header, without its port and brackets; None where it is anything else."""
    given = request.values(b"host")
    found = _HOST.fullmatch(given[0].decode("latin-1").strip(" \t").lower()) if len(given) == 1 else None
    if found is None:
        return None
    return found["address"] or found["name"].rstrip(".") or None
