"""Addresses of the network, and who is meant by a list of networks. Pure values; nothing is resolved here."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
"""The peer of a connection whose real source nobody told (RFC 7239 section 6.2): no address, and never trusted."""
_MAPPED = IPv6Network("::ffff:0:0/96")
_OF_ONE_HOLDER = 64
"""Bits of an IPv6 address that tell its holder: whoever has one address of such a network has all of them."""
_LONGEST = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
_REMEMBERED = 1024
"""Texts whose reading is kept, for a connection asks with the same one at each of its requests; the one asked for
longest ago gives way."""


def address_of(text: str) -> Address | None:
    """Return the address that ``text`` is, zone left out; an IPv4 address that a dual-stack socket shows mapped is
    the IPv4 address (RFC 4291 section 2.5.5.2). None for anything else."""
    bare = text.partition("%")[0]
    return _parsed(bare) if len(bare) <= _LONGEST else None


@lru_cache(maxsize=_REMEMBERED)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def holder_of(text: str) -> str:
    """Return what stands for all addresses of whoever has the address ``text``: itself, of IPv6 the /64."""
    address = address_of(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((int(address) >> _OF_ONE_HOLDER << _OF_ONE_HOLDER, _OF_ONE_HOLDER)))
    return text if address is None else str(address)


class Networks:
    """A set of networks; asking it costs one lookup for each length of prefix in use, however many there are."""

    __slots__ = ("_all", "_lengths")

    def __init__(self, networks: Iterable[Network]) -> None:
        self._all = frozenset(map(_unmapped, networks))
        self._lengths: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in self._all:
            known = self._lengths[network.version].setdefault(int(network.netmask), set())
            known.add(int(network.network_address))

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, address: Address) -> bool:
        value = int(address)
        return any(value & mask in known for mask, known in self._lengths[address.version].items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Networks) and self._all == other._all

    def __hash__(self) -> int:
        return hash(self._all)

    def __repr__(self) -> str:
        return f"<Networks {len(self._all)}>"


@dataclass(frozen=True, slots=True)
class Peers:
    """Networks, and whether peers on unix sockets are meant, too."""

    networks: Networks
    unix: bool = False

    def __contains__(self, peer: str) -> bool:
        """Say whether ``peer`` is meant: an address as text, empty on a unix socket."""
        if not peer:
            return self.unix
        if not self.networks:
            return False  # The common case: an address need not be understood to be in none.
        address = address_of(peer)
        return address is not None and address in self.networks


@dataclass(frozen=True, slots=True)
class AddressRule:
    """Who may come: those in ``allow``, or everybody where it is None, but nobody in ``deny``."""

    allow: Peers | None = None
    deny: Peers | None = None

    def refuses(self, peer: str) -> bool:
        """Say whether ``peer`` may not come. Whose address is not known is refused: no list can speak about it."""
        if peer and address_of(peer) is None:
            return True
        if self.deny is not None and peer in self.deny:
            return True
        return self.allow is not None and peer not in self.allow


def _unmapped(network: Network) -> Network:
    """Return ``network`` as IPv4 where all its addresses are mapped ones, as `address_of` returns them."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network
