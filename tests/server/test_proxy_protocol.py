"""PROXY headers: exactly one is read, to its last octet and not beyond, and what is none is told apart."""

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from gateway.exchange.peers import UNKNOWN
from gateway.server.proxy_protocol import NoHeader, Peer, announced, parse_line

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
BEHIND = b"GET / HTTP/1.1\r\n\r\n"


def v2(addresses: bytes, family: int = 0x11, command: int = 0x21, length: int | None = None) -> bytes:
    size = len(addresses) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, size) + addresses


IPV4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 443)
IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + bytes(16) + struct.pack("!HH", 4711, 443)
TLV = b"\x04\x00\x03abc" * 2000

GOOD: dict[str, tuple[bytes, Peer | None]] = {
    "v1 TCP4": (b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n", ("203.0.113.7", 4711)),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 ::1 4711 443\r\n", ("2001:db8::7", 4711)),
    "v1 of the longest kind": (
        b"PROXY TCP6 %b %b 65535 65535\r\n" % ((b"ffff:f000:" + b"ffff:" * 5 + b"ffff",) * 2),
        ("ffff:f000:ffff:ffff:ffff:ffff:ffff:ffff", 65535),
    ),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", (UNKNOWN, 0)),
    "v1 UNKNOWN with something": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", (UNKNOWN, 0)),
    "v2 IPv4": (v2(IPV4), ("203.0.113.7", 4711)),
    "v2 IPv6": (v2(IPV6, 0x21), ("2001:db8::7", 4711)),
    "v2 with TLVs": (v2(IPV4 + TLV), ("203.0.113.7", 4711)),
    "v2 LOCAL": (v2(b"", 0x00, 0x20), None),
    "v2 LOCAL with an odd family": (v2(IPV4, 0xFF, 0x20), None),
    "v2 UNSPEC": (v2(b"", 0x00), (UNKNOWN, 0)),
    "v2 unix": (v2(bytes(216), 0x31), (UNKNOWN, 0)),
    "v2 datagrams": (v2(IPV4, 0x12), (UNKNOWN, 0)),
}
BAD = {
    "nothing": b"",
    "HTTP": BEHIND,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "another word": b"PROXI TCP4 203.0.113.7 192.0.2.1 4711 443\r\n",
    "v1 without an end": b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443",
    "v1 with a bare LF": b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\n" + BEHIND,
    "v1 too long": b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
    "v1 with two blanks": b"PROXY TCP4  203.0.113.7 192.0.2.1 4711 443\r\n",
    "v1 with a name": b"PROXY TCP4 localhost 192.0.2.1 4711 443\r\n",
    "v1 with the other family": b"PROXY TCP4 2001:db8::7 ::1 4711 443\r\n",
    "v1 with leading zeros": b"PROXY TCP4 203.0.113.007 192.0.2.1 4711 443\r\n",
    "v1 with a bad target": b"PROXY TCP4 203.0.113.7 nowhere 4711 443\r\n",
    "v1 with a port out of range": b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
    "v1 with a negative port": b"PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n",
    "v1 with one port": b"PROXY TCP4 203.0.113.7 192.0.2.1 4711\r\n",
    "v1 with an unknown protocol": b"PROXY UDP4 203.0.113.7 192.0.2.1 4711 443\r\n",
    "v1 with an octet beyond ASCII": b"PROXY TCP4 203.0.113.\xb7 192.0.2.1 4711 443\r\n",
    "v2 cut": v2(IPV4)[:20],
    "v2 cut in its TLVs": v2(IPV4 + b"\x04", length=200),
    "v2 too short for its family": v2(IPV4[:8]) + BEHIND * 2,
    "v2 IPv6 with IPv4's octets": v2(IPV4, 0x21) + BEHIND * 2,
    "v2 of another version": v2(IPV4, command=0x31),
    "v2 of another command": v2(IPV4, command=0x22),
    "v2 of an unknown family": v2(IPV4, 0x41),
    "v2 of an unknown transport": v2(IPV4, 0x13),
    "a broken signature": SIGNATURE[:-1] + b"!" + v2(IPV4)[12:],
}


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("piece_octets", [100_000, 1], ids=["at once", "drop by drop"])
@pytest.mark.parametrize(("header", "peer"), GOOD.values(), ids=GOOD.keys())
def test_header_is_read_to_its_last_octet_and_no_further(
    pair: tuple[socket.socket, socket.socket], header: bytes, peer: Peer | None, piece_octets: int
) -> None:
    """What is behind it, TLS or HTTP, is still in the socket, however the octets came."""
    ours, theirs = pair
    octets = header + BEHIND

    def send() -> None:
        for at in range(0, len(octets), piece_octets):
            theirs.sendall(octets[at : at + piece_octets])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert announced(ours) == peer
        sender.join()
        assert ours.recv(len(BEHIND) + 1) == BEHIND
    finally:
        sender.join()


@pytest.mark.parametrize("octets", BAD.values(), ids=BAD.keys())
def test_what_is_no_header_is_told_without_its_octets(pair: tuple[socket.socket, socket.socket], octets: bytes) -> None:
    """And without waiting for what cannot come any more."""
    ours, theirs = pair
    theirs.sendall(octets)
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(NoHeader) as raised:
        announced(ours)
    assert "203" not in str(raised.value) and "GET" not in str(raised.value)


def test_line_is_read_as_a_whole() -> None:
    """Nothing may stand before or behind it."""
    line = b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"
    assert parse_line(line) == ("203.0.113.7", 4711)
    for other in (b" " + line, line + b"x", line[:-2]):
        with pytest.raises(NoHeader):
            parse_line(other)
