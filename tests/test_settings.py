"""The model of `gateway.toml`: complete in words, true to the compiled values, and strict."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from docs.model import settings_of
from gateway.config.load import load, load_text
from gateway.config.problem import ConfigError
from gateway.config.units import parse_duration_or_off
from gateway.exchange.route import Forwarding, Timeouts, TlsToUpstream
from gateway.settings import (
    ForwardingSettings,
    LimitsSettings,
    ServerSettings,
    Settings,
    TimeoutsSettings,
    UpstreamSettings,
    UpstreamTlsSettings,
)
from gateway.settings.policies import nearest

ROOT = Path(__file__).parents[1]


def models_below(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield every model that a type leads to, through fields and type arguments."""
    for part in get_args(annotation):
        yield from models_below(part)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_below(field.annotation)


MODELS = sorted(set(models_below(Settings)), key=lambda model: model.__name__)
FIELDS = [(model, name) for model in MODELS for name in model.model_fields]


def test_all_tables_are_reached() -> None:
    """The tests below see every table of the file."""
    assert {model.__name__ for model in MODELS} == {
        "AddressesSettings",
        "AdminSettings",
        "AdminTlsSettings",
        "AdminTokenSettings",
        "BreakerSettings",
        "CompressionSettings",
        "ConvertSettings",
        "CorsSettings",
        "AuthSettings",
        "CallersSettings",
        "CertificateSettings",
        "BasicSettings",
        "CredentialSettings",
        "CredentialsSettings",
        "BudgetSettings",
        "DefaultsSettings",
        "EndpointSettings",
        "ForwardSettings",
        "ForwardingSettings",
        "HealthSettings",
        "HedgeSettings",
        "KeySettings",
        "LimitsSettings",
        "LogSettings",
        "RequestHeadersSettings",
        "ResponseHeadersSettings",
        "HmacSettings",
        "OAuth2Settings",
        "RateSettings",
        "RetrySettings",
        "RouteSettings",
        "ServerSettings",
        "ServerTlsSettings",
        "Settings",
        "StoreSettings",
        "TracingSettings",
        "StreamSettings",
        "SigV4Settings",
        "SharedSettings",
        "TimeoutsSettings",
        "TokenSettings",
        "UpstreamSettings",
        "UpstreamTlsSettings",
        "UserSettings",
    }


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_a_setting_says_what_it_means(model: type[BaseModel], name: str) -> None:
    """Every field has a text, and one with a built-in value names it."""
    field = model.model_fields[name]
    text = field.description

    assert text is not None
    assert len(text) > 20
    assert "Default" in text or "required" in text.lower() or text.endswith(("Table.", "needed.", "inherited."))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_table_is_frozen_and_closed(model: type[BaseModel]) -> None:
    """No setting changes after it was read, and no unknown one is ignored."""
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "forbid"


def test_the_built_in_values_are_those_of_the_compiled_ones() -> None:
    """A route made by a program has the same defaults as one from a file."""
    assert Timeouts(**dict(TimeoutsSettings())) == Timeouts()
    assert TlsToUpstream(**dict(UpstreamTlsSettings())) == TlsToUpstream()
    assert Forwarding(**{**dict(ForwardingSettings()), "trusted_peers": ()}) == Forwarding()
    assert LimitsSettings().max_request_body is None
    assert (UpstreamSettings().keepalive, UpstreamSettings().max_idle_connections) == (4.0, 64)


def test_values_are_written_as_they_are_read() -> None:
    """What a dump of the settings says can be put into a file."""
    server = ServerSettings()
    written = server.model_dump(exclude={"tls", "listen"})

    assert written["drain_timeout"] == "30s"
    assert written["keepalive_timeout"] == "1m15s"
    assert written["max_header_size"] == "64KiB"
    assert ServerSettings(**written) == server


def test_the_nearest_layer_wins_key_by_key() -> None:
    """A layer that was given the built-in value wins too; one that was not given any does not."""
    route = TimeoutsSettings(idle="1s", total="off")
    upstream = TimeoutsSettings(idle="2s", total="9s", connect="5s")
    defaults = TimeoutsSettings(idle="3s", connect="7s", write="off")

    found = nearest(route, upstream, defaults)

    assert (found.idle, found.total, found.connect, found.write, found.first_byte) == (1, None, 5, None, 60)
    assert found.model_fields_set == {"idle", "total", "connect", "write"}


