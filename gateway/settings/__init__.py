"""The model of `gateway.toml`: schema, reference and built-in values in one.

Every field's text says what it means, its unit, its default and its danger. Field names are those of the file; here
durations are seconds and sizes octets.
"""

from pydantic import Field

from gateway.config.model import Model
from gateway.grammar.addresses import Patterns
from gateway.grammar.tokens import Name
from gateway.policy.breaker import BreakerSettings
from gateway.policy.compression import CompressionSettings
from gateway.policy.convert import ConvertSettings
from gateway.policy.forwarding import ForwardingSettings
from gateway.policy.health import HealthSettings
from gateway.policy.request_limits import LimitsSettings
from gateway.policy.retry import RetrySettings
from gateway.policy.timeouts import TimeoutsSettings
from gateway.settings.policies import DefaultsSettings, Policies
from gateway.settings.routes import RouteSettings
from gateway.settings.server import AdminSettings, LogSettings, ServerSettings, ServerTlsSettings
from gateway.settings.store import StoreSettings
from gateway.settings.upstreams import EndpointSettings, UpstreamSettings, UpstreamTlsSettings


class Settings(Model):
    """The whole of `gateway.toml`."""

    include: Patterns = Field(default=(), examples=[["routes.d/*.toml"]])
    """Further files with upstreams and routes, such as "routes.d/*.toml", relative to this file; in each pattern they
    come in the order of their names. Array of patterns. Default empty. An included file may include others, too."""
    server: ServerSettings = Field(default_factory=ServerSettings)
    """The listeners clients connect to, and what each connection may use. Table."""
    admin: AdminSettings = Field(default_factory=AdminSettings)
    """The listener for operators. Table."""
    log: LogSettings = Field(default_factory=LogSettings)
    """What is logged, and how. Table."""
    store: StoreSettings | None = None
    """Where records of exchanges are kept. Table. Default none: nothing is kept but the log."""
    forwarding: ForwardingSettings = Field(default_factory=ForwardingSettings)
    """What upstreams are told about clients, and who may speak for them. Table."""
    defaults: DefaultsSettings = Field(default_factory=DefaultsSettings)
    """Policy values for all routes, where neither the route nor its upstream says otherwise. Table."""
    upstreams: dict[Name, UpstreamSettings] = Field(default_factory=dict)
    """The services behind the gateway, by name. Tables `[upstreams.NAME]`; at least one is needed."""
    routes: tuple[RouteSettings, ...] = ()
    """Which requests go to which upstream. Array of tables `[[routes]]`; at least one is needed."""


__all__ = [
    "AdminSettings",
    "BreakerSettings",
    "CompressionSettings",
    "ConvertSettings",
    "DefaultsSettings",
    "EndpointSettings",
    "ForwardingSettings",
    "HealthSettings",
    "LimitsSettings",
    "LogSettings",
    "Policies",
    "RetrySettings",
    "RouteSettings",
    "ServerSettings",
    "ServerTlsSettings",
    "Settings",
    "StoreSettings",
    "TimeoutsSettings",
    "UpstreamSettings",
    "UpstreamTlsSettings",
]
