"""Settings of `[upstreams.X]`: the services behind the gateway."""

from pydantic import Field

from gateway.config.files import ReadableFile
from gateway.config.model import Model
from gateway.config.units import Duration
from gateway.grammar.addresses import EndpointTexts, HostText
from gateway.settings.policies import Policies


class UpstreamTlsSettings(Model):
    """How the certificates of `https` endpoints are checked."""

    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """PEM file with the only authorities to trust. Path, relative to this file. Default: those of the system."""
    verify: bool = True
    """Whether certificates are checked. Default true. With false anyone on the way can read and change everything."""
    server_name: HostText | None = Field(default=None, examples=["api.openai.com"])
    """Name to ask for in TLS (SNI) and to expect in the certificate. Host name. Default: the endpoint's own host."""


class UpstreamSettings(Policies):
    """A named service with one or more endpoints."""

    endpoints: EndpointTexts = Field(default=(), examples=[["https://api.openai.com"]])
    """Addresses of the service: "http://host:port/base", "https://host" or "unix:/path". Array; required.
    The path of an endpoint is put before that of each request."""
    keep_host: bool = False
    """Whether the client's Host field goes up as it came, instead of the endpoint's own. Default false.
    Services that choose by host, as most public ones do, need false."""
    keepalive: Duration = 4.0
    """How long an idle connection to the service may be used again. Duration. Default "4s"; "0s" for never.
    It must be shorter than the service's own idle timeout, or requests meet a connection that is just being closed."""
    max_idle_connections: int = Field(default=64, ge=0, le=100_000)
    """Idle connections kept for each worker. Number. Default 64. Connections in use are not counted."""
    tls: UpstreamTlsSettings = Field(default_factory=UpstreamTlsSettings)
    """How certificates of `https` endpoints are checked. Table. Default: by the authorities of the system."""
