"""What the line to read says of attempts that were not made."""

from support.exchanges import a_reply, a_route, an_attempt, an_exchange
from support.records import line

from gateway.exchange.outcome import Outcome
from gateway.observe.line import as_text


def test_text_tells_why_there_was_no_further_attempt() -> None:
    """Who reads two attempts where three were asked for need not look for the same line in JSON."""
    exchange = an_exchange(route=a_route())
    exchange.attempts += [an_attempt(), an_attempt()]
    exchange.reply, exchange.outcome = a_reply(), Outcome.COMPLETE
    exchange.not_retried = "budget"

    assert " not retried (budget) id=" in as_text(line(exchange, "2026-11-20T06:45:55.081Z"))
