"""What proves to an upstream who asks, as plain values. None of them prints what it holds.

A credential is never written into an attempt's target or fields, which logs and commands may show: it rides beside
them, and is put onto the request in the moment in which its octets are made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.exchange.message import Fields
from gateway.exchange.target import Endpoint


class _Hidden:
    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} ***>"


@dataclass(frozen=True, slots=True, repr=False)
class Injected(_Hidden):
    """Lines and parameters that a request gets last, where nobody looks at it any more."""

    fields: tuple[tuple[str, str], ...] = ()
    query: str = ""
    """Parameters, escaped, as in ``key=value``."""
    refused: Callable[[], bool] | None = None
    """Called when the upstream answers 401; says whether another try would bring something new."""

    def onto(self, target: str, fields: Fields) -> tuple[str, Fields]:
        """Return a request's target and fields with all of it. ``*`` stays ``*``."""
        if self.query and target != "*":
            joint = "?" if "?" not in target else "" if target[-1] in "?&" else "&"
            target = f"{target}{joint}{self.query}"
        return target, [*fields, *self.fields]


@dataclass(frozen=True, slots=True, repr=False)
class TokenSource(_Hidden):
    """Where a token comes from (RFC 6749 section 4.4), and all that makes it another source when it changes."""

    endpoint: Endpoint
    target: str
    client_id: str
    client_secret: str
    scope: str = ""
    audience: str | None = None
    in_body: bool = False
    """Whether the client is named in the form instead of the Authorization field."""
    ca: str | None = None
    ca_digest: str = ""
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True, repr=False)
class SigV4(_Hidden):
    """How requests are signed for AWS (Signature Version 4)."""

    region: str
    service: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    max_body: int | None = None
    """Octets of a body that is read whole and signed; None where bodies pass unsigned."""


@dataclass(frozen=True, slots=True, repr=False)
class Hmac(_Hidden):
    """How requests are signed with a shared key."""

    key: bytes
    key_id: str | None = None
    algorithm: str = "sha256"
    header: str = "X-Signature"
    max_body: int | None = None
    """As for `SigV4`."""


@dataclass(frozen=True, slots=True, repr=False)
class Credential(_Hidden):
    """What one caller's requests to one endpoint carry."""

    injected: Injected = field(default_factory=Injected)
    replaces: frozenset[str] = frozenset()
    """Names of fields, lower case with ``-`` for ``_``, which a client's own lines do not bring up beside it."""
    parameters: frozenset[str] = frozenset()
    """Names of query parameters, case folded, likewise."""
    token: TokenSource | None = None
    sigv4: SigV4 | None = None
    hmac: Hmac | None = None

    @property
    def late(self) -> bool:
        """Whether something is missing that only I/O, the body or the moment can tell."""
        return self.token is not None or self.sigv4 is not None or self.hmac is not None


@dataclass(frozen=True, slots=True, repr=False)
class Credentials(_Hidden):
    """The credentials for one endpoint, by who asks."""

    default: Credential | None = None
    by_principal: Mapping[str, Credential] = field(default_factory=dict)
    refuses: bool = True
    """Whether callers without one of their own are refused, where ``by_principal`` has any."""

    def all(self) -> tuple[Credential, ...]:
        """Return every one of them."""
        own = () if self.default is None else (self.default,)
        return (*own, *self.by_principal.values())
