"""The spine: the phases of an exchange, one short function each, no I/O of their own.

    accept -> admit -> meter -> queue -> obtain (select -> prepare -> open -> judge)* -> stage -> commit -> relay
    -> finish

`Spine.answer` runs accept to commit and always returns a reply, unless there is nobody left to answer. The relay is
`gateway.relay.relaying`; `Spine.finish` runs exactly once, whatever happened. Policies are plain callables, fixed when
the configuration was read, called in the order of `gateway.policy.ORDER`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from gateway.exchange.attempt import Attempt, Hedge
from gateway.exchange.exchange import Exchange
from gateway.exchange.failed_chunks import FailedChunks
from gateway.exchange.failure import INTERNAL, LATE_REFUSAL, Abort, Failure, FailureError, Interruption, Side
from gateway.exchange.fields import request_fields
from gateway.exchange.message import Chunks, FixedChunks, Reply, ReplyHead, Source
from gateway.exchange.outcome import judge as judge_outcome
from gateway.exchange.place import Place
from gateway.exchange.problem import problem
from gateway.exchange.promise import Promise
from gateway.exchange.question import Question
from gateway.exchange.target import Endpoint
from gateway.policy.hooks import Hooks, Verdict


@dataclass(frozen=True, slots=True)
class Phases:
    """The hooks of one route, sorted by phase."""

    admit: tuple[Callable[[Exchange], Reply | Question | None], ...]
    meter: tuple[Callable[[Exchange], None], ...]
    queue: tuple[Callable[[Exchange], Place | None], ...]
    prepare: tuple[Callable[[Exchange, Attempt], None], ...]
    judge: tuple[Callable[[Exchange, Attempt], Verdict], ...]
    stage: tuple[Callable[[Exchange, Chunks], Chunks], ...]
    commit: tuple[Callable[[Exchange, ReplyHead], None], ...]
    finish: tuple[Callable[[Exchange], None], ...]


def phases(hooks: Iterable[Hooks]) -> Phases:
    """Sort the hooks of all policies by phase, keeping their order."""
    ordered = list(hooks)
    return Phases(
        admit=tuple(hook.admit for hook in ordered if hook.admit is not None),
        meter=tuple(hook.meter for hook in ordered if hook.meter is not None),
        queue=tuple(hook.queue for hook in ordered if hook.queue is not None),
        prepare=tuple(hook.prepare for hook in ordered if hook.prepare is not None),
        judge=tuple(hook.judge for hook in ordered if hook.judge is not None),
        stage=tuple(hook.stage for hook in ordered if hook.stage is not None),
        commit=tuple(hook.commit for hook in ordered if hook.commit is not None),
        finish=tuple(hook.finish for hook in ordered if hook.finish is not None),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that is committed: its head may go out."""

    reply: Reply
    first: bytes | None
    """The first chunk (``b""`` for a body without any), or None where it is still awaited."""
    rest: Iterator[bytes]
    """The chunks after ``first``."""


Open = Callable[[Exchange, Attempt], Reply]
"""Connects, sends and reads the head of one attempt; raises ``FailureError``.

Where it opens another beside it (see `Spine.rival`), the one that counts is the exchange's last when it is over.
"""
Pause = Callable[[float], None]
"""Waits so many seconds between two attempts, and lets the next one begin as if the last had not been interrupted."""

Wait = Callable[[Exchange, Place], None]
"""Returns when a place has become a turn; raises ``FailureError`` where it was lost."""


Ask = Callable[[Exchange, Question], Question | None]
"""Asks a question in the exchange's time; raises ``FailureError``. Returns a further one, or None."""


def _without_asking(exchange: Exchange, question: Question) -> Question | None:
    """Stand in for an `Ask` where nobody can be asked."""
    raise FailureError(question.late)


def _without_waiting(exchange: Exchange, place: Place) -> None:
    """Stand in for a `Wait` where nothing can wait."""
    raise FailureError(place.late(exchange.started))


