"""What a route is once `gateway.toml` has been read: plain values, compiled for speed, shared by all its exchanges."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gateway.exchange.access import Access
from gateway.exchange.callers import Auth, Callers
from gateway.exchange.credential import Credentials
from gateway.exchange.peers import AddressRule, Networks, Peers
from gateway.exchange.quota import Quotas, SharedStore
from gateway.exchange.target import Endpoint
from gateway.exchange.trace import TraceRule, Tracing


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
    first_frame: float | None = None
    """From the request's last octet to the first meaningful frame."""
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
class Retry:
    """Which attempts are made again, and how. Times are seconds."""

    attempts: int | None = None
    """Tries altogether; None for two where the upstream has several endpoints, else one."""
    failures: frozenset[str] = frozenset()
    """Codes of the failures to try again after."""
    stale: bool = False
    """Whether to try again where a kept connection was closed before any octet of an answer."""
    statuses: frozenset[int] = frozenset()
    """Statuses of the upstream to try again after."""
    methods: frozenset[str] = frozenset()
    """Methods that may be sent twice; a request that was not sent at all may have any."""
    buffer_bytes: int = 0
    """Octets of a request's body to keep for the next attempt."""
    backoff: float = 0.025
    backoff_max: float = 1.0
    retry_after_max: float = 10.0
    """The longest Retry-After to wait for."""
    budget_share: float | None = 0.2
    """Retries as a share of the upstream's exchanges; None for any number."""


@dataclass(frozen=True, slots=True)
class Hedging:
    """When another attempt is made beside one that lets us wait."""

    after: float | None
    """Seconds; None for the endpoint's own p95 of the time to the first byte."""
    methods: frozenset[str]
    """Methods that may be sent twice at once."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is known of a stream's meaning, and done about it. Times are seconds."""

    format: str | None = None
    """``auto`` (by media type) or the name of a format; None where nothing is watched."""
    complete: str = "framing"
    """Who says that an answer is whole: ``framing`` or ``terminal``."""
    terminal: tuple[str, ...] = ()
    """How plain SSE ends: ``event:NAME`` or ``data:TEXT``; empty where any end between two events will do."""
    after_terminal: float | None = 2.0
    """How long the upstream may take to end a body whose answer has ended."""
    on_error: str = "abort"
    """``abort`` or ``frame``."""
    keepalive: float | None = None
    """The silence of the upstream after which a ping is sent, again and again."""
    grace: float | None = 10.0
    """The silence after which a head is sent for an upstream that has not answered; None for never."""
    stall: float = 10.0
    """The silence that counts as a stall."""
    on_disconnect: str = "cancel"
    """``cancel`` or ``drain``."""
    drain: float = 60.0
    """How long to read on for the record once the client has left."""
    peek: float | None = None
    """How long to hold the head for the first meaningful frame; None where it goes out at once."""
    peek_bytes: int = 65536
    """Octets of the body to hold at most."""


@dataclass(frozen=True, slots=True)
class Compression:
    """Which answers are compressed on their way to the client."""

    codings: tuple[str, ...] = ()
    """Offered to clients, the preferred one first; empty where bodies pass as they are."""
    types: tuple[str, ...] = ()
    """Patterns of media types."""
    min_length: int = 1024
    """Octets of a body of known length."""


@dataclass(frozen=True, slots=True)
class Conversions:
    """What a client may ask for instead of the upstream's own format."""

    to: tuple[str, ...] = ()
    """``ndjson``, ``sse`` and ``csv``, the preferred first; empty where nothing is converted."""
    columns: tuple[str, ...] = ()
    """Of CSV: paths of member names with dots between them."""


@dataclass(frozen=True, slots=True)
class TlsToUpstream:
    """How an ``https`` endpoint is verified."""

    ca: str | None = None
    """Path of a PEM bundle; None for the system's authorities."""
    ca_digest: str = ""
    """Of the bundle's content: another one makes this another upstream, whose connections are verified anew."""
    verify: bool = True
    server_name: str | None = None
    certificate: str | None = None
    """Path of the PEM file that the gateway shows to the endpoint; None where it shows none."""
    key: str | None = field(default=None, repr=False)
    """Path of its key, or the PEM text; None where the key stands in the file of the certificate."""
    certificate_digest: str = ""
    """Of the certificate's and the key's content, as ``ca_digest``."""
    min_version: str = "1.2"
    """``1.2`` or ``1.3``."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one endpoint gets of its upstream's exchanges."""

    weight: int = 1
    """Its part of what its priority group gets."""
    priority: int = 0
    """The group it belongs to; a higher one is used only when no endpoint of a lower one is available."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When an endpoint that fails is left alone, and for how long."""

    failures: int
    """Failures in a row, none of them older than ``window_seconds``."""
    window_seconds: float
    open_seconds: float
    max_open_seconds: float
    probes: int
    statuses: tuple[tuple[int, int], ...] = ()
    """Ranges of statuses, both ends included, that count as failures."""


