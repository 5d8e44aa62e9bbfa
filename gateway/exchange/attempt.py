"""One try at one endpoint."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.exchange.credential import Credential, Injected
from gateway.exchange.failure import Failure
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.target import Endpoint


@dataclass(frozen=True, slots=True)
class Hedge:
    """How another attempt may be made beside one that lets us wait. Times are seconds."""

    after_seconds: float
    """How long the first is waited for alone."""
    allow: Callable[[float], bool]
    """Whether the other may begin ``now``; it counts as under way then, until ``ended``."""
    good: Callable[["Attempt"], bool]
    """Whether the answer of an attempt is one to take while the other may still bring a better one."""
    ended: Callable[[float], object]
    """Called once when the race is over."""


@dataclass(slots=True)
class Attempt:
    """What is asked of one endpoint, and what came of it."""

    endpoint: Endpoint
    target: str = ""
    """Path and query to send, octet for octet."""
    fields: Fields | None = None
    """Field lines to send, in order, framing fields excluded: the transport adds exactly one framing.

    None again once its reply is taken."""
    credential: Credential | None = None
    """What proves who asks, where it is not complete before the attempt is opened."""
    injected: Injected | None = None
    """What the request gets besides, put onto it only when its octets are made; nothing that is shown holds it."""
    started: float = 0.0
    connecting: bool = False
    """Whether it looks for a new connection at this moment."""
    sent_at: float | None = None
    """When the whole request was on its way."""
    taken_bytes: int = 0
    """Octets of the request's body, with their framing, that went into the connection so far."""
    fresh: bool = False
    """Whether it must have a new connection: one that repairs a stale connection cannot risk another."""
    reused: bool = False
    """Whether a kept-alive connection carried it (set when the connection is taken)."""
    answered: bool = False
    """Whether any octet of an answer came."""
    failure: Failure | None = None
    status: int | None = None
    head: ReplyHead | None = None
    """The head of its reply, if it brought one."""
    ended: float | None = None
    """When its reply's head, or its failure, was there."""
    counted: bool = True
    """Whether it is one of the tries that a route allows: one that only met an idle connection's close is not."""
    pause_seconds: float = 0.0
    """How long to wait before the next attempt; written by whoever judges that there is one."""
    hedge: Hedge | None = None
    """How another attempt may be made beside it; None where none may."""
    hedging: bool = False
    """Whether it was begun beside another that was still under way."""
    give_up: Callable[[], object] | None = None
    """Called when another attempt is to follow, before the wait for it: nothing is under way here any more."""
    span_id: str | None = None
    """Its span in the exchange's trace, 16 hexadecimal digits; None where nothing is traced."""
