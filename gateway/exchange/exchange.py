"""The exchange: one downstream request and all that becomes of it, handed from phase to phase."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import Failure
from gateway.exchange.identity import Identity
from gateway.exchange.look import Look
from gateway.exchange.marks import Marks
from gateway.exchange.message import Reply, RequestHead, Upload
from gateway.exchange.outcome import Outcome
from gateway.exchange.promise import Promise
from gateway.exchange.quota import Standing
from gateway.exchange.trace import Trace
from gateway.exchange.wire import Wire

if TYPE_CHECKING:
    from gateway.exchange.route import Route


@dataclass(slots=True)
class Exchange:
    """The record of one request. Times are seconds on one monotonic clock, read at the edges and passed in.

    ``at_finish`` is how every acquired thing is given back: whoever acquires says in the same line how it is released.
    """

    id: str
    request: RequestHead
    started: float
    upload: Upload | None = None
    trusted_peer: bool = False
    """Whether the client is a configured peer whose forwarding fields are believed."""
    route: "Route | None" = None
    identity: Identity | None = None
    """Who asks; None where the route does not ask."""
    peer_certificate: Callable[[], Mapping[str, Any] | None] | None = None
    """Reads the client's certificate as ``ssl`` has it; None for a connection without TLS."""
    attempts: list[Attempt] = field(default_factory=list)
    reply: Reply | None = None
    failure: Failure | None = None
    outcome: Outcome | None = None

    head_at: float | None = None
    """When the upstream's head (or our own) was there."""
    committed_at: float | None = None
    """When the head was handed to the server to go out."""
    first_byte_at: float | None = None
    """When the first octet of the body was there."""
    finished_at: float | None = None
    queued_at: float | None = None
    """Since when it waits for its turn; None while it does not."""
    queued_seconds: float | None = None
    """How long it waited for its turn; None where it did not have to."""
    longest_gap_seconds: float = 0.0
    chunks: int = 0
    relayed_bytes: int = 0
    """Body octets handed downstream."""
    plain_bytes: int | None = None
    """Body octets that the gateway compressed, as they were before; None where it did not."""
    received_bytes: int = 0
    """Body octets taken from the client."""
    upload_done: bool = False
    """Whether every octet of the request's body was read from the client."""
    replay_bytes: int = 0
    """Octets of the request's body to keep, so that a further attempt can send them again."""
    marks: Marks | None = None
    """What was seen in the upstream's body; None where nobody watches it."""
    unwatched: str | None = None
    """Why a body that should have been watched was not, in words."""
    flaw: str | None = None
    """What its format says was wrong with an answer that ended all the same, in words."""
    wire: Wire | None = None
    """How pings and error frames may be put into what goes out; None where they may not."""
    converted: str | None = None
    """The media type that the upstream's answer is made into; None where it goes on as it comes."""
    early: bool = False
    """Whether the head went out before the upstream had answered."""
    promised: Promise | None = None
    """What that head says of the body; None where none went out early."""
    first_frame_at: float | None = None
    """When the first meaningful frame was there."""
    stalls: int = 0
    """Silences of the upstream longer than its route calls a stall."""
    pings: int = 0
    """How often a ping was sent to the client."""
    drained: str | None = None
    """How reading on without the client ended: ``complete``, ``timeout``, ``cut`` or ``shutdown``; None where it did
    not happen."""
    drained_bytes: int = 0
    """Octets of the answer that were read when there was no client any more."""
    hedged: str | None = None
    """``won`` where the attempt that was begun beside the first brought the answer, ``lost`` where it did not,
    ``budget`` where there were too many already; None where nothing of the kind was tried."""
    standings: tuple[Standing, ...] = ()
    """How each rate of its route stood for its caller when it was asked."""
    metered_at: float | None = None
    """When that was; None where nothing was asked, or nobody could say."""
    not_retried: str | None = None
    """Why an attempt that the route retries was not followed by another."""
    peeked: Callable[[], int] | None = None
    """Tells the octets that are held back of an answer; None where it was not peeked into."""
    unsent: Callable[[], int] | None = None
    """Tells the octets that the system keeps for the client; None where nobody can."""
    look: Look | None = None
    """What was seen when somebody last looked at it while it ran."""
    trace: Trace | None = None
    """The trace it belongs to; None where nothing is traced, and before anybody asked."""
    stalled: tuple[tuple[float, float], ...] = ()
    """When the first of its stalls were over, and how many seconds they took: as many as a trace tells, where it is
    traced."""
    _releases: list[Callable[[], object]] = field(default_factory=list)

    def at_finish(self, release: Callable[[], object]) -> None:
        """Promise to call ``release`` once when the exchange ends, last promise first."""
        self._releases.append(release)

    def fail(self, failure: Failure) -> None:
        """Write down why it ended. The first reason stays: what follows from it is not a second one."""
        if self.failure is None:
            self.failure = failure

    def take_releases(self) -> list[Callable[[], object]]:
        """Hand over the promises in the order they must be kept; a second call gets none."""
        releases, self._releases = self._releases[::-1], []
        return releases

    @property
    def status(self) -> int | None:
        """The status that went downstream, or None if no head went out."""
        return self.reply.head.status if self.reply is not None and self.committed_at is not None else None

    @property
    def held_bytes(self) -> int:
        """Octets held for it now: of its request's body, of its answer, and in the system's buffer for the client."""
        kept = self.upload.kept_bytes if self.upload is not None else 0
        return kept + sum(tell() for tell in (self.peeked, self.unsent) if tell is not None)
