"""A script for the scripted upstream that answers each request with what was asked, and keeps every octet it got.

It reads with h11; `requests_in` reads the same octets with the tests' own strict reader. Where the two find other
requests than the gateway meant, somebody was smuggled in.
"""

import threading
from dataclasses import dataclass, field

import h11

from support.conditions import wait_until
from support.framing import Inbox, PeerClosed, announced_length, chunk_pieces, is_chunked, length_pieces, read_head
from support.scripted_connection import ScriptedConnection

_MOST_HEAD_OCTETS = 1 << 20


@dataclass(frozen=True)
class Seen:
    """A request as a reader understood it: head octet for octet, content without its framing."""

    head: bytes
    body: bytes
    whole: bool

    @property
    def asked(self) -> str:
        """Method and target."""
        return " ".join(self.head.decode("latin-1").split(" ")[:2])


@dataclass
class Taken:
    """What came on one connection."""

    octets: bytearray = field(default_factory=bytearray)
    asked: list[str] = field(default_factory=list)
    """Method and target of the requests that h11 read to their ends."""
    inside: bool = False
    """Whether it stands inside a request."""
    ended: bool = False
    error: str = ""
    """What h11 found wrong."""


class Echo:
    """The script, and its memory. Each answer says in ``X-Asked`` which request it is for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.connections: list[Taken] = []
        self.order: list[tuple[str, bytes]] = []
        """Method with target, and body, of the requests that came whole, on whichever connection."""

    def __call__(self, connection: ScriptedConnection) -> None:
        """Serve one connection until the peer leaves."""
        taken = Taken()
        with self._lock:
            self.connections.append(taken)
        try:
            self._serve(connection, taken)
        except h11.RemoteProtocolError as error:
            taken.error = str(error)
        finally:
            taken.ended = True

    def _serve(self, connection: ScriptedConnection, taken: Taken) -> None:
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_OCTETS)
        asked, body = "", b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                if reader.they_are_waiting_for_100_continue:
                    connection.send(reader.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                octets = connection.read_some()
                taken.octets += octets
                taken.inside = True
                reader.receive_data(octets)
            elif isinstance(event, h11.Request):
                asked, body = f"{event.method.decode()} {event.target.decode('latin-1')}", b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                taken.inside = bool(reader.trailing_data[0])
                taken.asked.append(asked)
                self.order.append((asked, body))
                connection.send(_answer(reader, asked))
                if reader.our_state is not h11.DONE:
                    return
                reader.start_next_cycle()

    def settle(self, timeout: float = 5.0) -> None:
        """Wait until no connection stands inside a request any more: it was read whole, or the connection ended."""
        wait_until(
            lambda: all(taken.ended or not taken.inside for taken in self.connections),
            timeout,
            f"the end of {[bytes(taken.octets) for taken in self.connections if taken.inside]}",
        )

    def seen(self) -> list[Seen]:
        """Return what came, connection by connection; fail where h11 and the strict reader find different requests."""
        found: list[Seen] = []
        for taken in self.connections:
            assert not taken.error, f"h11: {taken.error}, {bytes(taken.octets)!r}"
            requests = requests_in(bytes(taken.octets))
            assert [seen.asked for seen in requests if seen.whole] == taken.asked, bytes(taken.octets)
            found += requests
        return found


def _answer(reader: h11.Connection, asked: str) -> bytes:
    body = b"" if asked.startswith("HEAD ") else asked.encode("latin-1")
    head = h11.Response(
        status_code=200, headers=[("X-Asked", asked.encode("latin-1")), ("Content-Length", str(len(asked)))]
    )
    events = [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
    return b"".join(reader.send(event) or b"" for event in events)


def requests_in(octets: bytes) -> list[Seen]:
    """Read ``octets`` strictly as one request after the other; the last one may be cut. Raises InvalidFraming."""
    inbox = Inbox(_Octets(octets))  # type: ignore[arg-type]
    found: list[Seen] = []
    while inbox.pending or not found:
        try:
            head = read_head(inbox)
        except PeerClosed:
            if inbox.pending:
                found.append(Seen(inbox.pending, b"", False))
            return found
        pieces = chunk_pieces(inbox, []) if is_chunked(head) else length_pieces(inbox, announced_length(head) or 0)
        body, whole = b"", True
        try:
            for piece in pieces:
                body += piece
        except PeerClosed:
            whole = False
        found.append(Seen(head.octets, body, whole))
        if not whole:
            return found
    return found


class _Octets:
    """What was received already, where a socket is expected."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def recv(self, _: int) -> bytes:
        octets, self._octets = self._octets, b""
        return octets
