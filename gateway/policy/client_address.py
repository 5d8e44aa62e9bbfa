"""Whose request it is: the peer's address, or the one that trusted peers tell, hop by hop from the nearest one."""

import re
from collections.abc import Iterator
from functools import lru_cache

from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Fields
from gateway.exchange.peers import UNKNOWN, Peers, address_of, holder_of
from gateway.exchange.route import Forwarding

MOST_HOPS = 32
"""Proxies in a row that are followed; nobody has more, and a field of many addresses must not cost time."""
_holder = lru_cache(maxsize=4096)(holder_of)
_MOST_OCTETS = 8192
"""Of a line of Forwarded; a longer one is not read."""
_PAIR = re.compile(
    r"""[ \t]*(?:(?P<name>[A-Za-z]+)=(?:(?P<plain>[!#$%&'*+.^_`|~0-9A-Za-z:\[\]-]+)|"(?P<quoted>(?:[^"\\]|\\.)*)"))?"""
    r"""[ \t]*(?P<end>[;,]|$)"""
)
_PORT = re.compile(r"(?:\[(?P<six>[^\]]*)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")


def client_address(exchange: Exchange, forwarding: Forwarding) -> str:
    """Return the believed address of the client as text; empty for a peer on a unix socket.

    ``UNKNOWN`` where a trusted peer forwarded the request and does not say for whom in a way that can be read.
    """
    peer = exchange.request.peer
    if not exchange.trusted_peer:
        address = address_of(peer)
        return peer if address is None else str(address)
    return _behind(peer, exchange.request.fields, forwarding.client_address_from, forwarding.trusted)


def client_network(exchange: Exchange, forwarding: Forwarding) -> str:
    """Return what the client is counted by: its believed address, of IPv6 the /64, which is one holder's.

    Where that is ``UNKNOWN`` it is counted by the trusted peer that does not say it: a client whom nobody can name
    must not be counted by nothing, nor together with those of another peer.
    """
    address = client_address(exchange, forwarding)
    return _holder(exchange.request.peer if address == UNKNOWN else address)


def _behind(peer: str, fields: Fields, source: str, trusted: Peers) -> str:
    """Return who asked the trusted ``peer``: the last member was written by it, the one before by the last, and so on.

    The first that is not trusted is the client; what stands before it is only the client's word. Where all are
    trusted it is the first of them.
    """
    wanted = source.lower()
    values = [value for name, value in fields if name.lower() == wanted]
    nodes = _forwarded_for(values) if wanted == "forwarded" else _listed(values)
    believed = peer
    for hop, node in enumerate(nodes):
        address = address_of(_without_port(node))
        if hop == MOST_HOPS or address is None:
            return UNKNOWN
        believed = str(address)
        if believed not in trusted:
            break
    return believed


def _listed(values: list[str]) -> Iterator[str]:
    """Yield the members of X-Forwarded-For, the last first."""
    for value in reversed(values):
        for part in reversed(value.rsplit(",", MOST_HOPS + 1)):
            if member := part.strip(" \t"):
                yield member


def _forwarded_for(values: list[str]) -> Iterator[str]:
    """Yield what each element of Forwarded (RFC 7239 section 4) says after ``for=``, the last first.

    Yields nothing that could be an address for an element that does not say it once, and for what cannot be read: a
    quoted host may hold a comma and anything behind it, and its client chose it.
    """
    for value in reversed(values):
        elements = _elements(value) if len(value) <= _MOST_OCTETS else None
        if elements is None:
            yield ""
            return
        for element in reversed(elements):
            nodes = [node for name, node in element if name == "for"]
            yield nodes[0] if len(nodes) == 1 else ""


def _elements(value: str) -> list[list[tuple[str, str]]] | None:
    """Return the elements of one line with their pairs, or None where the line does not have their grammar."""
    elements: list[list[tuple[str, str]]] = [[]]
    at = 0
    while at < len(value):
        match = _PAIR.match(value, at)
        if match is None:
            return None
        if match["name"]:
            quoted = match["quoted"]
            elements[-1].append((match["name"].lower(), match["plain"] if quoted is None else quoted))
        if match["end"] == ",":
            elements.append([])
        at = match.end()
    return [element for element in elements if element]


def _without_port(node: str) -> str:
    """Return the address of a node with or without port: ``192.0.2.1:80``, ``[2001:db8::1]:80``, ``2001:db8::1``."""
    match = _PORT.fullmatch(node)
    return node if match is None else match["six"] or match["four"] or ""
