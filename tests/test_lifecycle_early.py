"""An early head in the spine: what it costs the answer, and that no failure below it ends politely."""

import itertools
from collections.abc import Iterator

import pytest
from support.exchanges import ENDPOINT, ListedChunks, a_failure, a_reply, a_route, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    CLIENT_GONE,
    CONNECT_REFUSED,
    IDLE_TIMEOUT,
    INTERNAL,
    LATE_REFUSAL,
    TOTAL_TIMEOUT,
    Abort,
    Failure,
    FailureError,
    Interruption,
)
from gateway.exchange.marks import Marks
from gateway.exchange.message import Chunks, Reply, ReplyHead
from gateway.exchange.outcome import Outcome
from gateway.exchange.promise import Promise
from gateway.exchange.wire import Wire
from gateway.lifecycle import Answer, Spine, phases
from gateway.policy.hooks import Hooks

ROUTE = a_route()
WIRE = Wire("sse", lambda: True)
PROMISE = Promise(WIRE, frozenset({"text/event-stream"}))
SSE = [("Content-Type", "text/event-stream")]


class Rig:
    """A spine whose upstream answers only after an early head has gone out."""

    def __init__(self, result: Reply | BaseException, *hooks: Hooks) -> None:
        self.defects: list[BaseException] = []
        self.exchange = an_exchange()
        self._result = result
        clock = itertools.count(101.0)
        commit = Hooks(commit=lambda exchange, head: head.fields.append(("X-Request-Id", exchange.id)))
        self.spine = Spine(
            accept=self._accept,
            phases={ROUTE.name: phases([commit, *hooks])},
            unrouted=phases([]),
            select=lambda exchange: ENDPOINT,
            clock=lambda: next(clock),
            report=lambda exchange, error: self.defects.append(error),
        )

    def _accept(self, exchange: Exchange) -> None:
        exchange.route = ROUTE

    def _open(self, exchange: Exchange, attempt: Attempt) -> Reply:
        assert self.spine.commit_early(exchange, ReplyHead(200, "OK", list(SSE)), PROMISE)
        assert exchange.head_at is None, "the first byte is still waited for, with its own deadline"
        exchange.marks, exchange.wire = Marks("opaque"), None
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result

    def answer(self) -> Answer:
        return self.spine.answer(self.exchange, self._open)

    def end(self) -> Outcome | None:
        self.spine.finish(self.exchange)
        return self.exchange.outcome


def test_answer_that_fits_goes_out_under_the_early_head() -> None:
    """Its own head is lost, its length too; it counts as the upstream's."""
    chunks = ListedChunks(b"one")
    reply = a_reply(201, [*SSE, ("Set-Cookie", "a")], chunks=chunks)
    rig = Rig(reply)
    answer = rig.answer()

    assert (answer.reply.head.status, answer.reply.length) == (200, None)
    assert answer.reply.head.fields == [*SSE, ("X-Request-Id", "0f1e")]
    assert list(answer.rest) == [b"one"]
    assert (rig.exchange.status, rig.exchange.early, rig.end()) == (200, True, Outcome.COMPLETE)


@pytest.mark.parametrize("status", [201, 503])
def test_hooks_of_commit_hear_of_the_answer_too(status: int) -> None:
    """Some learn from it, also from one that does not fit; they can tell both calls apart."""
    heard: list[tuple[bool, bool, int | None]] = []

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        seen = exchange.attempts[-1].head
        heard.append((exchange.early, exchange.committed_at is None, seen.status if seen else None))

    Rig(a_reply(status, list(SSE)), Hooks(commit=commit)).answer()

    assert heard == [(True, True, None), (True, False, status)]


def told(answer: Answer) -> Failure:
    """Return the failure that breaks the body before its first octet."""
    assert answer.first is None
    with pytest.raises(FailureError) as raised:
        next(answer.rest)
    return raised.value.failure


