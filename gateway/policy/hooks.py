"""What a policy may do: plain callables, one for each phase of the spine it acts in."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.message import Chunks, Reply, ReplyHead
from gateway.exchange.place import Place
from gateway.exchange.question import Question


class Verdict(Enum):
    """What `judge` thinks of a finished attempt."""

    TAKE = "take"
    """Its reply, or its failure, is the answer."""
    RETRY = "retry"
    """Try again."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """The phases a policy acts in on one route; None where it has nothing to say.

    A hook does no I/O, but for `meter`, which may ask a store that it was given. It refuses by raising
    ``FailureError``.
    """

    admit: Callable[[Exchange], Reply | Question | None] | None = None
    """May it proceed? A reply answers it here and now; a question is asked before the next policy is."""
    meter: Callable[[Exchange], None] | None = None
    """Has its caller anything left to take? Asked of what is admitted, before it waits for its turn; may wait itself,
    within the bound of its store."""
    queue: Callable[[Exchange], Place | None] | None = None
    """Must it wait for its turn? Returns its place in the queue; None where its turn has come already."""
    prepare: Callable[[Exchange, Attempt], None] | None = None
    """What exactly do we ask? Changes ``attempt.target`` and ``attempt.fields``."""
    judge: Callable[[Exchange, Attempt], Verdict] | None = None
    """Take it, or try again? Asked after each attempt; one RETRY is enough."""
    stage: Callable[[Exchange, Chunks], Chunks] | None = None
    """Who stands in the stream? Returns the chunks to relay instead, closing what it wraps when closed."""
    commit: Callable[[Exchange, ReplyHead], None] | None = None
    """What head goes out? Changes the head of any reply, also a local one."""
    finish: Callable[[Exchange], None] | None = None
    """How did it end? Called once, when the outcome is known."""
