"""Which clients may come, by their addresses."""

from pydantic import Field

from gateway.config.model import Model
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import ADDRESS_DENIED, Failure, FailureError
from gateway.exchange.peers import AddressRule, Networks, Peers
from gateway.exchange.route import Route
from gateway.grammar.addresses import PeersOrOff, parse_network
from gateway.policy.client_address import client_address
from gateway.policy.hooks import Hooks

ACTS_ON = ("addresses.allow", "addresses.deny", "forwarding.trusted_peers", "forwarding.client_address_from")
"""The settings that decide what it does, as a route sees them."""


class AddressesSettings(Model):
    """Which clients may come, by their addresses. `deny` goes before `allow`."""

    allow: PeersOrOff = Field(default=None, examples=[["10.0.0.0/8", "unix"]])
    """The only ones that may come: networks, addresses, or "unix" for peers on unix sockets. Array or "off".
    Default "off": everybody."""
    deny: PeersOrOff = Field(default=None, examples=[["10.66.0.0/16"]])
    """Those that may not come, also where `allow` has them. Array or "off". Default "off": nobody."""

    def rule(self) -> AddressRule | None:
        """Return what both lists say; None where neither is set."""
        if self.allow is None and self.deny is None:
            return None
        return AddressRule(_peers(self.allow), _peers(self.deny))

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {"addresses": self.rule()}


def _peers(texts: tuple[str, ...] | None) -> Peers | None:
    if texts is None:
        return None
    return Peers(Networks(parse_network(text) for text in texts if text != "unix"), "unix" in texts)


def hooks(route: Route) -> Hooks:
    """Refuse clients whose believed address is denied, or not known where it would have to be."""
    rule, forwarding = route.addresses, route.forwarding
    if rule is None:
        return Hooks()

    def admit(exchange: Exchange) -> None:
        if rule.refuses(client_address(exchange, forwarding)):
            # The address itself is told nobody: a client behind proxies need not learn what they say of it.
            raise FailureError(Failure(ADDRESS_DENIED, "this route does not serve your address"))

    return Hooks(admit=admit)
