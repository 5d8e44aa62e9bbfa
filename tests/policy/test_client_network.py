"""By which address an exchange is counted, and whose word about it is believed."""

from ipaddress import ip_network

import pytest
from support.exchanges import a_request, an_exchange

from gateway.exchange.route import Forwarding
from gateway.policy.client_address import client_network

TRUSTING = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")), trust_unix=True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1%eth0", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_whoever_has_an_address_has_its_network(address: str, expected: str) -> None:
    """IPv6 counts by the /64, IPv4 by the address, however it is written."""
    assert client_network(an_exchange(a_request(peer=address)), TRUSTING) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "10.0.0.1"),
        ([("X-Forwarded-For", "192.0.2.7")], "192.0.2.7"),
        ([("X-Forwarded-For", "203.0.113.9, 192.0.2.7, 10.2.2.2")], "192.0.2.7"),
        ([("X-Forwarded-For", "203.0.113.9"), ("x-forwarded-for", "192.0.2.7")], "192.0.2.7"),
        ([("X-Forwarded-For", "10.1.1.1, 10.2.2.2")], "10.1.1.1"),
        ([("X-Forwarded-For", "192.0.2.7:4711")], "192.0.2.7"),
        ([("X-Forwarded-For", "2001:db8::1")], "2001:db8::/64"),
        ([("X-Forwarded-For", "unknown")], "10.0.0.1"),
        ([("X-Forwarded-For", "nonsense")], "10.0.0.1"),
        ([("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=203.0.113.9")], "192.0.2.7"),
        ([("Forwarded", "for=203.0.113.9")], "10.0.0.1"),
    ],
)
def test_trusted_peer_tells_the_client(fields: list[tuple[str, str]], expected: str) -> None:
    """In the one field that the operator names; the peer's own address counts where that cannot be read."""
    exchange = an_exchange(a_request(fields=fields, peer="10.0.0.1"), trusted_peer=True)
    assert client_network(exchange, TRUSTING) == expected


def test_nobody_else_is_believed() -> None:
    """A client that writes the fields itself is counted by its own address."""
    exchange = an_exchange(a_request(fields=[("X-Forwarded-For", "203.0.113.9")], peer="192.0.2.7"))
    assert client_network(exchange, TRUSTING) == "192.0.2.7"
