"""The timer of the pings: when it acts, when it leaves the client alone, and what it leaves undisturbed."""

import itertools
from typing import Any

import gevent
import pytest
from support.exchanges import a_reply, an_attempt, an_exchange

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, FIRST_BYTE_TIMEOUT, Failure
from gateway.exchange.message import ReplyHead
from gateway.exchange.promise import Promise
from gateway.exchange.wire import Wire
from gateway.relay.interrupts import Interrupts
from gateway.relay.keepalive import Keepalive, Pulse

HEAD = ReplyHead(200, "OK", [])
PROMISE = Promise(Wire("sse", lambda: True, lambda octets: b"[%b]" % octets), frozenset())


class Client:
    """A response that takes all, unless it is told otherwise."""

    def __init__(self) -> None:
        self.takes = True
        self.sent: list[bytes] = []

    def can_begin(self) -> bool:
        return self.takes

    def begin(self, head: ReplyHead, octets: bytes) -> None:
        self.sent.append(b"head" + octets)

    def free(self) -> bool:
        return self.takes

    def aside(self, octets: bytes) -> None:
        self.sent.append(octets)


class Unslotted(Keepalive):
    """A timer whose arming a test can replace."""


class Rig:
    """A timer whose clock the test moves: a ping after 10 s of silence, a head after 25 s."""

    def __init__(self, grace: float | None = 25.0, promised: Promise | None = PROMISE) -> None:
        self.now = 100.0
        self.exchange: Exchange = an_exchange()
        self.client = Client()
        self.interrupts = Interrupts(lambda: self.now)
        self.defects: list[Exception] = []
        self.ping = b"~"
        self._promised = promised
        pulse = Pulse(
            10.0,
            grace,
            promise=lambda: None if self._promised is None else (HEAD, self._promised),
            commit=self._commit,
            ping=lambda format: format.encode(),
            body_ping=self._body_ping,
            report=self.defects.append,
        )
        self.timer = Unslotted(self.exchange, self.interrupts, self.client, pulse, lambda: self.now)
        self.waits: list[float] = []
        self._due: float | None = None
        self.timer._arm = self._arm  # type: ignore[method-assign]
        self.timer.start()

    def _arm(self, seconds: float) -> None:
        self._due = self.now + seconds
        self.waits.append(seconds)

    def _commit(self, head: ReplyHead, promised: Promise) -> bool:
        self.exchange.early, self.exchange.promised, self.exchange.reply = True, promised, a_reply()
        return True

    def _body_ping(self) -> bytes:
        return self.ping

    def pass_(self, seconds: float) -> list[bytes]:
        """Let time pass, with all looks that fall due; return what was sent meanwhile."""
        before, end = len(self.client.sent), self.now + seconds
        while self._due is not None and self._due <= end:
            self.now, self._due = self._due, None
            self.timer._fired()
        self.now = end
        return self.client.sent[before:]

    def begin_body(self) -> None:
        """The answer is there, and its first chunk is waited for."""
        self.exchange.reply, self.exchange.wire = a_reply(), PROMISE.wire
        self.interrupts.since = self.now


def test_silence_in_a_body_is_pinged_again_and_again() -> None:
    """From the last chunk on, in the content coding of the stream; each is counted."""
    rig = Rig()
    rig.pass_(3)
    rig.begin_body()
    assert rig.pass_(9.9) == []
    assert rig.pass_(20.2) == [b"[~]", b"[~]", b"[~]"]
    assert rig.exchange.pings == 3
    rig.interrupts.since = rig.now
    assert rig.pass_(9.9) == []
    assert rig.pass_(0.2) == [b"[~]"]


def test_nothing_is_sent_while_it_is_the_clients_turn_or_no_ping_may_be() -> None:
    """And nothing is counted, nor put into a coding, where it would not go out."""
    rig = Rig()
    rig.begin_body()
    rig.interrupts.since = None
    assert rig.pass_(30) == []
    rig.interrupts.since, rig.ping = rig.now, b""
    assert rig.pass_(30) == []
    rig.ping, rig.client.takes = b"~", False
    assert rig.pass_(30) == []
    assert rig.exchange.pings == 0
    rig.client.takes = True
    assert rig.pass_(10) == [b"[~]"]


def test_head_goes_out_when_the_grace_is_over_with_a_ping_at_once() -> None:
    """And further ones until the answer is there."""
    rig = Rig()
    assert rig.pass_(24.9) == []
    assert rig.pass_(0.2) == [b"head[sse]"]
    assert rig.pass_(20) == [b"[sse]", b"[sse]"]
    assert rig.exchange.pings == 3
    rig.begin_body()
    assert rig.pass_(9) == []
    assert rig.pass_(2) == [b"[~]"]


@pytest.mark.parametrize(
    ("grace", "promised", "takes"), [(None, PROMISE, True), (25.0, None, True), (25.0, PROMISE, False)]
)
def test_no_head_goes_out_where_none_may(grace: float | None, promised: Promise | None, takes: bool) -> None:
    """Off, not known what to promise, or a client that does not take it."""
    rig = Rig(grace, promised)
    rig.client.takes = takes
    assert rig.pass_(90) == []
    assert not rig.exchange.early


def test_grace_counts_from_the_last_octet_of_the_request() -> None:
    """A client that still sends is not waiting."""
    rig = Rig()
    rig.timer._at_hand = False
    attempt = an_attempt()
    rig.exchange.attempts.append(attempt)
    assert rig.pass_(50) == []
    attempt.sent_at = rig.now
    assert rig.pass_(24) == []
    assert rig.pass_(2) == [b"head[sse]"]


def test_attempt_that_is_being_ended_gets_no_head_at_the_last_moment() -> None:
    """Its failure can still be told with its status."""
    rig = Rig()
    rig.interrupts.interrupt(Failure(FIRST_BYTE_TIMEOUT))
    assert rig.pass_(40) == []
    rig.interrupts.failure = None
    assert rig.pass_(10) == [b"head[sse]"]
    rig.interrupts.disarm()


def test_exchange_that_has_failed_is_left_alone() -> None:
    """What comes next is its end."""
    rig = Rig()
    rig.begin_body()
    rig.exchange.fail(Failure(CLIENT_GONE))
    looks = len(rig.waits)
    assert rig.pass_(60) == []
    assert len(rig.waits) == looks


def test_defect_ends_the_timer_and_not_the_exchange() -> None:
    """It is reported once."""
    rig = Rig()
    rig.begin_body()
    rig.exchange.wire = Wire("sse", lambda: True, encode=lambda octets: 1 / 0)  # type: ignore[arg-type,return-value]
    assert rig.pass_(60) == []
    assert [type(error) for error in rig.defects] == [ZeroDivisionError]


def test_timer_fires_in_the_event_loop_and_stops() -> None:
    """While the greenlet of the exchange waits, which it does not notice."""
    exchange, client, clock = an_exchange(), Client(), itertools.count(100.0, 10.0)
    none: Any = None
    pulse = Pulse(0.01, None, lambda: None, none, lambda format: b"", lambda: b"~", none)
    timer = Keepalive(exchange, Interrupts(lambda: 0.0), client, pulse, lambda: next(clock))
    exchange.reply, exchange.wire = a_reply(), PROMISE.wire
    timer._interrupts.since = 0.0
    timer.start()
    gevent.sleep(0.1)
    assert len(client.sent) > 2
    timer.stop()
    timer.stop()
    count = len(client.sent)
    gevent.sleep(0.05)
    assert len(client.sent) == count
