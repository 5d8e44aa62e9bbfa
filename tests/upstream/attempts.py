"""Our side of an attempt, for the tests of this room: a watch that writes down, uploads that follow a list, a call."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from support.exchanges import a_request
from support.scripted_upstream import ScriptedUpstream

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, Reply, ReplyHead, Upload
from gateway.exchange.route import TlsToUpstream, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.upstream.opening import Opener


class Moments:
    """A watch that writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.interim: list[ReplyHead] = []

    def connecting(self) -> None:
        self.seen.append("connecting")

    def connected(self) -> None:
        self.seen.append("connected")

    def sent(self) -> None:
        self.seen.append("sent")

    def answered(self) -> None:
        self.seen.append("answered")

    def informational(self, head: ReplyHead) -> None:
        self.interim.append(head)


class ListedUpload:
    """An upload whose pieces are listed; None in the list ends it without ``finish``, as a lost client does."""

    def __init__(self, pieces: Sequence[bytes | None], length: int | None = None) -> None:
        self.pieces = pieces
        self.length = length
        self.started = self.stopped = 0
        self.failure: FailureError | None = None

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        self.started += 1
        self.flow(write, finish)

    def flow(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        try:
            for piece in self.pieces:
                if piece is None:
                    return
                write(piece)
            finish()
        except FailureError as error:
            self.failure = error

    def stop(self) -> None:
        self.stopped += 1


class BackgroundUpload(ListedUpload):
    """The same in a thread of its own, held until ``released``."""

    def __init__(self, pieces: Sequence[bytes | None], length: int | None = None) -> None:
        super().__init__(pieces, length)
        self.released = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        self.started += 1

        def run() -> None:
            if self.released.wait(10) and not self.stopped:
                self.flow(write, finish)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.stopped += 1
        self.released.set()


@dataclass
class Asked:
    """What came of one attempt."""

    attempt: Attempt
    watch: Moments
    reply: Reply | None = None
    error: FailureError | None = None
    chunks: list[bytes] = field(default_factory=list)
    broken: FailureError | None = None

    @property
    def kind(self) -> str:
        """Code of the failure that ``open`` raised."""
        assert self.error is not None, self.reply
        assert self.error.failure is self.attempt.failure
        return self.error.failure.kind.code

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def read(self) -> "Asked":
        """Read the body to its end, and write down how it ended."""
        assert self.reply is not None, self.error
        try:
            for chunk in self.reply.chunks:
                self.chunks.append(chunk)
        except FailureError as error:
            self.broken = error
        self.reply.chunks.close()
        return self


def opener_for(upstream: ScriptedUpstream, tls: TlsToUpstream | None = None, **settings: float) -> Opener:
    """Return an opener whose only endpoint is ``upstream``."""
    described = Upstream("scripted", (parse_endpoint(upstream.url),), tls=tls or TlsToUpstream(), **settings)
    return Opener(described)


def ask(
    opener: Opener,
    method: str = "GET",
    target: str = "/",
    fields: Fields | None = None,
    upload: Upload | None = None,
    watch: Moments | None = None,
) -> Asked:
    """Make one attempt and write down what came of it; what is no failure is raised."""
    (endpoint,) = opener.endpoints
    attempt = Attempt(endpoint, target, fields if fields is not None else [("Host", "up.example")])
    asked = Asked(attempt, watch or Moments())
    exchange = Exchange("0f1e", a_request(method, target), 100.0, upload=upload)
    try:
        asked.reply = opener.open(exchange, attempt, asked.watch)
    except FailureError as error:
        asked.error = error
    return asked
