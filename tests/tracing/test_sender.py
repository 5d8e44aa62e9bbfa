"""The sender never lets anybody wait, and loses nothing that it does not count."""

import logging
from collections.abc import Callable, Iterator

import gevent
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from support.tracing import an_ended, decoded
from support.waiting import until

from gateway.exchange.callers import Place
from gateway.exchange.failure import CONNECT_REFUSED, Failure, FailureError
from gateway.exchange.target import parse_endpoint
from gateway.exchange.trace import TraceRule, Tracing
from gateway.tracing.sender import BATCH, Sender
from gateway.upstream.posting import Answer

TRACING = Tracing(
    TraceRule(1.0, "all", True), Place(parse_endpoint("http://receiver"), "/v1/traces", timeout_seconds=0.05)
)


class Receiver:
    """Takes messages as ``answers`` say, the last one for all that follow; a number is a status."""

    def __init__(self, *answers: int | Exception | Answer) -> None:
        self._answers = answers or (200,)
        self.messages: list[bytes] = []

    def __call__(self, message: bytes) -> Answer:
        answer = self._answers[min(len(self.messages), len(self._answers) - 1)]
        self.messages.append(message)
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, None, b"") if isinstance(answer, int) else answer


Start = Callable[..., Sender]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start senders with short waits; they end with the test."""
    monkeypatch.setattr(Sender, "first_pause_seconds", 0.02)
    monkeypatch.setattr(Sender, "longest_pause_seconds", 0.04)
    made: list[Sender] = []

    def begin(post: Callable[[bytes], Answer], queue: int = 1000) -> Sender:
        plan = Tracing(TRACING.rule, TRACING.place, resource=(("service.name", "x"),), queue=queue, flush_seconds=0.01)
        made.append(Sender(plan, post))
        return made[-1]

    yield begin
    for each in made:
        each.close(0.0)


def spans(messages: list[bytes]) -> list[str]:
    """Return the ids of the exchanges in all messages."""
    return [span.attributes["slowgate.id"] for message in messages for span in decoded(message) if span.server]


def test_exchanges_are_sent_once_in_their_order_and_in_batches(start: Start) -> None:
    """No message holds more than a batch."""
    receiver = Receiver()
    sender = start(receiver)
    for number in range(BATCH * 2 + 5):
        sender.put(an_ended(number))
    until(lambda: sender.delivered == BATCH * 2 + 5)
    assert spans(receiver.messages) == [f"id-{number}" for number in range(BATCH * 2 + 5)]
    assert len(receiver.messages) == 3
    assert (sender.waiting, sender.dropped, sender.refused) == (0, 0, 0)


@pytest.mark.parametrize(
    "trouble", [FailureError(Failure(CONNECT_REFUSED, "nobody")), 503, 429, 502, 504, Answer(503, "1", b"")]
)
def test_receiver_that_is_away_gets_everything_when_it_is_back(
    start: Start, trouble: object, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once that it is away, and once that it is back."""
    receiver = Receiver(trouble, trouble, 200)  # type: ignore[arg-type]
    sender = start(receiver)
    sender.put(an_ended(1))
    until(lambda: sender.delivered == 1)
    assert spans(receiver.messages[-1:]) == ["id-1"]
    assert (sender.failures, sender.error) == (2, None)
    told = [record.message for record in caplog.records]
    assert [text.partition(",")[0].partition(" to ")[0] for text in told] == [
        "spans cannot be sent",
        "spans can be sent again",
    ]


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_message_that_is_refused_is_counted_and_not_sent_again(
    start: Start, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The next one has its own chance."""
    receiver = Receiver(status, 200)
    sender = start(receiver)
    sender.put(an_ended(1))
    until(lambda: sender.refused == 1)
    sender.put(an_ended(2))
    until(lambda: sender.delivered == 1)
    assert spans(receiver.messages) == ["id-1", "id-2"]
    assert f"of 1 refused by the receiver (status {status})" in caplog.text


def test_spans_that_a_receiver_did_not_take_are_told(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A partial success is a 200 that says so."""
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old\nnext"
    sender = start(Receiver(Answer(200, None, answer.SerializeToString())))
    sender.put(an_ended(1))
    until(lambda: sender.refused == 1)
    until(lambda: "did not take 2 spans ('too old\\nnext')" in caplog.text)


def test_oldest_go_where_too_many_wait_which_is_told_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """Memory has a bound, the log has one too, and the newest are kept."""
    sender = start(Receiver(FailureError(Failure(CONNECT_REFUSED))), queue=64)
    until(lambda: sender.failures == 0)
    for number in range(500):
        sender.put(an_ended(number))
    until(lambda: sender.failures >= 5)
    assert (sender.waiting, sender.dropped) == (64, 436)
    assert caplog.text.count("spans are lost: of 436 exchanges") == 1
    for number in range(100):
        sender.put(an_ended(number))
    failures = sender.failures
    until(lambda: sender.failures >= failures + 3)
    assert sender.dropped == 536
    assert caplog.text.count("spans are lost") == 1, "once a minute at most"
    assert caplog.text.count("cannot be sent") == 1


def test_receiver_that_does_not_answer_is_left_after_the_timeout(start: Start) -> None:
    """Spans wait, and closing does not."""

    def never(message: bytes) -> Answer:
        gevent.sleep(60)
        raise AssertionError

    sender = start(never)
    sender.put(an_ended(1))
    until(lambda: sender.error == "no answer within 0.05 s")
    with gevent.Timeout(1):
        assert sender.close(0.1) == 1


def test_closing_sends_what_waits(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """A stop loses nothing where the receiver is there."""
    receiver = Receiver()
    sender = start(receiver)
    for number in range(10):
        sender.put(an_ended(number))
    assert sender.close(2.0) == 0
    assert len(spans(receiver.messages)) == 10
    assert caplog.records == []


def test_defect_is_told_and_does_not_end_the_sender(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """It says where, and goes on."""
    receiver = Receiver(RuntimeError("oops"), 200)
    sender = start(receiver)
    sender.put(an_ended(1))
    until(lambda: sender.delivered == 1)
    assert any(record.exc_info for record in caplog.records if record.levelno == logging.ERROR)


def test_streams_go_on_while_a_large_message_is_made(start: Start) -> None:
    """The event loop is asked again after a few exchanges, not after a batch."""
    receiver = Receiver()
    sender = start(receiver)
    turns: list[int] = []
    other = gevent.spawn(lambda: [turns.append(gevent.sleep(0) or 1) for _ in range(10_000) if not receiver.messages])
    for number in range(BATCH):
        sender.put(an_ended(number))
    until(lambda: sender.delivered == BATCH)
    other.kill()
    assert len(turns) > 10
    assert ExportTraceServiceRequest.FromString(receiver.messages[0])
