"""A client's body as a test wants it to come, and an upload to an upstream that writes down all it gets."""

from collections.abc import Callable, Iterator

from gevent.event import Event

from gateway.exchange.failure import Failure, Kind
from gateway.exchange.route import Route, Timeouts
from gateway.relay.rate_watch import RateWatch
from gateway.relay.upload import ClientUpload
from support.exchanges import a_request, a_route, an_attempt, an_exchange

PATIENCE_SECONDS = 5.0


def route_with(upload_seconds: float | None = 60.0, most: int | None = None) -> Route:
    """A route with an upload timeout and a limit."""
    route = a_route(max_request_body=most)
    object.__setattr__(route, "timeouts", Timeouts(upload=upload_seconds))
    return route


class ListedBody:
    """A client's body: octets are pieces, exceptions are raised, an event is waited for."""

    def __init__(self, *items: bytes | BaseException | Event, length: int | None = None, at_hand: bool = False) -> None:
        self.length = length
        self._items = items
        self._at_hand = at_hand
        self.readable = Event()
        self.readable.set()
        self.reading = 0

    def at_hand(self) -> bool:
        return self._at_hand

    def received(self) -> bytes:
        return b"".join(item for item in self._items if isinstance(item, bytes))

    def wait(self, seconds: float | None) -> bool:
        return self.readable.wait(seconds)

    def pieces(self) -> Iterator[bytes]:
        for item in self._items:
            if isinstance(item, Event):
                self.reading += 1
                try:
                    item.wait()
                finally:
                    self.reading -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item


class Sent:
    """An upload, what reached the upstream, and what the exchange was interrupted by."""

    def __init__(self, body: ListedBody, route: Route | None = None) -> None:
        self.exchange = an_exchange(a_request("POST", body_length=body.length), route or route_with())
        self.exchange.attempts.append(an_attempt())
        self.upload = ClientUpload(self.exchange, body, self, lambda: self.events.append("done"))
        self.events: list[bytes | str] = []
        self.interrupted: list[Failure] = []
        self.rates: list[RateWatch] = []

    def watch_rate(self, watch: RateWatch) -> None:
        self.rates.append(watch)

    def interrupt(self, failure: Failure) -> None:
        self.interrupted.append(failure)

    def answered(self) -> None:
        """The head of the answer is there."""
        self.exchange.attempts[-1].status = 200

    def start(self, write: Callable[[bytes], None] | None = None, finish: Callable[[], None] | None = None) -> "Sent":
        self.upload.start(write or self.events.append, finish or (lambda: self.events.append("finish")))
        return self

    def run(self, write: Callable[[bytes], None] | None = None, finish: Callable[[], None] | None = None) -> "Sent":
        """Start, and wait until it has ended by itself."""
        self.start(write, finish)
        pump = self.upload._pump
        if pump is not None:
            pump.join(PATIENCE_SECONDS)
            assert pump.dead
        return self

    @property
    def kinds(self) -> list[Kind]:
        return [failure.kind for failure in self.interrupted]