@dataclass(frozen=True, slots=True)
class Spine:
    """The phases with what they need from outside: all of it handed in by `gateway.app`."""

    accept: Callable[[Exchange], None]
    """Checks the request and sets ``exchange.route``; raises ``FailureError``."""
    phases: dict[str, Phases]
    """By route name."""
    unrouted: Phases
    """For exchanges that never got a route."""
    select: Callable[[Exchange], Endpoint]
    clock: Callable[[], float]
    report: Callable[[Exchange, BaseException], None]
    """Logs a defect: an exception nobody expected."""
    another: Callable[[Exchange], Endpoint | None] = lambda exchange: None
    """An endpoint for an attempt beside the one under way; None where there is none."""

    def answer(
        self,
        exchange: Exchange,
        open_: Open,
        *,
        pause: Pause = lambda seconds: None,
        wait: Wait = _without_waiting,
        ask: Ask = _without_asking,
        routed: Callable[[Exchange], None] = lambda exchange: None,
    ) -> Answer:
        """Return what to send: the upstream's reply, or our own about what went wrong.

        ``pause`` is called between two attempts, ``wait`` where a slot has to be waited for, ``ask`` where only I/O
        can tell whether it may proceed, ``routed`` once before the upstream is waited for. Raises ``Abort`` if the
        client left; the reason is in ``exchange.failure``.
        """
        try:
            self.accept(exchange)
            of_route = self._phases(exchange)
            reply = admit(exchange, of_route, ask)
            if reply is None:
                routed(exchange)
                meter(exchange, of_route)
                queue(exchange, of_route, wait)
                reply = self.obtain(exchange, of_route, open_, pause)
                exchange.reply = exchange.reply or reply  # From here on it is too late for an early head.
            reply.chunks = stage(exchange, of_route, reply.chunks)
            keep_promise(exchange, reply)  # Behind the stages, which may make of an answer what was promised.
            answer = self._begin(exchange, reply)
        except (FailureError, Interruption) as error:
            answer = self._refuse(exchange, error.failure)
        except Exception as error:
            answer = self._broken(exchange, error)
        try:
            self.commit(exchange, answer.reply)
        except Exception as error:
            answer = self._broken(exchange, error)
            self._committed(exchange, answer.reply)  # As it is: the hooks had their chance.
        return answer

    def obtain(self, exchange: Exchange, of_route: Phases, open_: Open, pause: Pause) -> Reply:
        """Try endpoints until one reply is taken; raise the last attempt's failure otherwise."""
        while True:
            attempt = Attempt(self.select(exchange), started=self.clock())
            self._prepare(exchange, of_route, attempt)
            reply = attempted(exchange, attempt, open_)
            attempt = exchange.attempts[-1]  # Of several that were under way, the one that counts.
            attempt.ended = self.clock()
            if judge(exchange, attempt, of_route) is Verdict.RETRY:
                let_go(exchange, reply)
                exchange.head_at = None  # The head that counts is still to come, and waited for with a deadline.
                exchange.marks = exchange.wire = exchange.unwatched = exchange.flaw = None  # So is what it tells.
                if attempt.give_up is not None:
                    attempt.give_up()
                pause(attempt.pause_seconds)
                continue
            if reply is None:
                assert attempt.failure is not None
                raise FailureError(attempt.failure)
            if exchange.upload is not None:
                exchange.upload.settle()
            attempt.fields = None  # They were sent; a stream may last for hours.
            return reply

    def rival(self, exchange: Exchange, hedge: Hedge) -> Attempt | None:
        """Return an attempt to open beside the one under way.

        None where there is nowhere to go, enough of them, or no way to ask there.
        """
        endpoint = None if exchange.failure is not None else self.another(exchange)  # Nobody is asked for who has left.
        if endpoint is None or not hedge.allow(self.clock()):
            return None
        attempt = Attempt(endpoint, started=self.clock(), hedging=True)
        try:
            self._prepare(exchange, self._phases(exchange), attempt)
        except FailureError:
            # What forbids this one, such as a credential that its endpoint wants, says nothing about the one under way.
            exchange.attempts.remove(attempt)
            if attempt.give_up is not None:
                attempt.give_up()
            return None
        return attempt

    def _prepare(self, exchange: Exchange, of_route: Phases, attempt: Attempt) -> None:
        exchange.attempts.append(attempt)
        attempt.fields = request_fields(exchange.request.fields)
        for prepare in of_route.prepare:
            prepare(exchange, attempt)

    def commit(self, exchange: Exchange, reply: Reply) -> None:
        """Decide the head that goes out. Where one went out early the hooks only hear of the one that came too late."""
        for hook in self._phases(exchange).commit:
            hook(exchange, reply.head)
        self._committed(exchange, reply)

    def commit_early(self, exchange: Exchange, head: ReplyHead, promised: Promise) -> bool:
        """Decide the head that goes out although there is no reply yet; say whether it may.

        From here on what goes wrong is told in the body, or by its cut. To be called only while the exchange waits.
        """
        exchange.early = True
        try:
            for hook in self._phases(exchange).commit:
                hook(exchange, head)
        except Exception as error:
            exchange.early = False
            self.report(exchange, error)
            return False
        exchange.promised = promised
        exchange.reply = Reply(head, FixedChunks(b""), Source.LOCAL)
        exchange.committed_at = self.clock()
        return True

    def _committed(self, exchange: Exchange, reply: Reply) -> None:
        if exchange.early and exchange.reply is not None:
            reply.head, reply.length = exchange.reply.head, None
        else:
            exchange.committed_at = self.clock()
        exchange.reply = reply
        if exchange.head_at is None:
            exchange.head_at = exchange.committed_at

    def finish(self, exchange: Exchange) -> None:
        """Record how it ended and give everything back, last acquired first. A second call does nothing."""
        if exchange.outcome is not None:
            return
        local = exchange.reply is None or exchange.reply.source is Source.LOCAL
        exchange.finished_at = self.clock()
        exchange.outcome = judge_outcome(exchange.failure, committed=not local, local=local)
        for release in exchange.take_releases():
            try:
                release()
            except Exception as error:
                self.report(exchange, error)
        for hook in self._phases(exchange).finish:
            try:
                hook(exchange)
            except Exception as error:
                self.report(exchange, error)

    def _phases(self, exchange: Exchange) -> Phases:
        return self.unrouted if exchange.route is None else self.phases[exchange.route.name]

    def _begin(self, exchange: Exchange, reply: Reply) -> Answer:
        """Take the first chunk along where it came with the head; what breaks this early can still be answered."""
        ready = reply.chunks.ready()  # Before iteration begins, which takes what came along.
        rest = iter(reply.chunks)
        if exchange.request.method == "HEAD" or not ready:
            return Answer(reply, None, rest)
        first = next(rest, b"")
        if first and exchange.first_byte_at is None:
            exchange.first_byte_at = self.clock()
        return Answer(reply, first, rest)

    def _broken(self, exchange: Exchange, error: Exception) -> Answer:
        """Turn what a hook raised into the gateway's own reply; what is no failure is a defect, and reported."""
        if isinstance(error, FailureError):
            return self._refuse(exchange, error.failure)
        self.report(exchange, error)
        return self._refuse(exchange, Failure(INTERNAL, type(error).__name__))

    def _refuse(self, exchange: Exchange, failure: Failure) -> Answer:
        """Turn a failure into the gateway's own reply, or into an end where nobody would read one."""
        exchange.fail(failure)
        if failure.kind.status is None:
            raise Abort
        if exchange.early:
            return self._refuse_late(exchange, failure)
        request = exchange.request
        return self._begin(exchange, problem(exchange.id, failure, request.first("accept"), request.method))

    def _refuse_late(self, exchange: Exchange, failure: Failure) -> Answer:
        """Let a failure break the body, whose head is out already: as in any other stream, its stages hear of it."""
        assert exchange.reply is not None and exchange.promised is not None
        exchange.wire, exchange.marks = exchange.promised.wire, None  # Those of an answer that nobody will see.
        failed: Chunks = FailedChunks(failure)
        try:
            chunks = stage(exchange, self._phases(exchange), failed)
        except Exception as error:
            self.report(exchange, error)
            chunks = failed
        head = exchange.reply.head
        reply = Reply(ReplyHead(head.status, head.reason, list(head.fields)), chunks, Source.LOCAL)
        return Answer(reply, None, iter(chunks))


