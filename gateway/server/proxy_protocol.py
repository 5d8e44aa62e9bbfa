"""The PROXY header: who really connected, told by a proxy before the first octet of the client (versions 1 and 2).

https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections in brackets. Not one octet behind the header is
taken from the socket, for TLS may begin there.
"""

import re
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from gateway.exchange.peers import UNKNOWN

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LONGEST_LINE = 107  # [2.1]
_LINE = re.compile(rb"PROXY (?:(UNKNOWN)(?: [^\r\n]*)?|(TCP[46]) (\S+) (\S+) (\S+) (\S+))\r\n")
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESSES = {1: (IPv4Address, 4), 2: (IPv6Address, 16)}
"""By address family: what it is, and the octets that it has [2.2]."""
_LAST_FAMILY, _STREAM, _LAST_TRANSPORT = 3, 1, 2
_PIECE_BYTES = 4096

Peer = tuple[str, int]


class NoHeader(Exception):
    """The connection does not begin with a PROXY header; the text says what is wrong, and repeats no octet of it."""


def announced(sock: Any) -> Peer | None:
    """Read the header and return the source it tells; None where the proxy speaks for itself (its health check).

    A source that the proxy does not know, or cannot tell as an address, is ``UNKNOWN``: the proxy's own address must
    not stand for it, for that one is trusted. Raises `NoHeader`, and OSError where the connection breaks.
    """
    begin = _exactly(sock, len(_SIGNATURE))
    if begin == _SIGNATURE:
        command, family, length = struct.unpack("!BBH", _exactly(sock, 4))
        return _binary(sock, command, family, length)
    if not begin.startswith(b"PROXY "):
        raise NoHeader("no PROXY header")
    return parse_line(begin + _rest_of_line(sock, _LONGEST_LINE - len(begin)))


def parse_line(line: bytes) -> Peer:
    """Return the source of a header of version 1, CRLF included [2.1]."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise NoHeader("a PROXY line that is not understood")
    if match[1]:
        return UNKNOWN, 0
    kind = IPv4Address if match[2] == b"TCP4" else IPv6Address
    source, target, *ports = (part.decode("latin-1") for part in match.groups()[2:])
    if any(not _PORT.fullmatch(port) or int(port) > 65535 for port in ports):
        raise NoHeader("a PROXY line with a bad port")
    try:
        kind(target)
        return str(kind(source)), int(ports[0])
    except ValueError:
        raise NoHeader("a PROXY line with a bad address") from None


def _binary(sock: Any, command: int, family: int, length: int) -> Peer | None:
    """Read what follows the signature of version 2 [2.2]; TLVs behind the addresses are read and dropped."""
    if command not in (_LOCAL, _PROXY):
        raise NoHeader("a PROXY header of an unknown version or command")
    if command == _LOCAL:
        _drop(sock, length)  # Of whatever family: it says nothing [2.2].
        return None
    known, transport = _ADDRESSES.get(family >> 4), family & 0xF
    if family >> 4 > _LAST_FAMILY or transport > _LAST_TRANSPORT:
        raise NoHeader("a PROXY header of an unknown address family")
    if known is None or transport != _STREAM:
        _drop(sock, length)
        return UNKNOWN, 0
    kind, octets = known
    if length < 2 * octets + 4:
        raise NoHeader("a PROXY header that is too short")
    addresses = _exactly(sock, 2 * octets + 4)
    _drop(sock, length - len(addresses))
    return str(kind(addresses[:octets])), int.from_bytes(addresses[-4:-2])


def _exactly(sock: Any, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        piece = sock.recv(count - len(octets))
        if not piece:
            raise NoHeader("the connection ended within its PROXY header" if octets else "no PROXY header")
        octets += piece
    return octets


def _rest_of_line(sock: Any, most: int) -> bytes:
    """Return what is left of the line; octets are looked at before they are taken, for the next ones are not ours."""
    line = b""
    while not line.endswith(b"\n"):
        if len(line) == most:
            raise NoHeader("a PROXY line that is too long")
        seen = sock.recv(most - len(line), socket.MSG_PEEK)
        if not seen:
            raise NoHeader("the connection ended within its PROXY header")
        line += _exactly(sock, seen.find(b"\n") + 1 or len(seen))
    return line


def _drop(sock: Any, count: int) -> None:
    while count:
        count -= len(_exactly(sock, min(count, _PIECE_BYTES)))
