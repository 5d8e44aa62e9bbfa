"""Who may call, and how they show it: what the configuration declares, compiled. Pure values."""

from dataclasses import dataclass, field

from gateway.exchange.target import Endpoint

KEYS, BASIC, MTLS, JWT, FORWARD, ANONYMOUS = "keys", "basic", "mtls", "jwt", "forward_auth", "anonymous"
"""The ways to show who one is."""


@dataclass(frozen=True, slots=True)
class Known:
    """A caller that the configuration names."""

    name: str
    digests: tuple[bytes, ...] = ()
    """SHA-256 of the key, or of the password; several while one replaces another."""
    scopes: frozenset[str] = frozenset()
    routes: frozenset[str] | None = None
    """Names of the routes it may use; None for all."""
    expires: float | None = None
    """Seconds since 1970 (UTC) from which on it is not let in; None for never."""


@dataclass(frozen=True, slots=True)
class CertificateRule:
    """Which client certificate belongs to a caller: all that is said must be in it."""

    caller: Known
    subject: tuple[tuple[str, str], ...] = ()
    """Attributes of the subject by their long names, as ``commonName``."""
    san: tuple[str, str] | None = None
    """Kind and value of one alternative name, as ``("DNS", "app.internal")``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of the callers' own is asked for: one URL."""

    endpoint: Endpoint
    target: str
    """Path and query."""
    ca: str | None = None
    """Path of a PEM bundle; None for the system's authorities."""
    ca_digest: str = ""
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class TokenRule:
    """How the tokens of one issuer are verified."""

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    prefix: str
    """Put before the principal, so that nobody whom the issuer names can be taken for somebody else."""
    skew_seconds: float = 60.0
    required: tuple[str, ...] = ()
    """Claims that must be there, besides ``iss``, ``aud`` and ``exp``."""
    principal: str = "sub"
    """The claim that names the caller."""
    typ: str | None = None
    """What the header's ``typ`` must say, in lower case and without ``application/``; None for anything."""
    jwks: Place | None = None
    """Where the keys are fetched; None where they are given."""
    keys_text: str = field(default="", repr=False)
    """Public keys that are given: a JWK set, or one key in PEM."""
    secret: str = field(default="", repr=False)
    """A secret shared with the issuer; no other keys are looked at then."""
    max_age_seconds: float = 600.0
    min_interval_seconds: float = 30.0
    max_stale_seconds: float = 86_400.0


@dataclass(frozen=True, slots=True)
class ForwardRule:
    """Who is asked by a request of our own whether a request may pass."""

    name: str
    place: Place
    prefix: str
    fields: tuple[str, ...] = ("Authorization", "Cookie")
    """Fields of the request that hold what its caller shows."""
    principal: str | None = None
    """Field of the answer that names the caller; None where all whom it lets in are called ``name``."""
    scopes: str | None = None
    """Field of the answer with the scopes, separated by blanks or commas."""
    copy: tuple[str, ...] = ()
    """Fields of the answer that the upstream gets."""


@dataclass(frozen=True, slots=True)
class Callers:
    """All that is declared, once for all routes."""

    keys: dict[bytes, Known] = field(default_factory=dict)
    """By SHA-256 of the key."""
    users: dict[str, Known] = field(default_factory=dict)
    certificates: tuple[CertificateRule, ...] = ()
    tokens: dict[str, TokenRule] = field(default_factory=dict)
    forwards: dict[str, ForwardRule] = field(default_factory=dict)
    key_header: str = "X-API-Key"
    key_query: str | None = None
    """Name of the query's parameter that may hold a key; None where none may."""


@dataclass(frozen=True, slots=True)
class Auth:
    """What one route asks of its callers."""

    callers: Callers
    ways: tuple[tuple[str, str], ...]
    """Ways to show who one is, in the order in which they are tried: the way, and for ``jwt`` and ``forward_auth`` the
    name of the rule."""
    scopes: frozenset[str] = frozenset()
    """What a caller must be allowed."""
    pass_credential: bool = False
    """Whether the upstream gets what the caller showed."""

    def has(self, way: str) -> bool:
        """Say whether ``way`` is one of the ways."""
        return any(each == way for each, _ in self.ways)
