"""The model of `gateway.toml`: schema, reference and built-in values in one.

Every field's text says what it means, its unit, its default and its danger. Field names are those of the file; here
durations are seconds and sizes octets.
"""

from collections.abc import Iterator

from pydantic import Field

from gateway.config.model import Model
from gateway.config.positions import Path
from gateway.grammar.addresses import Patterns
from gateway.grammar.tokens import Name
from gateway.policy.addresses import AddressesSettings
from gateway.policy.auth import AuthSettings
from gateway.policy.breaker import BreakerSettings
from gateway.policy.caller_certificates import CertificateSettings
from gateway.policy.caller_forward import ForwardSettings
from gateway.policy.caller_jwt import TokenSettings
from gateway.policy.caller_keys import KeySettings, UserSettings
from gateway.policy.compression import CompressionSettings
from gateway.policy.convert import ConvertSettings
from gateway.policy.cors import CorsSettings
from gateway.policy.credential_settings import (
    BasicSettings,
    CredentialsSettings,
    HmacSettings,
    OAuth2Settings,
    SigV4Settings,
)
from gateway.policy.forwarding import ForwardingSettings
from gateway.policy.header_rules import RequestHeadersSettings, ResponseHeadersSettings
from gateway.policy.health import HealthSettings
from gateway.policy.quotas import BudgetSettings, RateSettings
from gateway.policy.request_limits import LimitsSettings
from gateway.policy.retry import RetrySettings
from gateway.policy.timeouts import TimeoutsSettings
from gateway.settings.admin import AdminSettings, AdminTlsSettings, AdminTokenSettings
from gateway.settings.callers import CallersSettings
from gateway.settings.policies import DefaultsSettings, Policies
from gateway.settings.routes import RouteSettings
from gateway.settings.server import LogSettings, ServerSettings, ServerTlsSettings
from gateway.settings.shared import SharedSettings
from gateway.settings.store import StoreSettings
from gateway.settings.tracing import TracingSettings
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
    tracing: TracingSettings = Field(default_factory=TracingSettings)
    """Where spans are sent, and which. Table."""
    forwarding: ForwardingSettings = Field(default_factory=ForwardingSettings)
    """What upstreams are told about clients, and who may speak for them. Table."""
    callers: CallersSettings = Field(default_factory=CallersSettings)
    """Who may call, and how callers show who they are. Routes ask with `auth`. Table."""
    shared: SharedSettings = Field(default_factory=SharedSettings)
    """Where several workers, and machines, count together what callers take. Table."""
    defaults: DefaultsSettings = Field(default_factory=DefaultsSettings)
    """Policy values for all routes, where neither the route nor its upstream says otherwise. Table."""
    upstreams: dict[Name, UpstreamSettings] = Field(default_factory=dict)
    """The services behind the gateway, by name. Tables `[upstreams.NAME]`; at least one is needed."""
    routes: tuple[RouteSettings, ...] = ()
    """Which requests go to which upstream. Array of tables `[[routes]]`; at least one is needed."""

    def tables(self) -> Iterator[tuple[Path, Policies]]:
        """Yield every table that may hold policies, with its path."""
        yield ("defaults",), self.defaults
        yield from ((("upstreams", name), upstream) for name, upstream in self.upstreams.items())
        yield from ((("routes", index), route) for index, route in enumerate(self.routes))


__all__ = [
    "AddressesSettings",
    "AdminSettings",
    "AdminTlsSettings",
    "AdminTokenSettings",
    "AuthSettings",
    "BasicSettings",
    "BreakerSettings",
    "BudgetSettings",
    "CallersSettings",
    "CertificateSettings",
    "CompressionSettings",
    "ConvertSettings",
    "CorsSettings",
    "CredentialsSettings",
    "DefaultsSettings",
    "EndpointSettings",
    "ForwardSettings",
    "ForwardingSettings",
    "HealthSettings",
    "HmacSettings",
    "KeySettings",
    "LimitsSettings",
    "LogSettings",
    "OAuth2Settings",
    "Policies",
    "RateSettings",
    "RequestHeadersSettings",
    "ResponseHeadersSettings",
    "RetrySettings",
    "RouteSettings",
    "ServerSettings",
    "ServerTlsSettings",
    "Settings",
    "SharedSettings",
    "SigV4Settings",
    "StoreSettings",
    "TimeoutsSettings",
    "TokenSettings",
    "TracingSettings",
    "UpstreamSettings",
    "UpstreamTlsSettings",
    "UserSettings",
]
