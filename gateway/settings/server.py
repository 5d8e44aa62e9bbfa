"""Settings of the process: its listeners, their limits, and its log."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.files import KeyFileOrText, ReadableFile
from gateway.config.model import NEVER_SHOWN, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import Duration, PositiveDuration, Size
from gateway.grammar.addresses import ListenTexts
from gateway.grammar.counts import CountOrOff
from gateway.policy.addresses import AddressesSettings


def _between(smallest: int, largest: int, words: str) -> AfterValidator:
    def check(octets: int) -> int:
        if not smallest <= octets <= largest:
            raise Unacceptable(f"a size {words}")
        return octets

    return AfterValidator(check)


class ListenerTlsSettings(Model):
    """TLS on one kind of the gateway's own listeners."""

    certificate: ReadableFile = Field(examples=["tls/server.pem"])
    """PEM file with the certificate and the intermediate ones after it. Path, relative to this file; required."""
    key: KeyFileOrText = Field(repr=False, json_schema_extra=NEVER_SHOWN, examples=["tls/server.key"])
    """PEM file with the private key: its path, relative to this file, or the key itself where that comes from a
    reference (`"${file:/run/secrets/key}"`); required. Let nobody else read the file. Never shown."""
    client_ca: ReadableFile | None = Field(default=None, examples=["tls/clients.pem"])
    """PEM file with the authorities that clients' certificates must come from; clients without one are refused.
    Path, relative to this file. Default none: clients need no certificate."""


class ServerTlsSettings(ListenerTlsSettings):
    """TLS on the gateway's own listeners."""

    client_certificates: Literal["required", "optional"] = "required"
    """What becomes of clients without a certificate where there is a `client_ca`: "required" refuses them at the
    handshake, "optional" leaves it to the routes, whose `auth` has "mtls" or not. Default "required"."""


class ServerSettings(Model):
    """The listeners clients connect to, and what each connection may use."""

    listen: ListenTexts = Field(default=("127.0.0.1:8080",), min_length=1)
    """Address to listen on, or an array of them: "host:port", "[ipv6]:port" or "unix:/path".
    Default "127.0.0.1:8080". "0.0.0.0:8080" is open to every network this machine is in."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve. Number. Default 1: with more, limits and live views hold for each worker alone."""
    drain_timeout: Duration = 30.0
    """How long running exchanges may go on when the gateway is told to stop. Duration. Default "30s".
    Streams still running then are cut; whoever stops the process must wait longer than this before killing it."""
    watch_config: bool = False
    """Whether the configuration is read again when its file changes, without being told. Default false.
    A file that is saved half-done is refused like any bad one: the configuration before it stays."""
    tls: ServerTlsSettings | None = None
    """TLS for all TCP and unix listeners of `listen`. Table. Default none: plain HTTP."""
    max_connections: int = Field(default=10_000, ge=1, le=1_000_000)
    """Client connections a worker keeps open; above it new ones get 503. Number. Default 10000.
    Each open stream needs two file descriptors. The gateway raises its soft limit (`ulimit -n`) to the hard one when it
    starts, and warns where that is not enough for this number."""
    head_timeout: PositiveDuration = 30.0
    """Time for a client to send the head of a request. Duration. Default "30s".
    Long values let slow clients hold connections without asking for anything."""
    keepalive_timeout: PositiveDuration = 75.0
    """How long an idle client connection is kept. Duration. Default "75s".
    A load balancer in front must close idle connections earlier, or it now and then sends into a closed one."""
    max_request_line: Annotated[Size, _between(1024, 2**20, "between 1KiB and 1MiB")] = 16_384
    """Octets a request line may have; longer ones get 414. Size. Default "16KiB".
    At least 8000 octets should pass (RFC 9112 section 3)."""
    max_header_fields: int = Field(default=200, ge=16, le=10_000)
    """Field lines a request may have; more get 431. Number. Default 200."""
    max_header_size: Annotated[Size, _between(1024, 2**20, "between 1KiB and 1MiB")] = 65_536
    """Octets a field line may have; longer ones get 431. Size. Default "64KiB"."""
    max_headers_size: Annotated[Size, _between(1024, 2**24, "between 1KiB and 16MiB")] = 262_144
    """Octets that all field lines of a request may have together; more get 431. Size. Default "256KiB".
    Each connection can make the gateway keep so much."""
    max_connections_per_address: CountOrOff = None
    """Connections that one client address (IPv6: the /64) may have open; further ones are closed at once. Number or
    "off". Default "off". `forwarding.trusted_peers` and unix sockets are not counted. Behind one address may be many
    people."""
    addresses: AddressesSettings = Field(default_factory=AddressesSettings)
    """Who may connect at all: others are closed before anything is read. Table. Default: everybody.
    It is about the other end of the connection, or the source that a PROXY header tells; behind a proxy that speaks
    HTTP use the `addresses` of routes."""
    proxy_protocol: Literal["off", "required"] = "off"
    """Whether each connection begins with a PROXY header (version 1 or 2), which tells the real source. "off" or
    "required". Default "off". Only `forwarding.trusted_peers` may connect then; TLS begins behind the header."""


class LogSettings(Model):
    """What the gateway writes: a line for each exchange on standard output, all else on standard error."""

    format: Literal["json", "text"] = "json"
    """How log lines look: "json" for machines, "text" for people. Default "json"."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe lines that are written on standard error. Default "info". Every exchange has its line on
    standard output at any level."""
