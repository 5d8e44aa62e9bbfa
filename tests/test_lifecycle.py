"""The spine: which phase comes when, what each may end in, and that the end comes exactly once."""

import itertools
from collections.abc import Callable

import pytest
from support.exchanges import ENDPOINT, ListedChunks, a_failure, a_reply, a_request, a_route, an_exchange

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import (
    BAD_REQUEST,
    BODY_CUT,
    CLIENT_GONE,
    CONNECT_REFUSED,
    DRAINED,
    IDLE_TIMEOUT,
    NO_ROUTE,
    Abort,
    Failure,
    Interruption,
)
from gateway.exchange.message import Chunks, Reply, ReplyHead, Source
from gateway.exchange.outcome import Outcome
from gateway.lifecycle import Open, Spine, phases
from gateway.policy.hooks import Hooks, Verdict

ROUTE = a_route()


class Rig:
    """A spine with a policy that writes down every phase, and raises where the test says so."""

    def __init__(self, *more: Hooks, raises: dict[str, BaseException] | None = None) -> None:
        self.seen: list[str] = []
        self.defects: list[BaseException] = []
        self._raises = raises or {}
        self._clock = itertools.count(101.0)
        recorder = Hooks(
            admit=lambda exchange: self._at("admit"),
            prepare=lambda exchange, attempt: self._at("prepare"),
            judge=lambda exchange, attempt: self._at("judge") or Verdict.TAKE,
            stage=lambda exchange, chunks: self._at("stage") or chunks,
            commit=lambda exchange, head: self._at("commit"),
            finish=lambda exchange: self._at("finish"),
        )
        self.spine = Spine(
            accept=self._accept,
            phases={ROUTE.name: phases([*more, recorder])},
            unrouted=phases([Hooks(finish=lambda exchange: self._at("finish unrouted"))]),
            select=lambda exchange: self._at("select") or ENDPOINT,
            clock=lambda: next(self._clock),
            report=lambda exchange, error: self.defects.append(error),
        )

    def _at(self, phase: str) -> None:
        self.seen.append(phase)
        if phase in self._raises:
            raise self._raises[phase]

    def _accept(self, exchange: Exchange) -> None:
        self._at("accept")
        exchange.route = ROUTE

    def opening(self, *results: Reply | BaseException) -> Open:
        """Return an ``open`` whose calls return, or raise, one of ``results`` after the other."""
        remaining = iter(results)

        def open_(exchange: Exchange, attempt: Attempt) -> Reply:
            self._at("open")
            result = next(remaining)
            if isinstance(result, BaseException):
                raise result
            return result

        return open_


def judging(*verdicts: Verdict) -> Hooks:
    """A policy that judges as listed."""
    remaining = iter(verdicts)
    return Hooks(judge=lambda exchange, attempt: next(remaining))


def test_exchange_goes_through_its_phases_in_order() -> None:
    """accept, admit, select, prepare, open, judge, stage, commit, finish: once each."""
    rig, exchange = Rig(), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=ListedChunks(b"one", b"two"))))
    assert list(answer.rest) == [b"one", b"two"]
    rig.spine.finish(exchange)

    assert rig.seen == ["accept", "admit", "select", "prepare", "open", "judge", "stage", "commit", "finish"]
    assert exchange.outcome is Outcome.COMPLETE
    assert exchange.status == 200
    assert exchange.started < exchange.head_at <= exchange.committed_at < exchange.finished_at


def test_attempt_starts_without_the_fields_that_end_here() -> None:
    """Every attempt gets the request's end-to-end fields, whatever the one before did to its own."""
    asked = []

    def prepare(exchange: Exchange, attempt: Attempt) -> None:
        asked.append(list(attempt.fields))
        attempt.fields.append(("X-Added", "1"))

    rig = Rig(Hooks(prepare=prepare), judging(Verdict.RETRY, Verdict.TAKE))
    request = a_request(fields=[("A", "1"), ("Connection", "b"), ("B", "2"), ("Content-Length", "3")])

    rig.spine.answer(an_exchange(request), rig.opening(a_reply(), a_reply()))

    assert asked == [[("A", "1")], [("A", "1")]]


def test_admitted_local_reply_skips_the_upstream() -> None:
    """What a policy answers by itself is staged and committed, and nobody is asked."""
    chunks = ListedChunks(b"local", ready=True)
    rig = Rig(Hooks(admit=lambda exchange: a_reply(203, source=Source.LOCAL, chunks=chunks)))
    exchange = an_exchange()

    answer = rig.spine.answer(exchange, rig.opening())
    rig.spine.finish(exchange)

    assert (answer.reply.head.status, answer.first) == (203, b"local")
    assert rig.seen == ["accept", "stage", "commit", "finish"]
    assert exchange.outcome is Outcome.LOCAL
    assert chunks.closed


