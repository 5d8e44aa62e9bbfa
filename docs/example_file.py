"""Keeps the commented-out part of `gateway.toml`: below each marker, every setting of a table that is not set there.

What people write by hand stays as it is; only the lines between two markers are made anew::

    # --- more of [server] ---
    # --- end ---
"""

import re
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.model import Setting, settings_of
from gateway.config.model import Model
from gateway.settings import (
    AddressesSettings,
    AdminSettings,
    AdminTlsSettings,
    AdminTokenSettings,
    AuthSettings,
    BasicSettings,
    BreakerSettings,
    BudgetSettings,
    CallersSettings,
    CertificateSettings,
    CompressionSettings,
    ConvertSettings,
    CredentialsSettings,
    EndpointSettings,
    ForwardingSettings,
    ForwardSettings,
    HealthSettings,
    HmacSettings,
    KeySettings,
    LimitsSettings,
    LogSettings,
    OAuth2Settings,
    RateSettings,
    RetrySettings,
    RouteSettings,
    ServerSettings,
    ServerTlsSettings,
    Settings,
    SharedSettings,
    SigV4Settings,
    StoreSettings,
    TimeoutsSettings,
    TokenSettings,
    TracingSettings,
    UpstreamSettings,
    UpstreamTlsSettings,
    UserSettings,
)

FILE = Path(__file__).parent.parent / "gateway.toml"
WIDTH = 118

TABLES: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "the file": (Settings, ()),
    "[server]": (ServerSettings, ("server",)),
    "[server.tls]": (ServerTlsSettings, ("server", "tls")),
    "[server.addresses]": (AddressesSettings, ("server", "addresses")),
    "[admin]": (AdminSettings, ("admin",)),
    "[admin.tls]": (AdminTlsSettings, ("admin", "tls")),
    "[log]": (LogSettings, ("log",)),
    "[store]": (StoreSettings, ("store",)),
    "[tracing]": (TracingSettings, ("tracing",)),
    "[forwarding]": (ForwardingSettings, ("forwarding",)),
    "[callers]": (CallersSettings, ("callers",)),
    "[callers.keys.app]": (KeySettings, ("callers", "keys", "app")),
    "[shared]": (SharedSettings, ("shared",)),
    "[defaults.timeouts]": (TimeoutsSettings, ("defaults", "timeouts")),
    "[defaults.limits]": (LimitsSettings, ("defaults", "limits")),
    "[defaults.retry]": (RetrySettings, ("defaults", "retry")),
    "[defaults.compression]": (CompressionSettings, ("defaults", "compression")),
    "[defaults.convert]": (ConvertSettings, ("defaults", "convert")),
    "[defaults.auth]": (AuthSettings, ("defaults", "auth")),
    "[upstreams.openai]": (UpstreamSettings, ("upstreams", "openai")),
    "[upstreams.openai.breaker]": (BreakerSettings, ("upstreams", "openai", "breaker")),
    "[upstreams.openai.health]": (HealthSettings, ("upstreams", "openai", "health")),
    "[upstreams.openai.tls]": (UpstreamTlsSettings, ("upstreams", "openai", "tls")),
    "[[routes]]": (RouteSettings, ()),
}
"""What each marker stands for: a table, and where the file may have it."""

IN_PLACE: tuple[type[Model], ...] = (
    EndpointSettings, AdminTokenSettings, UserSettings, CertificateSettings, TokenSettings, ForwardSettings,
    CredentialsSettings, BasicSettings, OAuth2Settings, SigV4Settings, HmacSettings, RateSettings, BudgetSettings,
)  # fmt: skip
"""Tables that the example of a setting shows, for in one file a setting cannot have both of its forms; and those that
need files of other people, which docs/callers.md shows."""

_REGION = re.compile(r"^# --- more of (?P<table>.+) ---\n(?:.*\n)*?# --- end ---\n", re.M)


def text(now: str) -> str:
    """Return the text ``now`` of the file with what belongs between its markers. Raises KeyError for unknown ones."""
    values = tomllib.loads(now)
    return _REGION.sub(lambda region: "\n".join(_region(region["table"], values)) + "\n", now)


def missing(now: str) -> list[str]:
    """Return the tables that have no marker in the text ``now``."""
    marked = {region["table"] for region in _REGION.finditer(now)}
    return [table for table in TABLES if table not in marked]


def _region(table: str, values: dict[str, Any]) -> Iterator[str]:
    model, path = TABLES[table]
    present = _at(values, path) if table != "[[routes]]" else None
    yield f"# --- more of {table} ---"
    if present is None:
        yield f"#{table}"
    for setting in settings_of(model):
        if setting.name not in (present or {}) and not (setting.kind.startswith("table") and setting.example is None):
            yield from _lines(setting)
    yield "# --- end ---"


def _at(values: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values


def _lines(setting: Setting) -> Iterator[str]:
    yield from textwrap.wrap(setting.text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    yield f"#{setting.name} = {setting.example or setting.default}"
