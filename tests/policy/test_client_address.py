"""Whose request it is: told by trusted peers, hop by hop, and by nobody else."""

from ipaddress import ip_network

import pytest
from support.exchanges import a_request, an_exchange

from gateway.exchange.message import Fields
from gateway.exchange.peers import UNKNOWN
from gateway.exchange.route import Forwarding
from gateway.policy.client_address import MOST_HOPS, client_address

FORWARDING = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"),), trust_unix=True)
BY_FORWARDED = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"),), client_address_from="Forwarded")


def believed(peer: str, fields: Fields, forwarding: Forwarding = FORWARDING) -> str:
    exchange = an_exchange(a_request(peer=peer, fields=fields), trusted_peer=peer in forwarding.trusted)
    return client_address(exchange, forwarding)


@pytest.mark.parametrize("peer", ["203.0.113.7", "::ffff:203.0.113.7"])
def test_peer_that_is_not_trusted_speaks_for_itself_alone(peer: str) -> None:
    """Whatever it says of others."""
    fields = [("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1"), ("X-Real-Ip", "10.0.0.1")]
    assert believed(peer, fields) == "203.0.113.7"
    assert believed(peer, fields, BY_FORWARDED) == "203.0.113.7"


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.0.0.9"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7, 10.0.0.9, 10.0.0.8"], "203.0.113.7"),
        (["10.0.0.7, 10.0.0.9"], "10.0.0.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["garbage, 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, unknown"], UNKNOWN),
        (["203.0.113.7, garbage, 10.0.0.9"], UNKNOWN),
        ([" , ,203.0.113.7 , "], "203.0.113.7"),
        ([""], "10.0.0.1"),
    ],
)
def test_the_nearest_address_that_is_not_trusted_is_the_client(values: list[str], client: str) -> None:
    """Each member was written by the one behind it; what stands before an untrusted one is only its own word."""
    assert believed("10.0.0.1", [("X-Forwarded-For", value) for value in values]) == client
    assert believed("", [("x-forwarded-for", value) for value in values]) == (client if any(values) else "")


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=203.0.113.7", "203.0.113.7"),
        ('for="203.0.113.7:80";proto=https, For="[2001:db8::7]:1";by=10.0.0.1', "2001:db8::7"),
        ("for=198.51.100.1, for=203.0.113.7;host=a, for=10.0.0.3", "203.0.113.7"),
        ("for=_hidden", UNKNOWN),
        ("for=unknown", UNKNOWN),
        ("proto=https", UNKNOWN),
        ("for=203.0.113.7;for=198.51.100.1", UNKNOWN),
        ('for=203.0.113.7;host="a,for=192.0.2.66"', "203.0.113.7"),
        ('for=203.0.113.7;host="a\\",for=192.0.2.66"', "203.0.113.7"),
        ('for="203.0.113.7, for=198.51.100.1', UNKNOWN),
        ('for=192.0.2.66, for="x, for=203.0.113.7;host="h"', UNKNOWN),
        ("for=203.0.113.7" + " " * 9000, UNKNOWN),
    ],
)
def test_forwarded_is_read_where_it_is_named(value: str, client: str) -> None:
    """And X-Forwarded-For, which the proxy may pass on as the client wrote it, is then not looked at."""
    fields = [("Forwarded", value), ("X-Forwarded-For", "192.0.2.99")]
    assert believed("10.0.0.1", fields, BY_FORWARDED) == client
    assert believed("10.0.0.1", fields) == "192.0.2.99"


def test_endless_chain_costs_no_time() -> None:
    """So many proxies in a row there are not."""
    assert believed("10.0.0.1", [("X-Forwarded-For", ", ".join(["10.0.0.2"] * MOST_HOPS))]) == "10.0.0.2"
    assert believed("10.0.0.1", [("X-Forwarded-For", ", ".join(["10.0.0.2"] * (MOST_HOPS + 1)))]) == UNKNOWN
