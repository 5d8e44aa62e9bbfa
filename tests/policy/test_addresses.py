"""Routes that serve some clients only."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from support.exchanges import a_request, a_route, an_exchange

from gateway.exchange.failure import ADDRESS_DENIED, FailureError
from gateway.exchange.message import Fields
from gateway.exchange.route import Forwarding
from gateway.policy.addresses import AddressesSettings, hooks

FORWARDING = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"),))


def refused(settings: AddressesSettings, peer: str, fields: Fields | None = None) -> bool:
    route = replace(a_route(forwarding=FORWARDING), addresses=settings.rule())
    admit = hooks(route).admit
    assert admit is not None
    try:
        admit(an_exchange(a_request(peer=peer, fields=fields), route, trusted_peer=peer in FORWARDING.trusted))
    except FailureError as error:
        assert error.failure.kind is ADDRESS_DENIED
        assert not peer or peer not in error.failure.detail
        return True
    return False


def test_route_without_lists_asks_nobody() -> None:
    """And costs nothing."""
    assert AddressesSettings().rule() is None
    assert hooks(a_route()).admit is None


@pytest.mark.parametrize(
    ("peer", "fields", "expected"),
    [
        ("192.0.2.1", [], False),
        ("192.0.2.66", [], True),
        ("198.51.100.1", [], True),
        ("198.51.100.1", [("X-Forwarded-For", "192.0.2.1")], True),
        ("10.0.0.1", [("X-Forwarded-For", "192.0.2.1")], False),
        ("10.0.0.1", [("X-Forwarded-For", "192.0.2.1, 198.51.100.1")], True),
        ("10.0.0.1", [("X-Forwarded-For", "nonsense")], True),
        ("10.0.0.1", [], True),
        ("::ffff:192.0.2.1", [], False),
    ],
)
def test_believed_address_of_the_client_decides(peer: str, fields: Fields, expected: bool) -> None:
    """Deny wins, and nobody talks itself into the allow list."""
    settings = AddressesSettings(allow=("192.0.2.0/24",), deny=("192.0.2.66",))
    assert refused(settings, peer, fields) is expected


def test_peers_on_unix_sockets_are_allowed_by_name() -> None:
    """They have no address."""
    assert not refused(AddressesSettings(allow=("unix",)), "")
    assert refused(AddressesSettings(allow=("0.0.0.0/0",)), "")
    assert refused(AddressesSettings(deny=("unix",)), "")
