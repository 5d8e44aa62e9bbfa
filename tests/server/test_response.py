"""Responses on the wire: exactly one framing, bodies only where they may be, and pieces the moment they are written."""

import re
import socket
import struct

import pytest
from support.wsgi import ListedBody, ServedRequest

from gateway.exchange.message import Fields, ReplyHead
from gateway.server.response import BodyMismatchError, ClientResponse

DATE = ("Date", "Fri, 20 Nov 2026 06:00:00 GMT")


class Wire:
    """A socket that keeps what is sent: call by call, and no more than ``takes`` octets at once."""

    def __init__(self, takes: int = 1 << 30, broken: OSError | None = None) -> None:
        self.sends: list[bytes] = []
        self.options: list[tuple[int, int, bytes]] = []
        self._takes = takes
        self._broken = broken

    def send(self, octets: bytes) -> int:
        if self._broken is not None:
            raise self._broken
        self.sends.append(bytes(octets[: self._takes]))
        return len(self.sends[-1])

    def sendall(self, octets: bytes) -> None:
        self.send(octets)

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        if self._broken is not None:
            raise self._broken
        self.options.append((level, name, value))

    @property
    def octets(self) -> bytes:
        return b"".join(self.sends)


class Served(ServedRequest):
    """A request that may wait for 100 (Continue)."""

    wants_continue = True


def written(
    status: str = "200 OK",
    fields: Fields | None = None,
    pieces: list[bytes] | None = None,
    *,
    method: str = "GET",
    version: tuple[int, int] = (1, 1),
    keep_alive: bool = True,
    body: ListedBody | None = None,
) -> tuple[bytes, ClientResponse]:
    """Return what a response puts on the wire, and the response."""
    wire = Wire()
    request = Served(method, version=version, body=body or ListedBody(done=True))
    response = ClientResponse(request, wire, keep_alive)
    response(status, [DATE, *(fields or [])])
    for piece in pieces or []:
        response.write(piece)
    response.finish()
    return wire.octets.replace(b"Date: Fri, 20 Nov 2026 06:00:00 GMT\r\n", b""), response


LENGTH: Fields = [("Content-Length", "5")]


