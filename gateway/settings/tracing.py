"""Settings of `[tracing]`: where spans are sent, which, and whose traces are continued."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.config.files import ReadableFile
from gateway.config.model import Kind, Model
from gateway.config.problem import Unacceptable
from gateway.config.units import PositiveDuration
from gateway.exchange.trace import TraceRule, Tracing
from gateway.grammar.shares import ShareOrOff
from gateway.policy.caller_place import place, split_url
from gateway.policy.credential_settings import FieldSecret, HeaderName

_PATH = "/v1/traces"
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,127}")
_EXPECTED = 'a URL such as "http://127.0.0.1:4318"'


def _endpoint(text: str) -> str:
    try:
        _, target = split_url(text)
    except ValueError as error:
        raise Unacceptable(_EXPECTED, message=str(error)) from None
    if "?" in target:
        raise Unacceptable(_EXPECTED, message="it has a query; keys belong in headers")
    return text


def _attribute(text: str) -> str:
    if not _ATTRIBUTE.fullmatch(text):
        raise Unacceptable('the name of an attribute, such as "deployment.environment.name"')
    if text == "service.name":
        raise Unacceptable(message="write service_name")
    return text


def _text(text: str) -> str:
    if not 1 <= len(text) <= 256 or not text.isprintable():
        raise Unacceptable("1 to 256 printable characters")
    return text


ReceiverUrl = Annotated[str, AfterValidator(_endpoint), Kind("URL")]
AttributeName = Annotated[str, AfterValidator(_attribute), Kind("name of an attribute")]
AttributeText = Annotated[str, AfterValidator(_text), Kind("text")]


class TracingSettings(Model):
    """Spans of exchanges and their attempts, for OpenTelemetry: sent by OTLP over HTTP when an exchange has ended."""

    endpoint: ReceiverUrl | None = Field(default=None, examples=["http://127.0.0.1:4318"])
    """Where spans are sent: a collector's URL; without a path `/v1/traces` is asked. URL. Default none: nothing is
    traced. Needs the extra: pip install 'slowgate[otel]'."""
    headers: dict[HeaderName, FieldSecret] = Field(default_factory=dict, examples=[{"X-Api-Key": "${env:OTLP_KEY}"}])
    """Fields that the receiver asks for. Table of secrets. Default none. Their values are never shown."""
    ca: ReadableFile | None = Field(default=None, examples=["tls/private-ca.pem"])
    """Authorities that the receiver's certificate is checked against, in PEM. File. Default: those of the system."""
    service_name: AttributeText = "slowgate"
    """What the gateway is called in traces: `service.name`. Text. Default "slowgate"."""
    resource: dict[AttributeName, AttributeText] = Field(
        default_factory=dict, examples=[{"deployment.environment.name": "production"}]
    )
    """Further attributes of the process. Table. Default none."""
    sample: ShareOrOff = 1.0
    """How many of the traces that begin here are sent. Percentage or "off". Default "100%". Of a trace that is
    continued its caller decides."""
    trust: Literal["all", "trusted_peers", "none"] = "all"
    """Whose traces are continued: those of "all" callers, of `forwarding.trusted_peers`, of "none". Default "all", for
    the caller of a gateway is mostly a service of one's own. Whoever is believed decides what is sampled: where
    strangers call, say "trusted_peers"."""
    propagate: bool = True
    """Whether the upstream gets `traceparent` and `tracestate`, in the place of the client's own. Default true. With
    false the client's own pass."""
    timeout: PositiveDuration = 10.0
    """How long the receiver may take to answer. Duration. Default "10s"."""
    flush: PositiveDuration = 1.0
    """How long spans wait for others before they are sent. Duration. Default "1s"."""
    queue: int = Field(default=2048, ge=64, le=1_000_000)
    """Exchanges of a worker whose spans may wait to be sent; above it the oldest are dropped, and counted. Number.
    Default 2048. Each takes 1 to 4 KiB of memory while it waits."""

    def rule(self) -> TraceRule | None:
        """Return what holds for each exchange; None where nothing is traced."""
        return None if self.endpoint is None else TraceRule(self.sample or 0.0, self.trust, self.propagate)

    def compiled(self) -> Tracing | None:
        """Return what these settings say, made for use; None where nothing is traced. Reads the file `ca`."""
        rule = self.rule()
        if rule is None or self.endpoint is None:
            return None
        _, target = split_url(self.endpoint)
        url = self.endpoint.rstrip("/") + _PATH if target == "/" else self.endpoint
        return Tracing(
            rule,
            place(url, self.ca, self.timeout),
            tuple((name, value.reveal()) for name, value in self.headers.items()),
            (("service.name", self.service_name), *self.resource.items()),
            self.queue,
            self.flush,
        )
