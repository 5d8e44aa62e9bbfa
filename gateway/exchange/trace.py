"""The trace that an exchange belongs to, and what is said about tracing: plain values."""

from dataclasses import dataclass, field

from gateway.exchange.callers import Place


@dataclass(frozen=True, slots=True)
class Trace:
    """Where an exchange stands in a trace (W3C Trace Context). Ids are lower-case hexadecimal digits."""

    trace_id: str
    """32 digits, not all of them zero."""
    span_id: str
    """16 digits: the span of the exchange itself."""
    parent_id: str | None
    """The caller's span; None where the trace begins here."""
    sampled: bool
    """Whether its spans are to be exported."""
    state: str = ""
    """The caller's ``tracestate``, for the upstream; empty where there is none."""


@dataclass(frozen=True, slots=True)
class TraceRule:
    """How exchanges come by their trace."""

    sample: float
    """Which part of the traces that begin here is exported, from 0 to 1; of others their caller decides."""
    trust: str
    """Whose traces are continued: ``all``, ``trusted_peers`` or ``none``."""
    propagate: bool
    """Whether the upstream is told."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """All that is said about tracing."""

    rule: TraceRule
    place: Place
    """Where spans are sent."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    resource: tuple[tuple[str, str], ...] = ()
    """Attributes of this process, ``service.name`` among them."""
    queue: int = 2048
    """Exchanges of a worker that may wait to be sent."""
    flush_seconds: float = 1.0
