"""Which addresses are let pass: a table of all the clothes that a private address wears."""

import ipaddress
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codespar_cli.net.addresses import Refused, is_loopback, look_up, objection, vetted

PRIVATE = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fc00::1", "fd12:3456::1",
    "::ffff:10.0.0.1", "::ffff:192.168.0.1", "2002:0a00:0001::", "2002:c0a8:0101::1", "64:ff9b::10.0.0.1",
    "198.18.0.1", "fec0::1", "3fff::1", "192.88.99.1", "192.0.0.192", "2001:4860::5efe:10.0.0.1",
]  # fmt: skip
LOOPBACK = [
    "127.0.0.1",
    "127.255.0.3",
    "::1",
    "::ffff:127.0.0.1",
    "2002:7f00:0001::",
    "64:ff9b::127.0.0.1",
    "2001:4860::5efe:7f00:1",
]
NEVER = [
    "169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254", "2002:a9fe:a9fe::", "64:ff9b::169.254.169.254",
    "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "::127.0.0.1",
    "64:ff9b:1::7f00:1", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "::ffff:168.63.129.16",
]  # fmt: skip
OPEN = ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE + LOOPBACK)
def test_what_is_not_global_needs_leave(address):
    assert objection(address, allow_private=False) is not None
    assert objection(address, allow_private=True) is None


@pytest.mark.parametrize("address", NEVER)
def test_link_local_and_what_is_no_host_is_never_reached(address):
    assert objection(address, allow_private=False) is not None
    assert objection(address, allow_private=True) is not None


@pytest.mark.parametrize("address", OPEN)
def test_the_world_may_be_reached(address):
    assert objection(address, allow_private=False) is None


@given(st.ip_addresses(v=4))
def test_an_address_in_other_clothes_is_judged_as_what_it_is(address):
    plain = objection(str(address), allow_private=False)
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)
    assert {objection(str(each), allow_private=False) for each in (mapped, nat64, sixtofour)} == {plain}
    assert {is_loopback(str(each)) for each in (mapped, nat64, sixtofour)} == {address.is_loopback}


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "localhost", "::1"],
)
def test_other_spellings_of_a_host_are_what_the_system_makes_of_them(host):
    """The real look-up: whatever it understands is judged as the address it would connect to."""
    with pytest.raises(Refused, match="loopback"):
        vetted(host, 80, allow_private=False)


@pytest.mark.parametrize("host", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"])
def test_other_spellings_of_the_metadata_service_are_never_reached(host):
    with pytest.raises(Refused, match="link-local"):
        vetted(host, 80, allow_private=True)


@pytest.mark.parametrize("bad", ["10.1.2.3", "::1", "169.254.169.254"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_private_address_among_several_refuses_the_name(bad, at):
    answers = ["1.1.1.1", "2606:4700::1111"]
    answers.insert(at, bad)
    with pytest.raises(Refused, match=r"`name\.example` is a"):
        vetted("name.example", 443, allow_private=False, look=lambda host, port: answers)


def test_a_scope_is_no_part_of_an_address(monkeypatch):
    answer = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%lo", 80, 0, 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *about, **more: [answer])
    assert look_up("x", 80) == ["fe80::1"]
