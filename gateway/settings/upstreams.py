"""Settings of `[upstreams.X]`: the services behind the gateway."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PlainSerializer

from gateway.config.files import KeyFileOrText, ReadableFile
from gateway.config.model import NEVER_SHOWN, Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import Duration, DurationOrOff
from gateway.exchange.credential import Credentials
from gateway.grammar.addresses import EndpointText, HostText, endpoint_text
from gateway.policy.balance import Balance, HashOn
from gateway.policy.breaker import BreakerSettings
from gateway.policy.credential_settings import CredentialsSettings, as_written
from gateway.policy.health import HealthSettings
from gateway.settings.policies import Policies


class UpstreamTlsSettings(Model):
    """How `https` endpoints are spoken to: which certificates are trusted, and what the gateway shows."""

    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """PEM file with the only authorities to trust. Path, relative to this file. Default: those of the system."""
    verify: bool = True
    """Whether certificates are checked. Default true. With false anyone on the way can read and change everything."""
    server_name: HostText | None = Field(default=None, examples=["api.openai.com"])
    """Name to ask for in TLS (SNI) and to expect in the certificate. Host name. Default: the endpoint's own host."""
    certificate: ReadableFile | None = Field(default=None, examples=["tls/gateway.pem"])
    """PEM file with the certificate, and its chain, that the gateway shows to endpoints. Path. Default: none."""
    key: KeyFileOrText | None = Field(default=None, examples=["tls/gateway.key"], json_schema_extra=NEVER_SHOWN)
    """PEM file with its key, or the text itself. Path or text. Default: the key stands in the file of `certificate`."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    """Oldest version of TLS that is spoken. Default "1.2"."""


class EndpointSettings(Model):
    """One address of a service, where more is to be said than the URL."""

    url: EndpointText = Field(examples=["https://b.example.com/base"])
    """As a string in `endpoints` would say it. URL; required."""
    weight: int = Field(default=1, ge=1, le=1000)
    """Its part of what its priority group gets, beside the others' weights. Number. Default 1."""
    priority: int = Field(default=0, ge=0, le=100)
    """Its group: a higher one is used only when no endpoint of a lower one is available. Number. Default 0.
    Nothing makes an endpoint unavailable but `breaker` and `health`."""
    credentials: CredentialsSettings | None = Field(default=None, examples=[{"bearer": "${env:OTHER_API_KEY}"}])
    """What this endpoint alone is shown, in the place of all that its upstream and its routes say; `{}` for nothing.
    Table. Default: what the route, else the upstream, says."""


class BareEndpoint(EndpointSettings):
    """One that was given as a URL alone, and is shown as such."""


class _OrText:
    """As metadata: where the schema has a table, the URL alone will do, too."""

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core)]}


class _OrOne:
    """As metadata: where the schema has an array, one string will do, too."""

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core) | {"minItems": 1}]}


def _endpoint(value: Any) -> Any:
    if isinstance(value, str):
        return BareEndpoint.model_construct({"url"}, url=endpoint_text(value))
    if not isinstance(value, dict | EndpointSettings):
        raise Unacceptable("a URL, or a table with url")
    return value


def _one_or_more(value: Any) -> Any:
    if not isinstance(value, str | tuple):
        raise Unacceptable("a URL, or an array of URLs and of tables with url")
    return (value,) if isinstance(value, str) else value


def _as_written(endpoint: EndpointSettings) -> str | dict[str, Any]:
    if isinstance(endpoint, BareEndpoint):
        return endpoint.url
    written = endpoint.model_dump(exclude={"credentials"})
    return written if endpoint.credentials is None else written | {"credentials": as_written(endpoint.credentials)}


Endpoints = Annotated[
    tuple[Annotated[EndpointSettings, BeforeValidator(_endpoint), PlainSerializer(_as_written), _OrText()], ...],
    BeforeValidator(_one_or_more),
    _OrOne(),
    Kind("URL, or array of URLs and tables"),
]


class UpstreamSettings(Policies):
    """A named service with one or more endpoints."""

    endpoints: Endpoints = Field(
        default=(), examples=[["https://api.openai.com", {"url": "https://b.example.com", "weight": 2, "priority": 1}]]
    )
    """Addresses of the service: "http://host:port/base", "https://host" or "unix:/path", or tables with `url`, `weight`
    and `priority`. Array; required. The path of an endpoint is put before that of each request.
    A name is resolved anew for each new connection, and of its addresses the first that connects is used."""
    balance: Balance = "round_robin"
    """Which endpoint gets the next request: each in turn, the one with the fewest under way, or by a hash of the
    request, so that equal ones go to the same. Default "round_robin"."""
    hash_on: HashOn | None = Field(default=None, examples=["header:X-User"])
    """What `balance = "hash"` looks at: "path", or "header:" and the name of a field. Requests without the field are
    spread in turn. Default not set."""
    breaker: BreakerSettings | None = None
    """When an endpoint that fails is left alone. Table. Default none: every endpoint keeps its
    share, come what may."""
    health: HealthSettings | None = None
    """How endpoints are asked whether they are well. Table. Default none: they are not asked."""
    slow_start: DurationOrOff = None
    """How long the share of an endpoint grows that came back, or was added by a reload. Duration or "off".
    Default "off"."""
    credentials: CredentialsSettings | None = Field(default=None, examples=[{"bearer": "${env:OPENAI_API_KEY}"}])
    """What requests to this service carry to prove who asks, in the place of what clients send under the same names.
    Table. Default none. What a route or an endpoint says instead holds as a whole."""
    keep_host: bool = False
    """Whether the client's Host field goes up as it came, instead of the endpoint's own. Default false.
    Services that choose by host, as most public ones do, need false."""
    keepalive: Duration = 4.0
    """How long an idle connection to the service may be used again. Duration. Default "4s"; "0s" for never.
    It must be shorter than the service's own idle timeout, or requests meet a connection that is just being closed."""
    max_idle_connections: int = Field(default=64, ge=0, le=100_000)
    """Idle connections kept for each worker. Number. Default 64. Connections in use are not counted."""
    allow_link_local: bool = False
    """Whether endpoints may be at addresses of the own link (169.254.0.0/16, fe80::/10) and of clouds' metadata.
    Default false: a name that resolves to one gets 502. There clouds hand out the credentials of the machine."""
    tls: UpstreamTlsSettings = Field(default_factory=UpstreamTlsSettings)
    """How `https` endpoints are spoken to. Table. Default: certificates by the authorities of the system."""

    def credentials_by(self, general: CredentialsSettings | None) -> tuple[Credentials | None, ...]:
        """Return what each endpoint is shown where the route says ``general``: its own, else that, else the upstream's.

        As a whole; () for none.
        """
        general = self.credentials if general is None else general
        each = (general if endpoint.credentials is None else endpoint.credentials for endpoint in self.endpoints)
        compiled = tuple(None if settings is None else settings.compiled() for settings in each)
        return compiled if any(credentials is not None for credentials in compiled) else ()
