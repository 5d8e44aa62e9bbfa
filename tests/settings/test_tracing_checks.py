"""What `[tracing]` means, and what is said where it cannot act."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from gateway.assemble import read_text
from gateway.config.problem import ConfigError
from gateway.exchange.trace import TraceRule

REST = '\n[upstreams.a]\nendpoints = ["http://h"]\n[[routes]]\npath = "/"\nupstream = "a"\n'


@pytest.mark.parametrize(
    ("endpoint", "authority", "target"),
    [
        ("http://127.0.0.1:4318", "127.0.0.1:4318", "/v1/traces"),
        ("http://127.0.0.1:4318/", "127.0.0.1:4318", "/v1/traces"),
        ("https://otlp.example.com/otlp/v1/traces", "otlp.example.com", "/otlp/v1/traces"),
    ],
)
def test_endpoint_without_a_path_is_asked_as_collectors_are(endpoint: str, authority: str, target: str) -> None:
    """A path that is written is taken as it is."""
    _, plan, _ = read_text(f'[tracing]\nendpoint = "{endpoint}"{REST}', "g.toml")
    assert plan.tracing is not None
    assert (plan.tracing.place.endpoint.authority, plan.tracing.place.target) == (authority, target)
    assert plan.routes[0].tracing == TraceRule(1.0, "all", True)


def test_nothing_is_traced_unless_asked() -> None:
    """Neither the plan nor a route knows anything of it."""
    _, plan, _ = read_text(REST, "g.toml")
    assert plan.tracing is plan.routes[0].tracing is None


def test_secret_of_the_receiver_is_not_shown() -> None:
    """Neither by the settings nor by what they compile to."""
    toml = f'[tracing]\nendpoint = "http://h"\nheaders = {{ X-Key = "hunter2" }}{REST}'
    settings, plan, _ = read_text(toml, "g.toml")
    assert plan.tracing is not None
    assert plan.tracing.headers == (("X-Key", "hunter2"),)
    assert "hunter2" not in f"{settings!r} {settings.model_dump_json()} {plan!r}"


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.proto"])
def test_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Before the gateway starts, and only where spans are to be sent."""
    real = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == missing else real(name, package)

    monkeypatch.setattr("gateway.settings.tracing_checks.find_spec", found)
    read_text(REST, "g.toml")
    with pytest.raises(ConfigError, match=r"needs the extra `otel`.*slowgate\[otel\]"):
        read_text(f'[tracing]\nendpoint = "http://h"{REST}', "g.toml")