def admit(exchange: Exchange, of_route: Phases, ask: Ask) -> Reply | None:
    """May it proceed, or can it be answered already?"""
    for hook in of_route.admit:
        reply = hook(exchange)
        while isinstance(reply, Question):
            reply = ask(exchange, reply)
        if reply is not None:
            exchange.at_finish(reply.chunks.close)
            return reply
    return None


def meter(exchange: Exchange, of_route: Phases) -> None:
    """Has its caller anything left to take?"""
    for hook in of_route.meter:
        hook(exchange)


def queue(exchange: Exchange, of_route: Phases, wait: Wait) -> None:
    """Let it wait until each of its limits has a slot for it, one after the other, always in the same order."""
    for hook in of_route.queue:
        place = hook(exchange)
        if place is not None:
            wait(exchange, place)


def attempted(exchange: Exchange, attempt: Attempt, open_: Open) -> Reply | None:
    """Return the attempt's reply; None where the upstream failed, with the failure in ``attempt``.

    A deadline that the upstream did not keep comes as an interruption; every other one ends the exchange.
    """
    try:
        reply = open_(exchange, attempt)
    except (FailureError, Interruption) as error:
        if isinstance(error, Interruption) and error.failure.kind.side is not Side.UPSTREAM:
            raise
        (exchange.attempts or [attempt])[-1].failure = error.failure
        return None
    exchange.at_finish(reply.chunks.close)
    (exchange.attempts or [attempt])[-1].head = reply.head
    return reply