def test_a_lone_string_stands_for_an_array_of_one() -> None:
    """One listener or endpoint needs no brackets."""
    text = 'server.listen = "[::1]:80"\nupstreams.a.endpoints = "http://[::1]:9000"'
    settings = load_text(text, "x", Settings)

    assert settings.server.listen == ("[::1]:80",)
    assert [each.url for each in settings.upstreams["a"].endpoints] == ["http://[::1]:9000"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('server.max_request_line = "100B"', "between 1KiB and 1MiB"),
        ('forwarding.request_id_header = "Content-Length"', "a meaning of its own"),
        ('forwarding.via = "two words"', "a token"),
        ('upstreams."a b".keep_host = true', '(did you mean "a-b"?)'),
        ('upstreams.a.tls.server_name = "a.example.com:443"', '(did you mean "a.example.com"?)'),
        ('admin.listen = "unix:/' + "x" * 200 + '"', "at most 107 octets"),
        ('server.listen = "256.0.0.1:80"', "expected an address"),
        ('server.listen = "127.0.0.1:70000"', "expected an address"),
        ("server.listen = []", "at least 1 element"),
    ],
)
def test_a_value_out_of_its_grammar_is_refused(text: str, told: str) -> None:
    """Each with what would be right."""
    with pytest.raises(ConfigError) as raised:
        load_text(text, "x", Settings)

    assert told in str(raised.value)


def test_the_example_at_the_top_of_the_repository_loads() -> None:
    """`gateway.toml` is sound, and serves the demo upstream."""
    settings = load(ROOT / "gateway.toml", Settings)

    assert [each.url for each in settings.upstreams["demo"].endpoints] == ["http://127.0.0.1:9000"]


def test_the_commented_lines_of_the_example_load_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever takes the # away gets a file that works."""
    text = re.sub(r"^#(?=[a-z0-9_]+ = |\[)", "", (ROOT / "gateway.toml").read_text(), flags=re.M)
    (tmp_path / "tls").mkdir()
    for name in ("server.pem", "server.key", "clients.pem", "private-ca.pem", "gateway.pem", "gateway.key"):
        (tmp_path / "tls" / name).write_text("")
    for name in ("OPENAI_API_KEY", "OTHER_API_KEY", "SEARCH_KEY", "OTLP_KEY"):
        monkeypatch.setenv(name, "sk-example")

    settings = load_text(text, "gateway.toml", Settings, directory=tmp_path)

    assert [route.name for route in settings.routes] == ["demo", "model", "openai"]
    assert settings.server.tls is not None
    assert settings.defaults.timeouts == TimeoutsSettings()
    assert settings.upstreams["openai"].tls.server_name == "api.openai.com"
    for table in (settings, settings.server, settings.server.tls, *settings.upstreams.values(), settings.routes[-1]):
        left_out = set(type(table).model_fields) - table.model_fields_set
        assert left_out == (set() if table is not settings.upstreams["demo"] else left_out)


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_an_example_or_a_default_of_a_setting_can_be_written(model: type[BaseModel], name: str) -> None:
    """Every setting can be shown as it would stand in the file, so that nobody has to guess its form."""
    found = next(each for each in settings_of(model) if each.name == name)

    assert found.example or found.default or found.kind == "table" or "table" in found.kind


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=lambda value: getattr(value, "__name__", value))
def test_the_default_that_a_text_names_is_the_one_that_holds(model: type[BaseModel], name: str) -> None:
    """`Default "5s"` in the text of a setting is the value that it has where nobody sets it."""
    found = next(each for each in settings_of(model) if each.name == name)
    named = re.search(r'Default ("[^"]*"|true|false|[0-9]+)(?=[.:;])', found.text)
    if named is None:
        return
    default = "null" if found.default is None else found.default.strip("[]")
    if found.kind.startswith("duration"):
        assert parse_duration_or_off(json.loads(named[1])) == parse_duration_or_off(json.loads(default))
    else:
        assert named[1] == default
