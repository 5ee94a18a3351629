"""Which addresses a request may go to: a name in a file must not reach what only this machine or its network can.

A name is looked up once and the connection goes to the address that was looked at, so that a second answer of the name
server cannot lead elsewhere (DNS rebinding). Link-local addresses, where clouds keep credentials, are never let pass.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
LookUp: TypeAlias = Callable[[str, int], Sequence[str]]


class Refused(Exception):
    """The target may not be reached. The message is a line for people, and names the host only."""


def look_up(host: str, port: int) -> list[str]:
    """Every address of a name, in the system's order. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))


def vetted(host: str, port: int, *, allow_private: bool, look: LookUp = look_up) -> list[str]:
    """The addresses of `host`, all of which may be reached.

    One address that may not be refuses the name: whoever controls a name controls in which order its addresses come.

    Raises:
        Refused: private, loopback or otherwise not global, without `allow_private`; link-local in any case.
        OSError: the name cannot be resolved.
    """
    addresses = list(look(host, port))
    for text in addresses:
        why = objection(text, allow_private=allow_private)
        if why is not None:
            raise Refused(f"`{host}` is {why}")
    return addresses


def objection(text: str, *, allow_private: bool) -> str | None:
    """What kind of forbidden address this is; None when it may be reached."""
    address = _innermost(ipaddress.ip_address(text))
    if address.is_link_local or address in _CREDENTIALS:
        return "a link-local address"
    if address.is_loopback:  # before what is reserved, which ::1 is, too
        return None if allow_private else "a loopback address"
    if address.is_multicast or address.is_unspecified or address.is_reserved:
        return "no address of a host"
    if allow_private or (address.is_global and not any(address in network for network in _NEVER_GLOBAL)):
        return None
    return "a private address"


def is_loopback(text: str) -> bool:
    return _innermost(ipaddress.ip_address(text)).is_loopback


def _innermost(address: Address) -> Address:
    """An IPv4 address in IPv6 clothes is judged as what it is (RFC 4291, 6052, 3056, 4380, 5214)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and (address in _NAT64 or (int(address) >> 32) & 0xFDFFFFFF == _ISATAP):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return inner
    return address


# Amazon's metadata service over IPv6, which stands where 169.254.169.254 does ("Use IMDS", the EC2 user guide).
_CREDENTIALS = {
    ipaddress.ip_address(text)
    for text in (
        "fd00:ec2::254",
        "fd20:ce::254",  # Google's ("About VM metadata")
        "100.100.100.200",  # Alibaba's
        "168.63.129.16",  # Azure's wire server, a public address that only a machine of theirs reaches
    )
}
# Not global, whatever a Python's tables say: site-local (RFC 3879), 6to4 relays, documentation, protocol assignments.
_NEVER_GLOBAL = tuple(
    ipaddress.ip_network(text) for text in ("fec0::/10", "3fff::/20", "192.88.99.0/24", "192.0.0.0/24", "2001:db8::/32")
)
_ISATAP = 0x00005EFE  # RFC 5214: the interface's identifier, with an IPv4 address behind it
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
