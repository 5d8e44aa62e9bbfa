"""Who may connect, and how often."""

from ipaddress import ip_network

from gateway.exchange.failure import ADDRESS_CROWDED, ADDRESS_DENIED, Failure
from gateway.exchange.peers import UNKNOWN, AddressRule, Networks, Peers
from gateway.server.door import Door, Entry

TWO = Entry(most_per_address=2, trusted=Peers(Networks([ip_network("10.0.0.0/8")])))


def crowded(door: Door, peer: str, entry: Entry = TWO) -> bool:
    entered = door.enter(peer, entry)
    assert isinstance(entered, str) or entered.kind is ADDRESS_CROWDED
    return isinstance(entered, Failure)


def test_address_has_so_many_connections_and_no_more() -> None:
    """Others have their own, and who leaves makes room."""
    door = Door()
    tickets = [door.enter("192.0.2.1", TWO) for _ in range(2)]

    assert crowded(door, "192.0.2.1") and crowded(door, "::ffff:192.0.2.1")
    assert not crowded(door, "192.0.2.2")
    assert isinstance(tickets[0], str)
    door.leave(tickets[0])
    assert not crowded(door, "192.0.2.1")
    assert crowded(door, "192.0.2.1")


def test_whole_network_of_an_ipv6_client_is_one_address() -> None:
    """A client there has as many addresses as it likes."""
    door = Door()
    assert [crowded(door, f"2001:db8::{n}") for n in range(3)] == [False, False, True]
    assert not crowded(door, "2001:db8:0:1::1")


def test_proxies_and_unix_sockets_are_not_counted() -> None:
    """Behind them are many clients."""
    door = Door()
    assert not any(crowded(door, peer) for peer in ("10.0.0.1", "") for _ in range(5))
    assert repr(door) == "<Door 0 addresses>"


def test_nothing_is_remembered_of_who_has_left() -> None:
    """The table is never larger than the number of open connections."""
    door = Door()
    tickets = [door.enter(f"192.0.2.{n}", TWO) for n in range(100)]
    assert repr(door) == "<Door 100 addresses>"
    for ticket in tickets:
        assert isinstance(ticket, str)
        door.leave(ticket)
    assert repr(door) == "<Door 0 addresses>"
    assert not crowded(door, "192.0.2.1", Entry())
    assert repr(door) == "<Door 0 addresses>"


def test_denied_address_is_told_why() -> None:
    """So is one that is not known where it would have to be."""
    entry = Entry(addresses=AddressRule(deny=Peers(Networks([ip_network("192.0.2.0/24")]))))
    for peer, denied in (("192.0.2.1", True), ("198.51.100.1", False), (UNKNOWN, True), ("", False)):
        failure = entry.denies(peer)
        assert (failure is not None and failure.kind is ADDRESS_DENIED) is denied
        assert Entry().denies(peer) is None
