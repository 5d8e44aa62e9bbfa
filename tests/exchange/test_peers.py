"""Addresses and lists of networks: who is meant, in whatever form the address comes."""

from ipaddress import ip_address, ip_network

import pytest

from gateway.exchange.peers import UNKNOWN, AddressRule, Networks, Peers, address_of, holder_of


def peers(*networks: str, unix: bool = False) -> Peers:
    return Peers(Networks(map(ip_network, networks)), unix)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", None),
        (UNKNOWN, None),
        ("192.0.2.01", None),
        ("192.0.2.1:80", None),
    ],
)
def test_address_is_read_in_each_of_its_forms(text: str, address: str | None) -> None:
    """One host is one address, whether a dual-stack socket shows it mapped or with a zone."""
    assert address_of(text) == (None if address is None else ip_address(address))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
    ],
)
def test_holder_of_an_address_has_the_whole_network_it_was_given(one: str, other: str, same: bool) -> None:
    """Who has one address of an IPv6 /64 has all of them; of IPv4 each is somebody's own."""
    assert (holder_of(one) == holder_of(other)) is same


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (("10.0.0.0/8",), "10.255.0.1", "11.0.0.1"),
        (("10.0.0.1",), "10.0.0.1", "10.0.0.2"),
        (("0.0.0.0/0",), "203.0.113.9", "2001:db8::1"),
        (("2001:db8::/32",), "2001:db8:1::", "2001:db9::"),
        (("::ffff:10.0.0.0/104",), "10.1.2.3", "11.1.2.3"),
        (("10.0.0.0/8", "192.168.0.0/16", "fd00::/8"), "fd12::1", "192.169.0.1"),
    ],
)
def test_network_holds_its_addresses_and_no_other(networks: tuple[str, ...], inside: str, outside: str) -> None:
    """In both families, and for mapped networks too."""
    assert inside in peers(*networks)
    assert f"::ffff:{inside}" in peers(*networks) or ":" in inside
    assert outside not in peers(*networks)


def test_peer_on_a_unix_socket_is_meant_only_where_unix_is_named() -> None:
    """It has no address that a network could hold."""
    assert "" in peers(unix=True)
    assert "" not in peers("0.0.0.0/0", "::/0")


@pytest.mark.parametrize(
    ("allow", "deny", "peer", "refused"),
    [
        (None, ["10.0.0.0/8"], "10.0.0.1", True),
        (None, ["10.0.0.0/8"], "11.0.0.1", False),
        (["10.0.0.0/8"], None, "10.0.0.1", False),
        (["10.0.0.0/8"], None, "11.0.0.1", True),
        (["10.0.0.0/8"], ["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.0/8"], ["10.0.0.1"], "10.0.0.2", False),
        (["10.0.0.0/8"], None, "", True),
        (None, ["10.0.0.0/8"], "", False),
        (None, ["10.0.0.0/8"], UNKNOWN, True),
        (None, ["10.0.0.0/8"], "no address", True),
    ],
)
def test_deny_wins_and_an_allow_list_denies_all_others(
    allow: list[str] | None, deny: list[str] | None, peer: str, refused: bool
) -> None:
    """And where the address is not known no list lets it pass."""
    rule = AddressRule(None if allow is None else peers(*allow), None if deny is None else peers(*deny))
    assert rule.refuses(peer) is refused


def test_longest_way_to_write_an_address_is_still_one() -> None:
    """What is longer is none, without being looked at or remembered: clients may send any text as one."""
    assert address_of("0000:0000:0000:0000:0000:ffff:192.168.200.100") == ip_address("192.168.200.100")
    assert address_of("1" * 5000) is None
    assert address_of("fe80::1%" + "z" * 5000) == ip_address("fe80::1")
