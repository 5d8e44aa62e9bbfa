"""Bodies of requests as they arrive: whole or refused, bounded, and never a request too much behind them."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest
from gunicorn.config import Config
from support.pieces import received_into

from gateway.exchange.failure import FailureError
from gateway.server.request import ExactParser, ExactRequest, Limits
from gateway.server.upload_body import UploadBody

LIMITS = Limits(request_line_bytes=2048, fields=20, field_bytes=1024, head_bytes=8192)
CONFIG = Config()
CONFIG.set("http_parser", "python")


def a_head(*lines: str, start: str) -> bytes:
    """Return a head with the field ``lines``."""
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")


class Upload:
    """A request whose body comes over a connection."""

    def __init__(self, *lines: str, behind: bytes = b"", version: str = "1.1") -> None:
        self.client, server = gevent.socket.socketpair()
        self.client.settimeout(5)
        self.client.sendall(a_head("Host: h", *lines, start=f"POST / HTTP/{version}") + behind)
        self.parser = ExactParser(CONFIG, server, ("192.0.2.7", 1), LIMITS, "http")
        self.request: ExactRequest = next(self.parser)
        self.body: UploadBody = self.request.body
        self.server = server

    def close(self) -> None:
        self.client.close()
        self.server.close()


class Torrent:
    """A socket that always has as much as is asked for; a wait for it only lets others have their turn."""

    def __init__(self, sock: Any) -> None:
        self.asked: list[int] = []
        self.waits = 0
        self.hub = gevent.get_hub()
        self._sock = self
        self._always = sock

    @property
    def _read_event(self) -> Any:
        self.waits += 1
        return self._always._write_event

    def recv(self, size: int) -> bytes:
        self.asked.append(size)
        return bytes([len(self.asked)]) * size


class Bulk(Torrent):
    """A socket on which all of ``octets`` has come already."""

    def __init__(self, sock: Any, octets: bytes) -> None:
        super().__init__(sock)
        self.run_reads = 0
        self._octets = octets

    def recv(self, size: int) -> bytes:
        some, self._octets = self._octets[:size], self._octets[size:]
        return some

    def recvmsg_into(self, buffers: list[memoryview]) -> tuple[int, list[Any], int, None]:
        self.run_reads += 1
        return received_into(buffers, self.recv)


@pytest.fixture
def uploads() -> Iterator[Callable[..., Upload]]:
    """Make uploads that are closed with the test."""
    made: list[Upload] = []

    def make(*arguments: str, **options: Any) -> Upload:
        made.append(Upload(*arguments, **options))
        return made[-1]

    yield make
    for upload in made:
        upload.close()


class TestBodies:
    """The body as it arrives."""

    def test_pieces_come_as_they_arrive(self, uploads: Callable[..., Upload]) -> None:
        """None is held back for a next one, and the end is known with the last."""
        upload = uploads("Content-Length: 6", behind=b"one")
        pieces = upload.body.pieces()
        assert next(pieces) == b"one"
        assert not upload.body.wait(0.01)

        upload.client.sendall(b"two")

        assert upload.body.wait(5)
        assert next(pieces) == b"two"
        assert not upload.body.done
        assert list(pieces) == []
        assert upload.body.done

    @pytest.mark.parametrize(
        ("lines", "body"),
        [(["Content-Length: 5"], b"hello"), (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n\r\n")],
    )
    def test_octets_behind_a_body_are_the_next_request(
        self, uploads: Callable[..., Upload], lines: list[str], body: bytes
    ) -> None:
        """Not one more and not one less, however they came."""
        upload = uploads(*lines, behind=body + a_head("Host: n", start="GET /next HTTP/1.1"))

        assert b"".join(upload.body.pieces()) == b"hello"

        assert upload.parser.has_buffered()
        assert next(upload.parser).uri == "/next"

    def test_empty_line_behind_a_body_is_no_request(self, uploads: Callable[..., Upload]) -> None:
        """Old clients send one (RFC 9112 section 2.2); a connection with nothing else waits, and is idle."""
        upload = uploads("Content-Length: 5", behind=b"hello\r\n")

        assert b"".join(upload.body.pieces()) == b"hello"
        assert not upload.parser.has_buffered()

    def test_next_request_cannot_begin_inside_a_body(self, uploads: Callable[..., Upload]) -> None:
        """A body that nobody read hides no request."""
        upload = uploads("Content-Length: 99", behind=a_head("Host: n", start="GET /hidden HTTP/1.1"))

        with pytest.raises(StopIteration):
            next(upload.parser)

    @pytest.mark.parametrize(
        ("lines", "body", "code"),
        [
            (["Content-Length: 9"], b"short", "upload_cut"),
            (["Transfer-Encoding: chunked"], b"5\r\nhel", "upload_cut"),
            (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n", "upload_cut"),
            (["Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\n", "upload_cut"),
            (["Transfer-Encoding: chunked"], b"x\r\n", "bad_request"),
            (["Transfer-Encoding: chunked"], b"5\r\nhello0\r\n\r\n", "bad_request"),
            (["Transfer-Encoding: chunked"], b"+5\r\nhello\r\n0\r\n\r\n", "bad_request"),
            (["Transfer-Encoding: chunked"], b"5\nhello\r\n0\r\n\r\n", "bad_request"),
        ],
    )
    def test_body_that_does_not_come_whole_is_a_failure(
        self, uploads: Callable[..., Upload], lines: list[str], body: bytes, code: str
    ) -> None:
        """Never an end; and no request is looked for behind it."""
        upload = uploads(*lines, behind=body)
        upload.client.close()

        with pytest.raises(FailureError) as caught:
            list(upload.body.pieces())

        assert caught.value.failure.kind.code == code
        assert upload.body.failed and not upload.body.done
        with pytest.raises(StopIteration):
            next(upload.parser)

    def test_large_pieces_are_bounded(self, uploads: Callable[..., Upload]) -> None:
        """However fast it comes, one piece stays small, and nothing is read beyond what is due."""
        upload = uploads("Content-Length: 4000000")
        sending = gevent.spawn(upload.client.sendall, b"x" * 4_000_000 + b"next")

        sizes = [len(piece) for piece in upload.body.pieces()]
        sending.join(5)

        assert sum(sizes) == 4_000_000
        assert max(sizes) <= 512 * 1024
        assert (upload.parser.unreader.take_buffered() or upload.server.recv(10)) == b"next"

    def test_what_a_wait_finds_is_neither_lost_nor_too_much(self, uploads: Callable[..., Upload]) -> None:
        """A wait behind a full read reads on; whoever goes on with the body then gets every octet, and once."""
        upload = uploads("Content-Length: 4000000")
        torrent = upload.parser.unreader.sock = Torrent(upload.server)

        taken = next(upload.body.pieces())
        while not upload.body.done:
            assert upload.body.wait(5) and upload.body.wait(5)
            taken += next(upload.body.pieces(), b"")  # Each time anew, as after a stop.

        assert torrent.asked[:3] == [64 * 1024, 256 * 1024, 512 * 1024]
        assert max(torrent.asked) == 512 * 1024
        assert sum(torrent.asked) == len(taken) == 4_000_000
        assert 2 <= torrent.waits < len(torrent.asked) / 2  # Others have their turn, too.
        assert taken == b"".join(bytes([number]) * size for number, size in enumerate(torrent.asked, 1))

    def test_a_client_that_leaves_behind_a_full_read_is_a_cut(self, uploads: Callable[..., Upload]) -> None:
        """Also where it is the wait that meets the end."""
        upload = uploads("Content-Length: 70000")
        sending = gevent.spawn(upload.client.sendall, b"x" * 65536)
        pieces = upload.body.pieces()
        taken = 0
        while taken < 65536:
            assert upload.body.wait(5)
            taken += len(next(pieces))
        sending.join(5)
        upload.client.close()

        assert upload.body.wait(5)
        with pytest.raises(FailureError) as caught:
            next(pieces)

        assert caught.value.failure.kind.code == "upload_cut"

    @pytest.mark.parametrize("waits", [1, 2])
    def test_runs_of_large_chunks_lose_nothing_however_they_are_waited_for(
        self, uploads: Callable[..., Upload], waits: int
    ) -> None:
        """Read without being copied, by the wait or behind it, and also where somebody else goes on."""
        upload = uploads("Transfer-Encoding: chunked")
        data = bytes(range(251)) * 300
        octets = (b"%x\r\n%b\r\n" % (len(data), data)) * 100 + b"0\r\n\r\nnext"
        bulk = upload.parser.unreader.sock = Bulk(upload.server, octets)

        taken = b""
        while not upload.body.done:
            assert all(upload.body.wait(5) for _ in range(waits))
            taken += next(upload.body.pieces(), b"")  # Each time anew, as after a stop.

        assert taken == data * 100
        assert bulk.run_reads > 10
        assert not upload.body.failed
        assert upload.parser.unreader.buf.getvalue() == b"next"

    def test_a_piece_of_a_run_is_not_held_while_the_next_is_waited_for(self, uploads: Callable[..., Upload]) -> None:
        """A few octets may hold half a megabyte; whoever took them decides for how long."""
        upload = uploads("Transfer-Encoding: chunked")
        octets = b"%x\r\n%b\r\n" % (100_000, bytes(100_000)) * 40
        upload.parser.unreader.sock = Bulk(upload.server, octets[:-1000])
        pieces = upload.body.pieces()
        taken = [next(pieces) for _ in range(4)]
        last = weakref.ref(taken[-1])

        assert isinstance(last(), memoryview)
        taken.clear()
        assert last() is None

    def test_a_connection_that_was_given_back_is_a_cut_upload(self, uploads: Callable[..., Upload]) -> None:
        """Whoever closes it need not end the upload first, and it is no defect."""
        upload = uploads("Content-Length: 9")
        upload.server.close()

        assert upload.body.wait(5)
        with pytest.raises(FailureError) as caught:
            next(upload.body.pieces())

        assert caught.value.failure.kind.code == "upload_cut"

    @pytest.mark.parametrize("rest", [b"", b"12cb4\r\n" + bytes(1000)])
    def test_a_client_that_leaves_within_a_run_is_a_cut(self, uploads: Callable[..., Upload], rest: bytes) -> None:
        """Also where it is the wait that meets the end."""
        upload = uploads("Transfer-Encoding: chunked")
        data = bytes(76_980)
        upload.parser.unreader.sock = Bulk(upload.server, (b"%x\r\n%b\r\n" % (len(data), data)) * 100 + rest)
        pieces = upload.body.pieces()
        taken = 0

        with pytest.raises(FailureError) as caught:
            while upload.body.wait(5):
                taken += len(next(pieces))

        assert caught.value.failure.kind.code == "upload_cut"
        assert taken == 100 * len(data) + len(rest[7:])
        assert upload.body.failed

    @pytest.mark.parametrize(
        ("lines", "behind", "at_hand"),
        [
            ([], b"", True),
            (["Content-Length: 5"], b"hello", True),
            (["Content-Length: 5"], b"hello, next", True),
            (["Content-Length: 5"], b"hell", False),
            (["Transfer-Encoding: chunked"], b"0\r\n\r\n", False),
        ],
    )
    def test_body_is_at_hand_if_all_of_it_is_there(
        self, uploads: Callable[..., Upload], lines: list[str], behind: bytes, at_hand: bool
    ) -> None:
        """Then no greenlet is needed to read it."""
        assert uploads(*lines, behind=behind).body.at_hand() is at_hand

    @pytest.mark.parametrize(("behind", "received"), [(b"hello", b"hello"), (b"hello, next", b"hello"), (b"he", b"he")])
    def test_what_was_received_can_be_seen_and_is_yielded_all_the_same(
        self, uploads: Callable[..., Upload], behind: bytes, received: bytes
    ) -> None:
        """Not what is behind it: that belongs to the next request."""
        body = uploads("Content-Length: 5", behind=behind).body

        assert body.received() == received
        assert next(body.pieces()) == received
        assert body.received() == b""


class TestContinue:
    """RFC 9110 section 10.1.1."""

    def test_client_that_waits_is_told_to_go_on_once(self, uploads: Callable[..., Upload]) -> None:
        """When its body is wanted, and not before."""
        upload = uploads("Expect: 100-Continue", "Content-Length: 5")
        upload.client.settimeout(0.02)
        with pytest.raises(TimeoutError):
            upload.client.recv(100)

        assert not upload.body.wait(0.01)
        assert not upload.body.wait(0.01)

        assert upload.client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        with pytest.raises(TimeoutError):
            upload.client.recv(100)

    @pytest.mark.parametrize(
        ("version", "behind"), [("1.0", b""), ("1.1", b"hell")], ids=["HTTP/1.0", "body under way"]
    )
    def test_client_that_does_not_wait_hears_nothing(
        self, uploads: Callable[..., Upload], version: str, behind: bytes
    ) -> None:
        """HTTP/1.0 knows no 100, and who sends already needs none for what is there."""
        upload = uploads("Expect: 100-continue", "Content-Length: 5", version=version, behind=behind)
        upload.body.wait(0.01)

        upload.client.settimeout(0.02)
        with pytest.raises(TimeoutError):
            upload.client.recv(100)

    def test_client_that_left_is_a_cut_upload_and_no_defect(self, uploads: Callable[..., Upload]) -> None:
        """Telling it to go on fails; that is the client's failure."""
        upload = uploads("Expect: 100-continue", "Content-Length: 5")
        upload.client.close()
        upload.server.shutdown(gevent.socket.SHUT_WR)

        assert upload.body.wait(5)
        with pytest.raises(FailureError) as caught:
            next(upload.body.pieces())

        assert caught.value.failure.kind.code == "upload_cut"


@pytest.mark.parametrize(("requests", "follows"), [(1, True), (40_000, False)])
def test_requests_far_ahead_behind_a_chunked_body_are_not_kept(
    uploads: Callable[..., Upload], requests: int, follows: bool
) -> None:
    """They would take half a megabyte for as long as the next answer lasts; who asks so far ahead has to ask again."""
    upload = uploads("Transfer-Encoding: chunked")
    behind = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * requests
    upload.parser.unreader.unread(b"5\r\nhello\r\n0\r\n\r\n" + behind)  # As one large read may bring it.

    assert list(upload.body.pieces()) == [b"hello"]
    assert list(upload.body.pieces()) == []
    assert upload.body.done is follows
    assert upload.parser.unreader.buf.tell() == (len(behind) if follows else 0)