def test_retried_attempt_gives_up_its_reply() -> None:
    """The first reply is closed before the second attempt, which starts the wait for a head anew."""
    first, second = ListedChunks(), ListedChunks()
    rig, exchange = Rig(judging(Verdict.RETRY, Verdict.TAKE)), an_exchange()
    open_ = rig.opening(a_reply(503, chunks=first), a_reply(200, chunks=second))

    def noting_the_head(exchange: Exchange, attempt: Attempt) -> Reply:
        assert exchange.head_at is None
        assert first.closed == len(exchange.attempts) - 1
        exchange.head_at = 1.0
        return open_(exchange, attempt)

    answer = rig.spine.answer(exchange, noting_the_head)

    assert answer.reply.head.status == 200
    assert len(exchange.attempts) == 2
    assert second.closed == 0


def test_failed_attempt_is_judged_and_tried_again() -> None:
    """A failure that is tried again leaves no trace in the exchange, but one in its attempt."""
    rig, exchange = Rig(judging(Verdict.RETRY, Verdict.TAKE)), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_failure(CONNECT_REFUSED), a_reply()))

    assert answer.reply.head.status == 200
    assert exchange.failure is None
    assert exchange.attempts[0].failure.kind is CONNECT_REFUSED


def test_last_attempts_failure_is_what_the_client_hears() -> None:
    """Of two failures the second one counts."""
    rig, exchange = Rig(judging(Verdict.RETRY, Verdict.TAKE)), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_failure(BODY_CUT), a_failure(CONNECT_REFUSED)))
    rig.spine.finish(exchange)

    assert answer.reply.head.status == 502
    assert exchange.failure.kind is CONNECT_REFUSED
    assert exchange.outcome is Outcome.FAILED


@pytest.mark.parametrize("phase", ["accept", "admit", "select", "prepare", "open", "judge", "stage", "commit"])
def test_failure_in_any_phase_becomes_the_reply_that_tells_it(phase: str) -> None:
    """No exception leaves the spine; the client gets the problem document, the upstream's reply is given up."""
    chunks = ListedChunks(b"never", ready=True)
    rig, exchange = Rig(raises={phase: a_failure(NO_ROUTE, "so it is")}), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=chunks)))
    rig.spine.finish(exchange)

    assert answer.reply.head.status == 404
    assert answer.reply.source is Source.LOCAL
    assert b"so it is" in answer.first
    assert exchange.status == 404
    assert exchange.outcome is Outcome.REJECTED
    assert rig.defects == []
    opened = rig.seen.count("open") and phase != "open"
    assert bool(chunks.closed) is bool(opened)


@pytest.mark.parametrize("phase", ["accept", "admit", "select", "prepare", "open", "judge", "stage", "commit"])
def test_defect_in_any_phase_is_reported_and_answered_with_500(phase: str) -> None:
    """An exception nobody expected is logged once, and its text is not told to the client."""
    defect = ValueError("the secret is 42")
    rig, exchange = Rig(raises={phase: defect}), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=ListedChunks(b"never", ready=True))))
    rig.spine.finish(exchange)

    assert answer.reply.head.status == 500
    assert b"42" not in answer.first
    assert rig.defects == [defect]
    assert exchange.outcome is Outcome.BROKEN


def test_refusal_before_a_route_uses_the_hooks_without_a_route() -> None:
    """An exchange that never got a route is finished, too."""
    rig, exchange = Rig(raises={"accept": a_failure(BAD_REQUEST)}), an_exchange()

    rig.spine.answer(exchange, rig.opening())
    rig.spine.finish(exchange)

    assert rig.seen == ["accept", "finish unrouted"]


@pytest.mark.parametrize(("kind", "status"), [(DRAINED, 503), (IDLE_TIMEOUT, 504)])
def test_interruption_while_opening_is_answered_if_somebody_reads_it(kind: object, status: int) -> None:
    """A deadline or shutdown before the head is a local reply; only what the upstream did is judged."""
    rig, exchange = Rig(), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(Interruption(Failure(kind))))

    assert answer.reply.head.status == status
    assert ("judge" in rig.seen) is (kind is IDLE_TIMEOUT)


def test_client_that_left_while_opening_gets_no_reply() -> None:
    """There is nobody to answer: Abort, with the reason in the exchange."""
    rig, exchange = Rig(), an_exchange()

    with pytest.raises(Abort):
        rig.spine.answer(exchange, rig.opening(Interruption(Failure(CLIENT_GONE))))
    rig.spine.finish(exchange)

    assert "commit" not in rig.seen
    assert exchange.status is None
    assert exchange.outcome is Outcome.CLIENT_GONE


