"""Request bodies on their way up: framed once, complete or visibly not."""

import socket
import threading
from collections.abc import Iterator

import pytest
from upstream.attempts import ListedUpload, Moments

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import UPLOAD_CUT, Failure, FailureError
from gateway.exchange.target import parse_endpoint
from gateway.upstream.uploading import Uploading

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two connected sockets: ours and the upstream's."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs


class Upward:
    """An upload under way, with what belongs to it."""

    def __init__(self, sock: socket.socket, pieces: list[bytes | None], length: int | None) -> None:
        self.watch = Moments()
        self.attempt = Attempt(parse_endpoint("http://up.example"))
        self.upload = ListedUpload(pieces, length)
        self.uploading = Uploading(sock, self.upload, self.attempt, self.watch)


def received(ends: Ends) -> bytes:
    """Return all that reached the upstream once our side has closed."""
    ours, theirs = ends
    ours.close()
    return b"".join(iter(lambda: theirs.recv(65536), b""))


@pytest.mark.parametrize(
    ("pieces", "length", "wire"),
    [
        (
            [b"hello", b"", b" world!", b"x" * 16],
            None,
            b"5\r\nhello\r\n7\r\n world!\r\n10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n",
        ),
        ([], None, b"0\r\n\r\n"),
        ([b"hel", b"", b"lo"], 5, b"hello"),
    ],
)
def test_whole_body_is_framed_and_ended(
    ends: Ends, pieces: list[bytes | None], length: int | None, wire: bytes
) -> None:
    """Each piece goes out as it came, an empty one does not end the body, and its end is told."""
    upward = Upward(ends[0], pieces, length)

    upward.uploading.start()

    assert upward.uploading.whole
    assert upward.watch.seen == ["sent"]
    assert received(ends) == wire


@pytest.mark.parametrize(("length", "wire"), [(None, b"3\r\nhel\r\n"), (5, b"hel")])
def test_body_cut_by_the_client_is_never_ended(ends: Ends, length: int | None, wire: bytes) -> None:
    """The upstream can see that something is missing."""
    upward = Upward(ends[0], [b"hel", None], length)

    upward.uploading.start()

    assert not upward.uploading.whole
    assert upward.watch.seen == []
    assert received(ends) == wire


@pytest.mark.parametrize("pieces", [[b"hel"], [b"hello!"]])
def test_body_of_another_length_than_announced_is_a_defect(ends: Ends, pieces: list[bytes | None]) -> None:
    """Neither too few octets nor too many pass for the body that was announced."""
    upward = Upward(ends[0], pieces, 5)

    upward.uploading.start()

    assert upward.upload.failure is not None
    assert upward.upload.failure.failure.kind.code == "internal"
    assert not upward.uploading.whole
    assert b"!" not in received(ends)


def test_upstream_that_stopped_reading_ends_the_upload_and_arms_the_wait(ends: Ends) -> None:
    """Its answer is awaited then, and the failure kept for the case that none comes."""
    upward = Upward(ends[0], [b"hello", b"again"], None)
    ends[1].close()

    upward.uploading.start()

    assert upward.uploading.failure is not None
    assert upward.uploading.failure.kind.code == "send_failed"
    with pytest.raises(FailureError) as caught:
        upward.uploading.write(b"more")
    assert caught.value.failure is upward.uploading.failure
    assert upward.watch.seen == ["sent"]


def test_upload_that_lets_its_failure_out_is_quiet_all_the_same(ends: Ends) -> None:
    """A source of octets need not know about upstreams that stopped reading."""
    upward = Upward(ends[0], [], None)
    upward.upload.start = lambda write, finish: write(b"x")  # type: ignore[method-assign]
    ends[1].close()

    upward.uploading.start()

    assert upward.uploading.failure is not None


def test_failure_of_the_client_passes(ends: Ends) -> None:
    """Only the upstream's side is kept back."""
    upward = Upward(ends[0], [], None)

    failure = Failure(UPLOAD_CUT)

    def start(write: object, finish: object) -> None:
        raise FailureError(failure)

    upward.upload.start = start  # type: ignore[method-assign]

    with pytest.raises(FailureError) as caught:
        upward.uploading.start()
    assert caught.value.failure is failure


def test_end_of_an_answered_upload_is_not_told(ends: Ends) -> None:
    """A wait for an answer that is there already must not be armed."""
    upward = Upward(ends[0], [b"hello"], 5)
    upward.attempt.status = 200

    upward.uploading.start()

    assert upward.uploading.whole
    assert upward.watch.seen == []


def test_large_pieces_reach_a_slow_upstream_whole(ends: Ends) -> None:
    """A piece is framed once, however often the connection takes only a part of it."""
    ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    piece = bytes(range(256)) * 1024
    taken: list[bytes] = []
    reader = threading.Thread(target=lambda: taken.extend(iter(lambda: ends[1].recv(10_000), b"")), daemon=True)
    reader.start()
    upward = Upward(ends[0], [piece, b"end", piece], None)
    ends[0].settimeout(5)  # Then a send takes what there is room for, as gevent's do.

    upward.uploading.start()
    ends[0].close()
    reader.join(5)

    framed = b"%x\r\n%b\r\n" % (len(piece), piece)
    assert upward.uploading.whole
    assert b"".join(taken) == framed + b"3\r\nend\r\n" + framed + b"0\r\n\r\n"


@pytest.mark.parametrize("length", [None, 300_000])
def test_what_the_upstream_took_is_counted_while_a_piece_is_under_way(ends: Ends, length: int | None) -> None:
    """Whoever watches for a standstill sees every octet go, not only whole pieces."""
    ours, theirs = ends
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    one = Upward(ours, [b"x" * 300_000], length)

    def send() -> None:
        one.uploading.start()
        ours.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    theirs.recv(1)
    early = one.attempt.taken_bytes
    while theirs.recv(65536):
        pass
    sender.join(5)

    assert early < 300_000
    assert one.attempt.taken_bytes >= 300_000
    assert one.uploading.whole
