"""A question that only I/O can answer, asked by a hook in the time of its exchange."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.exchange.failure import Failure


@dataclass(frozen=True, slots=True)
class Question:
    """What a hook of the admission returns where it cannot know yet."""

    seconds: float
    """How long the answer may take."""
    late: Failure
    """How the exchange fails that waited longer."""
    ask: Callable[[], "Question | None"]
    """Asks, which may wait, and takes the answer. Raises ``FailureError``; returns a further question, or None."""
