"""One connection: the request goes out in one piece, the head of the answer is read, exceptions pass."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.conditions import wait_until
from upstream.attempts import BackgroundUpload, ListedUpload, Moments

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Upload
from gateway.exchange.target import parse_endpoint
from gateway.upstream import connection as module
from gateway.upstream.connection import Connection, Sending
from gateway.upstream.head import FramedHead

HEAD = b"POST / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Struck(BaseException):
    """What an interrupter throws."""


class Interrupted:
    """A socket into whose waits an exception is thrown."""

    def __init__(self, sock: socket.socket, method: str) -> None:
        self._sock = sock
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return self._throw if name == self._method else getattr(self._sock, name)

    def _throw(self, *_: object) -> bytes:
        raise Struck


class Line:
    """A connection, its other end and one attempt on it."""

    def __init__(self, upload: Upload | None = None) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(5)
        self.connection = Connection(self.ours)
        self.watch = Moments()
        self.attempt = Attempt(parse_endpoint("http://up.example"))
        self.sending = Sending(self.attempt, upload, self.watch)

    def ask(self, expects: bool = False, method: str = "POST") -> FramedHead:
        return self.connection.ask(HEAD, expects, method, self.sending)

    def failure(self) -> str:
        with pytest.raises(FailureError) as caught:
            self.ask()
        return caught.value.failure.kind.code

    def close(self) -> None:
        self.connection.close()
        self.theirs.close()


@pytest.fixture
def line() -> Iterator[Callable[..., Line]]:
    """Make lines that end with the test."""
    made: list[Line] = []

    def make(upload: Upload | None = None) -> Line:
        made.append(Line(upload))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_answer_to_a_bodiless_request_is_read(line: Callable[..., Line]) -> None:
    """The moments come in order, and the connection knows that nothing is missing."""
    one = line()
    one.theirs.sendall(OK)

    framed = one.ask()

    assert framed.head.status == one.attempt.status == 200
    assert one.watch.seen == ["sent", "answered"]
    assert one.attempt.answered
    assert one.connection.sent_whole
    assert one.connection.uses == 1
    assert one.theirs.recv(1000) == HEAD


def test_upload_runs_beside_the_answer(line: Callable[..., Line]) -> None:
    """A final answer that comes first is returned; then the request is not whole and the wait is never armed."""
    upload = BackgroundUpload([b"late"], 4)
    one = line(upload)
    one.theirs.sendall(OK)

    assert one.ask().head.status == 200
    assert one.watch.seen == ["answered"]
    assert not one.connection.sent_whole

    upload.released.set()
    wait_until(lambda: one.connection.sent_whole)
    assert one.watch.seen == ["answered"]


def test_upload_of_no_octets_is_not_started(line: Callable[..., Line]) -> None:
    """Its framing says all there is to say."""
    upload = ListedUpload([], 0)
    one = line(upload)
    one.theirs.sendall(OK)

    one.ask()

    assert upload.started == 0
    assert one.connection.sent_whole
    assert one.watch.seen == ["sent", "answered"]


def test_expected_continue_starts_the_upload(line: Callable[..., Line]) -> None:
    """The body waits for the upstream's word (RFC 9110 section 10.1.1)."""
    one = line(ListedUpload([b"body"], 4))
    seen: list[bytes] = []

    def serve() -> None:
        seen.append(one.theirs.recv(1000))
        one.theirs.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        seen.append(one.theirs.recv(1000))
        one.theirs.sendall(OK)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    framed = one.ask(expects=True)
    thread.join(5)

    assert framed.head.status == 200
    assert seen == [HEAD, b"body"]
    assert one.watch.interim == []


def test_final_answer_to_an_expectation_leaves_the_body_unsent(line: Callable[..., Line]) -> None:
    """The upstream said that it does not want it; the connection cannot be used again."""
    upload = ListedUpload([b"body"], 4)
    one = line(upload)
    one.theirs.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")

    assert one.ask(expects=True).head.status == 417
    assert upload.started == 0
    assert not one.connection.sent_whole


