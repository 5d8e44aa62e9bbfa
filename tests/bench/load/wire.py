"""Requests as octets on sockets."""

import re
import socket

from bench.load.target import Target
from bench.load.upstream import BODY_END, SMALL_BODY

READ_OCTETS = 65_536
CRLF = b"\r\n"
_ANSWER_SECONDS = 2.0
_SAID = re.compile(rb"said ([0-9]+)\n")
SMALL_ENDS = (SMALL_BODY[-8:], SMALL_BODY[-8:] + BODY_END)
"""How an answer to /small ends: with a length, or in a chunk."""


def connected(target: Target, timeout: float = 10.0) -> socket.socket:
    """Return a connection that sends at once."""
    connection = socket.create_connection(target.address, timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(path: str, *lines: str, method: str = "GET") -> bytes:
    """Return the head of a request; ``lines`` are further field lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: bench.test", *lines, "", ""]).encode()


def some(connection: socket.socket) -> bytes:
    """Return the next octets; raise ConnectionError where there are none."""
    octets = connection.recv(READ_OCTETS)
    if not octets:
        raise ConnectionError("the server ended the connection")
    return octets


def small_answer(connection: socket.socket) -> bytes:
    """Return the whole answer to a request for /small; raise ConnectionError where it is not 200."""
    octets = some(connection)
    while not octets.endswith(SMALL_ENDS):
        must_be_ok(octets)
        octets += some(connection)
    must_be_ok(octets)
    return octets


def answers(address: tuple[str, int]) -> bool:
    """Tell whether a request for /small is answered well now, by whoever is at ``address``."""
    try:
        with socket.create_connection(address, _ANSWER_SECONDS) as connection:
            connection.sendall(request("/small"))
            return bool(small_answer(connection))
    except OSError:
        return False


def must_be_ok(octets: bytes) -> None:
    """Raise ConnectionError where an answer that begins with ``octets`` is not 200."""
    line = octets[:12]
    if line != b"HTTP/1.1 200"[: len(line)]:
        raise ConnectionError(f"answered {octets.split(CRLF)[0][:60].decode('latin-1')!r}")


def said(octets: bytes) -> int | None:
    """Return the number that the upstream says in an answer; None as long as it has not come."""
    found = _SAID.search(octets)
    return None if found is None else int(found[1])


def told(target: Target, path: str) -> int:
    """Ask the upstream for a number: ``/-/open`` or ``/-/say``."""
    with connected(target) as connection:
        connection.sendall(request(path))
        octets = b""
        while (number := said(octets)) is None:
            octets += some(connection)
    return number