@pytest.mark.parametrize(
    ("result", "failure", "outcome"),
    [
        (a_failure(CONNECT_REFUSED, "x"), Failure(CONNECT_REFUSED, "x"), Outcome.FAILED),
        (Interruption(Failure(TOTAL_TIMEOUT)), Failure(TOTAL_TIMEOUT), Outcome.TIMED_OUT),
        (KeyError("x"), Failure(INTERNAL, "KeyError"), Outcome.BROKEN),
        (
            a_reply(500, list(SSE)),
            Failure(LATE_REFUSAL, "answered 500, after 200 had gone out"),
            Outcome.FAILED,
        ),
    ],
)
def test_failure_below_an_early_head_breaks_the_body(
    result: Reply | BaseException, failure: Failure, outcome: Outcome
) -> None:
    """No problem document, no end: the chunks raise it where they are asked for."""
    rig = Rig(result)
    answer = rig.answer()

    assert (answer.reply.head.status, told(answer), rig.exchange.failure) == (200, failure, failure)
    assert answer.reply.head.fields == [*SSE, ("X-Request-Id", "0f1e")]
    assert (rig.exchange.status, rig.end()) == (200, outcome)


def test_answer_that_does_not_fit_is_let_go_at_once() -> None:
    """Nobody will read it."""
    chunks = ListedChunks(b"no")
    Rig(a_reply(500, chunks=chunks)).answer()

    assert chunks.closed


def test_stages_stand_in_a_body_that_fails() -> None:
    """They see the stream that the early head promised, and may end it in their own way."""
    seen: list[tuple[Wire | None, Marks | None]] = []

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        seen.append((exchange.wire, exchange.marks))

        class Framed(ListedChunks):
            def __iter__(self) -> Iterator[bytes]:
                with pytest.raises(FailureError):
                    next(iter(chunks))
                yield b"frame"

        return Framed()

    answer = Rig(a_failure(CONNECT_REFUSED), Hooks(stage=stage)).answer()

    assert seen == [(WIRE, None)]
    assert list(answer.rest) == [b"frame"]


def test_stage_that_breaks_below_an_early_head_breaks_the_body() -> None:
    """It is reported, and asked no more."""

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        raise KeyError("x")

    rig = Rig(a_reply(200, list(SSE)), Hooks(stage=stage))

    assert told(rig.answer()).kind is INTERNAL
    assert len(rig.defects) == 2


def test_client_that_left_below_an_early_head_is_answered_no_more() -> None:
    """As everywhere."""
    rig = Rig(Interruption(Failure(CLIENT_GONE)))
    with pytest.raises(Abort):
        rig.answer()
    assert rig.end() is Outcome.CLIENT_GONE


def test_stream_that_breaks_later_is_truncated() -> None:
    """Behind an answer that fitted the early head changes nothing."""
    rig = Rig(a_reply(200, list(SSE), chunks=ListedChunks(b"one")))
    rig.answer()
    rig.exchange.fail(Failure(IDLE_TIMEOUT))

    assert rig.end() is Outcome.TIMED_OUT


def test_head_that_a_hook_cannot_decide_does_not_go_out_early() -> None:
    """The defect is reported, and the real answer goes out as ever."""
    rig = Rig(a_reply())

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        raise KeyError("x")

    rig.spine.phases[ROUTE.name] = phases([Hooks(commit=commit)])
    rig.exchange.route = ROUTE

    assert not rig.spine.commit_early(rig.exchange, ReplyHead(200, "OK", []), PROMISE)
    assert (rig.exchange.early, rig.exchange.promised, rig.exchange.reply) == (False, None, None)
    assert len(rig.defects) == 1


def test_who_looks_after_the_client_is_told_before_anything_is_waited_for() -> None:
    """Once the route is known, and only where the upstream is asked."""
    seen: list[str | None] = []
    rig = Rig(a_reply(200, list(SSE)))
    rig.spine.answer(
        rig.exchange, rig._open, routed=lambda exchange: seen.append(exchange.route.name if exchange.route else None)
    )
    assert seen == [ROUTE.name]


@pytest.mark.parametrize(
    ("source", "made"), [("application/json", "text/event-stream"), ("text/event-stream", "text/csv")]
)
def test_promise_is_about_what_the_stages_make(source: str, made: str) -> None:
    """An answer that becomes what was promised keeps the promise; one that becomes something else breaks it."""
    reply = a_reply(200, [("Content-Type", source)], chunks=ListedChunks(b"one"))

    def stage(exchange: Exchange, chunks: Chunks) -> Chunks:
        reply.head.fields[:] = [("Content-Type", made)]
        return chunks

    rig = Rig(reply, Hooks(stage=stage))
    rig.answer()

    failure = rig.exchange.failure
    assert (None if failure is None else failure.kind) == (None if made == "text/event-stream" else LATE_REFUSAL)
