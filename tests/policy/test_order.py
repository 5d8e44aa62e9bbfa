"""The one tuple that says which policies act, and in which order."""

import sys
from pathlib import Path

from support.exchanges import ENDPOINT, a_request, a_route, an_exchange

import gateway.policy
from gateway.exchange.attempt import Attempt
from gateway.exchange.failure import TARGET_REFUSED, FailureError
from gateway.exchange.fields import request_fields
from gateway.policy import ORDER
from gateway.settings import ForwardingSettings, Policies, RouteSettings, TracingSettings, UpstreamSettings


def test_every_policy_of_the_room_is_in_the_order_once() -> None:
    """A file with hooks that nobody calls would be a promise that is not kept."""
    with_hooks = {
        path.stem
        for path in Path(gateway.policy.__file__).parent.glob("*.py")
        if "\ndef hooks(" in path.read_text(encoding="utf-8")
    }

    listed = [build.__module__.rpartition(".")[2] for build in ORDER]

    assert sorted(listed) == sorted(with_hooks)


def test_prepared_attempt_is_exactly_what_goes_up() -> None:
    """All policies together: Host first, the client's lines in their order, then what we add."""
    route = a_route("/demo", strip_prefix="/demo")
    request = a_request(
        target="/demo/a?b",
        fields=[
            ("Host", "api.example.com"),
            ("accept", "*/*"),
            ("Connection", "x-gone"),
            ("X-Gone", "1"),
            ("Cookie", "a"),
        ],
    )
    exchange, attempt = an_exchange(request, route), Attempt(ENDPOINT, fields=request_fields(request.fields))

    for prepare in (build(route).prepare for build in ORDER):
        if prepare is not None:
            prepare(exchange, attempt)

    assert attempt.target == "/base/a?b"
    assert attempt.fields == [
        ("Host", "127.0.0.1:9000"),
        ("accept", "*/*"),
        ("Cookie", "a"),
        ("Via", "1.1 slowgate"),
        ("Forwarded", "for=192.0.2.7;host=api.example.com;proto=http"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.example.com"),
        ("X-Request-Id", "0f1e"),
    ]


def test_unsafe_target_is_refused_before_anything_else_is_said() -> None:
    """A request that is also too large and out of forwards is told of its target."""
    route = a_route("/demo", max_request_body=1)
    exchange = an_exchange(a_request("OPTIONS", "/demo/../x", [("Max-Forwards", "0")], body_length=2), route)
    first = next(hook for hook in (build(route).admit for build in ORDER) if hook is not None)

    try:
        first(exchange)
    except FailureError as error:
        assert error.failure.kind is TARGET_REFUSED
    else:
        raise AssertionError("the target was not refused")


def test_each_policy_names_the_settings_that_it_acts_on() -> None:
    """Each is a setting of a route, of its upstream, of `[forwarding]`, of `[tracing]`, or of a table that inherits."""
    for build in ORDER:
        for setting in sys.modules[build.__module__].ACTS_ON:
            table, _, name = setting.rpartition(".")
            inheriting = Policies.model_fields[table].annotation if table in Policies.model_fields else None
            models = {
                "": RouteSettings,
                "upstream": UpstreamSettings,
                "forwarding": ForwardingSettings,
                "tracing": TracingSettings,
            }
            model = models.get(table, inheriting)
            assert name in model.model_fields, f"{build.__module__}: {setting}"
