"""Asking, in an exchange's own time, what only I/O can tell: until the answer, the client's leaving, or a deadline."""

from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import AUTH_UNAVAILABLE, FailureError, Interruption
from gateway.exchange.question import Question
from gateway.relay.interrupts import Interrupts


class Inquiry:
    """The ``ask`` of the spine for one exchange."""

    __slots__ = ("_interrupts",)

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def ask(self, exchange: Exchange, question: Question) -> Question | None:
        """Return what follows from the answer: a further question, or None.

        Raises ``FailureError`` where the answer says so or takes too long, and ``Interruption`` for what else ends
        the exchange.
        """
        assert exchange.route is not None
        self._interrupts.limit_total(exchange.route.timeouts.total)
        self._interrupts.enter(AUTH_UNAVAILABLE, question.seconds)
        try:
            following = question.ask()
        except FailureError:
            self._interrupts.enter(None, None)  # The deadline was the question's; the reply that tells it has its own.
            raise
        except Interruption as interruption:
            if interruption.failure.kind is AUTH_UNAVAILABLE:
                raise FailureError(question.late) from None
            raise
        self._interrupts.enter(None, None)
        return following