@pytest.mark.parametrize(
    ("arguments", "octets", "goes_on"),
    [
        # Known lengths stay known.
        ({"fields": LENGTH, "pieces": [b"he", b"llo"]}, b"200 OK\r\nContent-Length: 5\r\n\r\nhello", True),
        (
            {"fields": LENGTH, "pieces": [b"hello"], "version": (1, 0)},
            b"200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello",
            True,
        ),
        (
            {"fields": LENGTH, "pieces": [b"hello"], "keep_alive": False},
            b"200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            False,
        ),
        # Unknown ones are chunked for who knows chunks, and end with the connection for who does not.
        (
            {"pieces": [b"he", b"", b"llo"]},
            b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            True,
        ),
        ({}, b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        ({"pieces": [b"hello"], "version": (1, 0)}, b"200 OK\r\nConnection: close\r\n\r\nhello", False),
        # Answers without a body have none, and the connection stays usable.
        (
            {"method": "HEAD", "fields": LENGTH, "pieces": [b"hello"]},
            b"200 OK\r\nContent-Length: 5\r\n\r\n",
            True,
        ),
        ({"method": "HEAD", "pieces": [b"hello"]}, b"200 OK\r\n\r\n", True),
        ({"method": "HEAD", "version": (1, 0)}, b"200 OK\r\nConnection: keep-alive\r\n\r\n", True),
        ({"status": "304 Not Modified", "fields": LENGTH}, b"304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
        ({"status": "304 Not Modified", "pieces": [b"x"]}, b"304 Not Modified\r\n\r\n", True),
        ({"status": "204 No Content", "fields": LENGTH, "pieces": [b"x"]}, b"204 No Content\r\n\r\n", True),
        ({"status": "205 ", "fields": [("Content-Length", "0")]}, b"205 \r\nContent-Length: 0\r\n\r\n", True),
        # A body that is still to be read stands between this response and a next request.
        (
            {"fields": LENGTH, "pieces": [b"hello"], "body": ListedBody(length=9)},
            b"200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
            False,
        ),
    ],
)
def test_response_is_framed_in_exactly_one_way(arguments: dict[str, object], octets: bytes, goes_on: bool) -> None:
    """RFC 9112 sections 6 and 9.3."""
    on_the_wire, response = written(**arguments)  # type: ignore[arg-type]

    assert on_the_wire == b"HTTP/1.1 " + octets
    assert response.keep_alive is goes_on


def test_field_lines_go_out_as_they_are() -> None:
    """Order, case, repetition and octets beyond ASCII."""
    lines = [("set-cookie", "a"), ("X-\xe9", "\xff"), ("Set-Cookie", "b"), ("Empty", "")]

    octets, _ = written("200 \xe9", [*lines, ("Content-Length", "0")])

    assert octets == (
        b"HTTP/1.1 200 \xe9\r\nset-cookie: a\r\nX-\xe9: \xff\r\nSet-Cookie: b\r\nEmpty: \r\nContent-Length: 0\r\n\r\n"
    )


def test_date_is_added_only_where_it_is_missing() -> None:
    """The origin's own stays the only one (F15); there is no Server of ours."""
    wire = Wire()
    response = ClientResponse(Served(), wire, True)
    response("200 OK", [("Content-Length", "0")])
    response.finish()

    dates = re.findall(rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", wire.octets)
    assert len(dates) == 1
    assert written(fields=[("Content-Length", "0")])[0].count(b"Date") == 0
    assert b"Server" not in wire.octets


def test_head_and_first_piece_leave_in_one_send() -> None:
    """An empty piece sends the head alone, and what follows does not wait for more (F8)."""
    together, apart = Wire(), Wire()
    for wire, pieces in ((together, [b"one", b"two"]), (apart, [b"", b"one"])):
        response = ClientResponse(Served(), wire, True)
        response("200 OK", [DATE])
        for piece in pieces:
            response.write(piece)

    assert [send[-8:] for send in together.sends] == [b"3\r\none\r\n", b"3\r\ntwo\r\n"]
    assert apart.sends[0].endswith(b"\r\n\r\n")
    assert apart.sends[1:] == [b"3\r\none\r\n"]


@pytest.mark.parametrize("size", [16 * 1024, 16 * 1024 + 1, 300_000])
@pytest.mark.parametrize("takes", [1 << 30, 1000])
def test_large_pieces_arrive_whole_whatever_the_socket_takes(size: int, takes: int) -> None:
    """One copy less for them, the same octets."""
    wire = Wire(takes)
    response = ClientResponse(Served(), wire, True)
    response("200 OK", [DATE])
    piece = bytes(range(256)) * (size // 256 + 1)
    response.write(piece[:size])
    response.finish()

    assert wire.octets.partition(b"\r\n\r\n")[2] == b"%x\r\n%b\r\n0\r\n\r\n" % (size, piece[:size])


@pytest.mark.parametrize("pieces", [[b"hell"], [b"hello!"], [b"hello", b"!"], []])
def test_body_that_is_not_as_long_as_announced_never_ends_politely(pieces: list[bytes]) -> None:
    """What is too long would be read as the next response; what is too short must not look complete."""
    wire = Wire()
    response = ClientResponse(Served(), wire, True)
    response("200 OK", [DATE, *LENGTH])

    with pytest.raises(BodyMismatchError):
        for piece in pieces:
            response.write(piece)
        response.finish()

    assert b"!" not in wire.octets


@pytest.mark.parametrize(
    ("version", "fields", "delimited"),
    [((1, 1), [], False), ((1, 1), LENGTH, False), ((1, 0), LENGTH, False), ((1, 0), [], True)],
)
def test_response_knows_if_only_the_end_of_the_connection_ends_it(
    version: tuple[int, int], fields: Fields, delimited: bool
) -> None:
    """Such a body needs a reset to look cut (law 3)."""
    response = ClientResponse(Served(version=version), Wire(), True)
    response("200 OK", fields)

    assert response.close_delimited is delimited


def test_reset_is_asked_of_the_kernel_and_harmless_on_a_dead_socket() -> None:
    """Linger on, for no time."""
    wire = Wire()
    ClientResponse(Served(), wire, True).reset_on_close()
    ClientResponse(Served(), Wire(broken=OSError(9, "closed")), True).reset_on_close()

    assert wire.options == [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]


def hints(*fields: tuple[str, str]) -> ReplyHead:
    return ReplyHead(103, "Early Hints", list(fields))


class TestInterimResponses:
    """1xx, of which 103 (RFC 8297) is the one that clients know best."""

    def test_hints_go_out_before_the_head(self) -> None:
        """In a message of their own, which has no length."""
        wire = Wire()
        ClientResponse(Served(), wire, True).interim(hints(("Link", "</a>"), ("content-length", "5")))

        assert wire.octets == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    def test_hints_are_not_sent_to_who_cannot_read_them(self) -> None:
        """HTTP/1.0 knows no interim responses (RFC 9110 section 15.2), and behind the head they would be body."""
        old, late = Wire(), Wire()
        ClientResponse(Served(version=(1, 0)), old, True).interim(hints(("Link", "</a>")))
        response = ClientResponse(Served(), late, True)
        response("200 OK", [])
        response.write(b"")
        response.interim(hints(("Link", "</a>")))

        assert b"103" not in old.octets + late.octets

    def test_client_that_left_is_not_taken_for_an_upstream_that_failed(self) -> None:
        """Hints are sent inside an attempt, where an OSError is the upstream's (law 2)."""
        response = ClientResponse(Served(), Wire(broken=BrokenPipeError()), True)

        response.interim(hints(("Link", "</a>")))

        assert not response.head_sent


def test_no_100_continue_is_sent_behind_a_final_head() -> None:
    """It would stand in the body: the upload runs beside the answer, in a greenlet of its own."""
    request = Served()
    response = ClientResponse(request, Wire(), True)
    response("200 OK", [])
    assert request.wants_continue

    response.write(b"")

    assert not request.wants_continue