def test_first_chunk_that_came_with_the_head_is_taken_along() -> None:
    """Head and first chunk can leave in one send; the rest is still to come."""
    rig, exchange = Rig(), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=ListedChunks(b"one", b"two", ready=True))))

    assert answer.first == b"one"
    assert exchange.first_byte_at is not None
    assert list(answer.rest) == [b"two"]


def test_body_known_to_be_empty_is_not_waited_for() -> None:
    """An end that came with the head is an empty first chunk, not an awaited one, and no first byte."""
    rig, exchange = Rig(), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=ListedChunks(ready=True))))

    assert answer.first == b""
    assert exchange.first_byte_at is None


@pytest.mark.parametrize(("method", "ready"), [("GET", False), ("HEAD", True)])
def test_body_that_would_have_to_be_waited_for_is_left_alone(method: str, ready: bool) -> None:
    """A silent body does not hold back the head, and a reply to HEAD has none."""
    chunks = ListedChunks(b"one", ready=ready)
    rig = Rig()

    answer = rig.spine.answer(an_exchange(a_request(method)), rig.opening(a_reply(chunks=chunks)))

    assert answer.first is None
    assert chunks.handed == []


def test_body_that_breaks_with_its_head_is_still_answered_truly() -> None:
    """What fails before the commit is a 502, not a cut stream."""
    rig, exchange = Rig(), an_exchange()
    chunks = ListedChunks(a_failure(BODY_CUT), ready=True)

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=chunks)))
    rig.spine.finish(exchange)

    assert answer.reply.head.status == 502
    assert exchange.outcome is Outcome.FAILED
    assert chunks.closed


def test_releases_run_once_last_first_whatever_one_of_them_does() -> None:
    """A release that fails is reported and hinders no other; a second finish does nothing."""
    rig, exchange = Rig(), an_exchange()
    released: list[str] = []
    broken = RuntimeError("it does not open")

    def fail() -> None:
        released.append("broken")
        raise broken

    exchange.at_finish(lambda: released.append("first"))
    exchange.at_finish(fail)
    exchange.at_finish(lambda: released.append("last"))
    rig.spine.finish(exchange)
    rig.spine.finish(exchange)

    assert released == ["last", "broken", "first"]
    assert rig.defects == [broken]
    assert rig.seen == ["finish unrouted"]


def test_finish_hooks_see_the_outcome_after_everything_was_given_back() -> None:
    """One hook's defect hinders no other, and no record is written before the connection is free."""
    order: list[str] = []

    def broken(exchange: Exchange) -> None:
        raise RuntimeError("the disk is full")

    rig = Rig(
        Hooks(finish=broken), Hooks(finish=lambda exchange: order.append(f"told {exchange.outcome} {exchange.status}"))
    )
    exchange = an_exchange()
    rig.spine.answer(exchange, rig.opening(a_reply(204)))
    exchange.at_finish(lambda: order.append("released"))

    rig.spine.finish(exchange)

    assert order == ["released", "told Outcome.COMPLETE 204"]
    assert len(rig.defects) == 1


def test_stages_stand_in_the_stream_in_order_and_each_is_closed() -> None:
    """The first stage is nearest to the upstream; finish closes the outermost first, and all of them."""
    closed: list[str] = []

    def stage(name: str) -> Callable[[Exchange, Chunks], Chunks]:
        class Staged(ListedChunks):
            def close(self) -> None:
                closed.append(name)

        def hook(exchange: Exchange, chunks: Chunks) -> Chunks:
            return Staged(*(chunk + name.encode() for chunk in chunks))

        return hook

    chunks = ListedChunks(b"x")
    rig, exchange = Rig(Hooks(stage=stage("1")), Hooks(stage=stage("2"))), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening(a_reply(chunks=chunks)))
    assert list(answer.rest) == [b"x12"]
    rig.spine.finish(exchange)

    assert list(dict.fromkeys(closed)) == ["2", "1"]
    assert chunks.closed


def test_commit_may_change_the_head_of_any_reply() -> None:
    """Also the gateway's own replies carry what every reply carries."""

    def commit(exchange: Exchange, head: ReplyHead) -> None:
        head.fields.append(("X-Id", exchange.id))

    rig, exchange = Rig(Hooks(commit=commit), raises={"open": a_failure(CONNECT_REFUSED)}), an_exchange()

    answer = rig.spine.answer(exchange, rig.opening())

    assert answer.reply.head.first("x-id") == exchange.id
