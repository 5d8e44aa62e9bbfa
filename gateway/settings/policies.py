"""Settings that inherit: what `[defaults]`, `[upstreams.X]` and `[[routes]]` may each say.

The nearest wins, key by key: that of the route, else of its upstream, else of `[defaults]`, else the built-in one.
Each table belongs to a policy, which says what it compiles to.
"""

from typing import TypeVar

from pydantic import Field

from gateway.config.model import Model
from gateway.policy.addresses import AddressesSettings
from gateway.policy.auth import AuthSettings
from gateway.policy.compression import CompressionSettings
from gateway.policy.convert import ConvertSettings
from gateway.policy.cors import CorsSettings
from gateway.policy.header_rules import RequestHeadersSettings, ResponseHeadersSettings
from gateway.policy.hedge import HedgeSettings
from gateway.policy.request_limits import LimitsSettings
from gateway.policy.retry import RetrySettings
from gateway.policy.stream import StreamSettings
from gateway.policy.timeouts import TimeoutsSettings

OF_THE_TABLE_ITSELF = {"limits": frozenset({"max_concurrent", "adaptive", "max_queued"})}
"""Settings that a route does not inherit: on an upstream they are about all of its routes together, and hold too."""

M = TypeVar("M", bound=Model)


class Policies(Model):
    """The inheriting tables. A policy adds itself here with one field."""

    timeouts: TimeoutsSettings = Field(
        default_factory=TimeoutsSettings, examples=[{"first_byte": "120s", "idle": "60s"}]
    )
    """Time allowed for each part of an exchange. Table; keys left out are inherited."""
    limits: LimitsSettings = Field(default_factory=LimitsSettings, examples=[{"max_request_body": "10MiB"}])
    """What an exchange may take at most. Table; keys left out are inherited."""
    retry: RetrySettings = Field(
        default_factory=RetrySettings,
        examples=[{"attempts": 2, "on": ["connect", 429, 503], "methods": ["GET", "POST"]}],
    )
    """When an attempt is followed by another one. Table; keys left out are inherited."""
    hedge: HedgeSettings = Field(default_factory=HedgeSettings, examples=[{"after": "p95"}])
    """When a second attempt is made beside one that lets us wait. Table; keys left out are inherited."""
    stream: StreamSettings = Field(
        default_factory=StreamSettings, examples=[{"format": "openai", "complete": "terminal", "keepalive": "15s"}]
    )
    """What is known of the meaning of a stream, and done about it. Table; keys left out are inherited."""
    compression: CompressionSettings = Field(
        default_factory=CompressionSettings, examples=[{"codings": ["zstd", "gzip"]}]
    )
    """Which answers are compressed on their way to the client. Table; keys left out are inherited."""
    convert: ConvertSettings = Field(
        default_factory=ConvertSettings, examples=[{"to": ["ndjson", "csv"], "columns": ["id", "user.name"]}]
    )
    """Formats that a client may ask for instead of the upstream's own. Table; keys left out are inherited."""
    addresses: AddressesSettings = Field(
        default_factory=AddressesSettings, examples=[{"allow": ["10.0.0.0/8"], "deny": ["10.66.0.0/16"]}]
    )
    """Which clients may come, by their addresses; others get 403. Table; keys left out are inherited."""
    cors: CorsSettings = Field(
        default_factory=CorsSettings, examples=[{"origins": ["https://app.example.com"], "methods": ["GET", "POST"]}]
    )
    """Which pages of other origins may call it, and read what it answers. Table; keys left out are inherited."""
    request_headers: RequestHeadersSettings = Field(
        default_factory=RequestHeadersSettings, examples=[{"set": {"X-User": "{principal}"}, "remove": ["X-Debug"]}]
    )
    """What becomes of a request's fields on their way up. Table; keys left out are inherited."""
    response_headers: ResponseHeadersSettings = Field(
        default_factory=ResponseHeadersSettings, examples=[{"remove": ["Server", "X-Powered-By"]}]
    )
    """What becomes of an answer's fields on their way down. Table; keys left out are inherited."""
    auth: AuthSettings = Field(default_factory=AuthSettings, examples=[{"any": ["keys"], "scopes": ["read"]}])
    """Who may use it. Table; keys left out are inherited."""


def nearest(*layers: M) -> M:
    """Return one table out of several, nearest first: of each key the first value that a layer was given."""
    saying = [layer for layer in layers if layer.model_fields_set]
    if len(saying) < 2:
        return saying[0] if saying else layers[0]  # It is the whole already; most tables are said once, or nowhere.
    values: dict[str, object] = {}
    for layer in reversed(saying):
        values.update({key: getattr(layer, key) for key in layer.model_fields_set})
    return type(layers[0]).model_construct(set(values), **values)


class DefaultsSettings(Policies):
    """What holds for every route that, like its upstream, says nothing else."""
