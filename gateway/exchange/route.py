"""What a route is once `gateway.toml` has been read: plain values, compiled for speed, shared by all its exchanges."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gateway.exchange.target import Endpoint


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds each part of an exchange may take; None where it may take for ever."""

    connect: float | None = 5.0
    first_byte: float | None = 60.0
    idle: float | None = 300.0
    total: float | None = None
    write: float | None = 60.0
    upload: float | None = 60.0
    queue: float | None = 10.0
    min_rate: tuple[int, float] | None = None
    """Octets that must have moved in a window of so many seconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many exchanges may be under way at once, and how many more may wait for their turn."""

    max_concurrent: int
    """Where ``adaptive`` is set, the most it may find."""
    max_queued: int = 100
    adaptive: tuple[int, int] | None = None
    """Least and most that a limit which finds itself may be; None for one that stands."""


@dataclass(frozen=True, slots=True)
class TlsToUpstream:
    """How an ``https`` endpoint is verified."""

    ca: str | None = None
    """Path of a PEM bundle; None for the system's authorities."""
    verify: bool = True
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """A named service with one or more endpoints."""

    name: str
    endpoints: tuple[Endpoint, ...]
    keep_host: bool = False
    """Whether the client's Host goes up instead of the endpoint's authority."""
    keepalive_seconds: float = 4.0
    """How long an idle connection may be used again."""
    max_idle_connections: int = 64
    tls: TlsToUpstream = field(default_factory=TlsToUpstream)
    limit: Limit | None = None
    """For the exchanges of all its routes together."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What is said to the upstream about the way a request came, and whose word about it is believed."""

    trusted_peers: tuple[IPv4Network | IPv6Network, ...] = ()
    trust_unix: bool = False
    """Whether peers on a unix socket are trusted."""
    via: str | None = "slowgate"
    """Pseudonym in Via (RFC 9110 section 7.6.3); None adds no Via."""
    forwarded: bool = True
    """Whether Forwarded (RFC 7239) is sent."""
    x_forwarded: bool = True
    """Whether X-Forwarded-For, -Proto and -Host are sent."""
    request_id_header: str = "X-Request-Id"


@dataclass(frozen=True, slots=True)
class Route:
    """Match, upstream and the values of every policy."""

    name: str
    path: str
    upstream: Upstream
    hosts: tuple[str, ...] = ()
    methods: frozenset[str] = frozenset()
    """Methods served; empty for all."""
    headers: tuple[tuple[str, str | None], ...] = ()
    """``(lower-case name, exact value)`` pairs that must all be there; value None for mere presence."""
    strip_prefix: str = ""
    rewrite: str | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_request_body: int | None = None
    """Octets a request's body may have; None for any number."""
    forwarding: Forwarding = field(default_factory=Forwarding)
    limit: Limit | None = None
    """For the exchanges of this route, besides that of its upstream."""
    priority: str = "normal"
    """Class in which its exchanges wait: high, normal or low."""
    fair_by: str = ""
    """Lower-case name of the field that tells whose an exchange is; empty where the peer does."""


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """All that `gateway.toml` says about traffic, compiled."""

    routes: tuple[Route, ...]
    upstreams: dict[str, Upstream]
    forwarding: Forwarding
