"""Addresses where clouds keep credentials are known in every form in which they can be written."""

import pytest

from gateway.exchange.link_local import on_own_link


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "2002:a9fe:a9fe::1",
    ],
)
def test_address_of_the_own_link_is_known_in_each_form(address: str) -> None:
    """Mapped, compatible, translated by NAT64 and tunnelled by 6to4, too."""
    assert on_own_link(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.253.255.255",
        "169.255.0.1",
        "100.100.100.201",
        "::1",
        "::",
        "fec0::1",
        "fd00::1",
        "2001:db8::a9fe:a9fe",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::a9fe:a9fe",
        "up.example",
    ],
)
def test_other_addresses_pass(address: str) -> None:
    """Private and loopback ones too: most upstreams are there."""
    assert not on_own_link(address)
