"""Another configuration for applications that serve: all of it, or nothing."""

import logging
import sys

import pytest

from gateway.app import Applications
from gateway.assemble import read_text
from gateway.exchange.route import GatewayPlan
from gateway.observe.line import LineLog
from gateway.policy.callers import Reach
from gateway.shared.sharing import Sharing

LOG = LineLog("json", logging.getLogger("nowhere"))


def a_plan(secret: str, more: str = "") -> GatewayPlan:
    text = f"""
        {more}
        [callers.jwt.login]
        issuer = "https://login.example"
        audience = "slowgate"
        algorithms = ["HS256"]
        secret = "{secret * 32}"
        [upstreams.up]
        endpoints = ["http://127.0.0.1:9"]
        [[routes]]
        path = "/"
        upstream = "up"
        auth = {{ any = ["jwt"] }}
        """
    return read_text(text, "gateway.toml")[1]


def test_configuration_that_is_refused_changes_nobodys_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store of counts cannot be used, tokens are still checked with the keys of the configuration before."""
    applications = Applications(a_plan("a"), LOG)

    def refuse(sharing: Sharing, plan: GatewayPlan) -> None:
        raise ValueError("the URL of the shared Redis cannot be used")

    def reach() -> Reach:
        return applications._desk.reach()

    before = reach().given
    with monkeypatch.context() as patched:
        patched.setattr(Sharing, "prepare", refuse)
        with pytest.raises(ValueError, match="Redis"):
            applications.adopt(a_plan("b"), LOG)

    assert reach().given == before
    applications.adopt(a_plan("b"), LOG)
    assert reach().given != before


def test_tracing_that_cannot_be_loaded_changes_nobodys_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its library may be there and refuse to work, as protobuf does beside messages of another version."""
    applications = Applications(a_plan("a"), LOG)
    before = applications._desk.reach().given
    monkeypatch.setitem(sys.modules, "gateway.tracing.otlp", None)

    with pytest.raises(ImportError):
        applications.adopt(a_plan("b", '[tracing]\nendpoint = "http://127.0.0.1:9"'), LOG)

    assert applications._desk.reach().given == before