def keep_promise(exchange: Exchange, reply: Reply) -> None:
    """Let go of a reply that is not what an early head promised; raise ``FailureError`` (LATE_REFUSAL) then."""
    promised = exchange.promised if reply.source is not Source.LOCAL else None
    why = None if promised is None else promised.broken_by(reply.head)
    if why is not None:
        reply.chunks.close()
        raise FailureError(Failure(LATE_REFUSAL, f"{why}, after 200 had gone out"))


def let_go(exchange: Exchange, reply: Reply | None) -> None:
    """End what is under way for an attempt that another one follows.

    A deadline that the upstream did not keep may strike while it ends: of an attempt that is over it says nothing new.
    """
    try:
        _end(exchange, reply)
    except Interruption as interruption:
        if interruption.failure.kind.side is not Side.UPSTREAM:
            raise
        _end(exchange, reply)  # Whatever was not reached; an attempt is struck only once.


def _end(exchange: Exchange, reply: Reply | None) -> None:
    if reply is not None:
        reply.chunks.close()
    if exchange.upload is not None:
        exchange.upload.stop()  # Two attempts must not take octets of one body.


def judge(exchange: Exchange, attempt: Attempt, of_route: Phases) -> Verdict:
    """Take what the attempt brought, or try again?"""
    for hook in of_route.judge:
        if hook(exchange, attempt) is Verdict.RETRY:
            return Verdict.RETRY
    return Verdict.TAKE


def stage(exchange: Exchange, of_route: Phases, chunks: Chunks) -> Chunks:
    """Let the stages stand in the stream, the first of the list nearest to the upstream."""
    for hook in of_route.stage:
        chunks = hook(exchange, chunks)
        exchange.at_finish(chunks.close)
    return chunks