@dataclass(frozen=True, slots=True)
class HealthRule:
    """How an endpoint is asked whether it is well."""

    path: str
    interval_seconds: float
    timeout_seconds: float
    healthy: int
    """Good checks in a row that bring it back."""
    unhealthy: int
    """Bad checks in a row that take it out."""
    statuses: tuple[tuple[int, int], ...]
    """Ranges of good statuses, both ends included."""


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
    shares: tuple[Share, ...] = ()
    """In the order of ``endpoints``; empty where all are alike."""
    balance: str = "round_robin"
    """``round_robin``, ``least_outstanding`` or ``hash``."""
    hash_on: str | None = None
    """``path``, or ``header:`` and the name of a field; None where nothing is hashed."""
    breaker: BreakerRule | None = None
    health: HealthRule | None = None
    slow_start_seconds: float = 0.0
    """How long the share of an endpoint that is new, or came back, grows to what it should be."""
    limit: Limit | None = None
    """For the exchanges of all its routes together."""
    allow_link_local: bool = False
    """Whether addresses of the own link, where clouds keep the credentials of machines, may be connected to."""


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
    client_address_from: str = "X-Forwarded-For"
    """The field of trusted peers that tells who the client is: ``X-Forwarded-For`` or ``Forwarded``."""
    trusted: Peers = field(init=False, repr=False, compare=False)
    """The trusted peers, made for asking often."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "trusted", Peers(Networks(self.trusted_peers), self.trust_unix))


Template = tuple[str | tuple[str, str], ...]
"""Text, and what is put in between: ``(name, argument)`` of a placeholder."""


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """What becomes of a head's field lines, in this order. Names to look for are in lower case."""

    rename: tuple[tuple[str, str], ...] = ()
    """Old name and new one; each line is renamed once at most."""
    remove: frozenset[str] = frozenset()
    set: tuple[tuple[str, Template], ...] = field(default=(), repr=False)
    """Values may be secrets: they are not shown."""
    add: tuple[tuple[str, Template], ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages of other origins may read what a route answers (Fetch standard section 3.2)."""

    origins: frozenset[str]
    """Origins as browsers write them."""
    below: tuple[tuple[str, str], ...] = ()
    """Begin and end of origins with a wildcard between them: ``https://`` and ``.example.com``."""
    any_origin: bool = False
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    any_header: bool = False
    expose_headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age_seconds: int = 600
    private_network: bool = False


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
    retry: Retry = field(default_factory=Retry)
    hedging: Hedging | None = None
    """None where there is one attempt at a time."""
    forwarding: Forwarding = field(default_factory=Forwarding)
    limit: Limit | None = None
    """For the exchanges of this route, besides that of its upstream."""
    priority: str = "normal"
    """Class in which its exchanges wait: high, normal or low."""
    stream: Stream = field(default_factory=Stream)
    compression: Compression = field(default_factory=Compression)
    convert: Conversions = field(default_factory=Conversions)
    content_types: tuple[str, ...] = ()
    """Lower-case media types that a request's body may have, ``type/*`` for all of a type; empty for any."""
    addresses: AddressRule | None = None
    """Which clients it serves; None for all."""
    cors: Cors | None = None
    request_headers: HeaderRules | None = None
    """What becomes of the fields that go up; None where they stay as they are."""
    response_headers: HeaderRules | None = None
    """The same for those that go down."""
    fair_by: str = ""
    """Lower-case name of the field that tells whose an exchange is; empty where the peer does."""
    auth: Auth | None = None
    """What its callers must show; None where nobody is asked."""
    credentials: tuple[Credentials | None, ...] = ()
    """In the order of the upstream's endpoints; empty where none has any."""

    quotas: Quotas | None = None
    """What callers may take over time; None for any amount."""
    tracing: TraceRule | None = None
    """How its exchanges come by their trace; None where nothing is traced."""

    @property
    def looks_into_bodies(self) -> bool:
        """Whether what an answer costs may grow with its octets: they are watched, compressed or converted."""
        return self.stream.format is not None or bool(self.compression.codings) or bool(self.convert.to)


@dataclass(frozen=True, slots=True)
class GatewayPlan:
    """All that `gateway.toml` says about traffic, compiled."""

    routes: tuple[Route, ...]
    upstreams: dict[str, Upstream]
    forwarding: Forwarding
    admin: Access = field(default_factory=Access)
    """Who may do what on the admin listener."""
    callers: Callers = field(default_factory=Callers)
    shared: SharedStore | None = None
    """Where several workers count together; None where each counts for itself."""
    tracing: Tracing | None = None
    """Where spans are sent, and which; None where nothing is traced."""