def test_silence_after_an_expectation_lets_the_body_go(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upstream that knows nothing of 100 is served all the same, also where half a head came in time."""
    monkeypatch.setattr(module, "CONTINUE_SECONDS", 0.05)
    upload = ListedUpload([b"body"], 4)
    one = line(upload)
    one.theirs.sendall(OK[:9])

    def serve() -> None:
        while not one.theirs.recv(1000).endswith(b"body"):
            pass
        one.theirs.sendall(OK[9:])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    framed = one.ask(expects=True)
    thread.join(5)

    assert framed.head.status == 200
    assert one.ours.gettimeout() is None


@pytest.mark.parametrize(("sent", "answered"), [(b"", False), (b"HTTP/1.1 20", True)])
def test_end_before_a_whole_head_is_a_missing_head(line: Callable[..., Line], sent: bytes, answered: bool) -> None:
    """Whether anything of an answer came decides what may be tried again."""
    one = line()
    one.theirs.sendall(sent)
    one.theirs.shutdown(socket.SHUT_WR)

    assert one.failure() == "head_missing"
    assert one.attempt.answered is answered
    assert one.attempt.status is None


def test_answer_before_the_upstream_stopped_reading_is_read(line: Callable[..., Line]) -> None:
    """A request that could not be sent may have been answered; the connection is not whole then."""
    one = line()
    one.theirs.sendall(OK)
    one.theirs.close()

    assert one.ask().head.status == 200
    assert not one.connection.sent_whole


def test_unsent_and_unanswered_request_is_a_failed_send(line: Callable[..., Line]) -> None:
    """Nothing came back: the failure says that already the sending failed, and nobody waits for ever."""
    one = line()
    one.theirs.close()

    assert one.failure() == "send_failed"
    assert not one.attempt.answered
    assert one.watch.seen == ["sent"]


def test_unsent_and_unanswered_body_is_a_failed_send(line: Callable[..., Line]) -> None:
    """The same where the head went out and the body did not."""
    one = line()

    class Closing(ListedUpload):
        def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
            one.theirs.recv(1000)
            one.theirs.close()
            super().start(write, finish)

    one.sending.upload = Closing([b"body"], 4)

    assert one.failure() == "send_failed"


def test_request_head_larger_than_the_buffers_goes_out_whole(line: Callable[..., Line]) -> None:
    """One call may take a part only; the rest follows."""
    one = line()
    head = b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n"
    seen = bytearray()

    def serve() -> None:
        while len(seen) < len(head):
            seen.extend(one.theirs.recv(65536))
        one.theirs.sendall(OK)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    Connection(Partial(one.ours)).ask(head, False, "GET", one.sending)  # type: ignore[arg-type]
    thread.join(5)

    assert seen == head


class Partial:
    """A socket that takes a part of what it is given, as a busy one does."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, octets: bytes) -> int:
        return self._sock.send(octets[:1000])


@pytest.mark.parametrize("expects", [False, True])
def test_exception_thrown_into_the_wait_passes_as_it_is(line: Callable[..., Line], expects: bool) -> None:
    """Deadlines and clients that left are told from failures by their type."""
    one = line(ListedUpload([], None))
    one.connection.recv = Interrupted(one.ours, "recv").recv

    with pytest.raises(Struck):
        one.ask(expects)


@pytest.mark.parametrize(
    ("sent", "ended", "quiet"),
    [(b"", False, True), (b"x", False, False), (b"", True, False)],
    ids=["idle", "stray", "fin"],
)
def test_idle_connection_is_quiet_only_while_nothing_came(
    line: Callable[..., Line], sent: bytes, ended: bool, quiet: bool
) -> None:
    """Stray octets and ends are noticed without waiting, and the socket is left as it was."""
    one = line()
    one.theirs.sendall(sent)
    if ended:
        one.theirs.close()

    assert one.connection.quiet() is quiet
    assert one.ours.gettimeout() is None


def test_closing_stops_the_upload_first(line: Callable[..., Line]) -> None:
    """Nothing writes to a closed socket; closing twice is harmless."""
    upload = BackgroundUpload([b"late"], 4)
    one = line(upload)
    one.theirs.sendall(OK)
    one.ask()

    one.connection.close()
    one.connection.close()

    assert upload.stopped == 1
    assert one.ours.fileno() == -1


def test_socket_is_closed_even_if_the_upload_cannot_be_stopped(line: Callable[..., Line]) -> None:
    """Nothing that happens on the way keeps the connection open."""

    class Stubborn(ListedUpload):
        def stop(self) -> None:
            raise Struck

    one = line(Stubborn([None], 4))
    one.theirs.sendall(OK)
    one.ask()

    with pytest.raises(Struck):
        one.connection.close()
    assert one.ours.fileno() == -1


def test_wait_is_used_where_nothing_is_expected_yet() -> None:
    """A way to wait that costs less than a read in vain is taken when it is offered."""
    ours, theirs = socket.socketpair()
    waited: list[socket.socket] = []
    theirs.sendall(OK)
    connection = Connection(ours, waited.append)
    with theirs:
        connection.ask(HEAD, False, "GET", Sending(Attempt(parse_endpoint("http://h")), None, Moments()))
        connection.close()

    assert waited == [ours]
