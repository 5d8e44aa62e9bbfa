"""Addresses at which clouds hand out the credentials of machines: never connected to unless the operator says so.

Whoever can change what a name resolves to could otherwise have the gateway fetch them. Link-local addresses belong to
the own link alone (RFC 3927 section 2.7, RFC 4291 section 2.5.6), so that hardly any service is meant to be there.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network

from gateway.exchange.peers import Address, Networks, address_of

_OWN_LINK = Networks(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local; metadata of most clouds at 169.254.169.254, of containers at 169.254.170.2
            "fe80::/10",
            "100.100.100.200/32",  # Alibaba Cloud
            "168.63.129.16/32",  # Azure, its wire server
            "192.0.0.192/32",  # Oracle Cloud, classic
            "fd00:ec2::/32",  # Amazon: metadata, resolver and time
            "fd20:ce::254/128",  # Google Cloud
        ),
    )
)
_LAST_32 = tuple(map(ip_network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")))
"""Networks whose last 32 bits are an IPv4 address: compatible, translated (RFC 7915), by NAT64 (RFC 6052, 8215)."""
_6TO4 = ip_network("2002::/16")


def on_own_link(text: str) -> bool:
    """Say whether ``text`` is an address of the own link or of a cloud's metadata, also where one of IPv6 hides it.

    False for what is no address.
    """
    address = address_of(text)
    return address is not None and any(each in _OWN_LINK for each in (address, *_hidden(address)))


def _hidden(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses that a gateway on the way could send packets for ``address`` to."""
    if not isinstance(address, IPv6Address):
        return ()
    value = int(address)
    if address in _6TO4:
        return (IPv4Address(value >> 80 & 0xFFFFFFFF),)
    if any(address in network for network in _LAST_32):
        # With a prefix of 48 bits the address stands around the octet of zeros at bit 64 (RFC 6052 section 2.2).
        around = (value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF
        return IPv4Address(value & 0xFFFFFFFF), IPv4Address(around)
    return ()
