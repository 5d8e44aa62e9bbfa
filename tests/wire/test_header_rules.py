"""Header rules on the wire: both ways, with values from the request, on errors too, and without a way to smuggle."""

from collections.abc import Iterator

import pytest
from support.gateway_process import toml_table
from support.rig import Rig, fields_but, request
from support.scripted_upstream import response

ROUTES = [
    {
        "name": "ruled",
        "path": "/ruled",
        "request_headers": {
            "set": {"X-User": "{principal}", "X-Way": "{method} {path} {client_ip} {route}", "X-Api": "v1"},
            "add": {"X-Echo": "<{header:X-Sent}>"},
            "remove": ["X-Debug", "Cookie"],
            "rename": {"X-Old": "X-New"},
        },
        "response_headers": {
            "set": {"Strict-Transport-Security": "max-age=31536000", "X-Asked": "{request_id}"},
            "remove": ["Server", "X-Powered-By"],
            "rename": {"X-Inner": "X-Outer"},
        },
    },
    {"name": "dead", "path": "/dead", "upstream": "dead", "response_headers": {"set": {"X-Frame-Options": "DENY"}}},
    {"name": "plain", "path": "/"},
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    dead = toml_table("upstreams.dead", {"endpoints": ["http://127.0.0.1:1"]})
    with Rig(tmp_path_factory.mktemp("rig"), routes=ROUTES, also=dead) as rig:
        yield rig


def test_request_goes_up_as_the_rules_want_it(rig: Rig) -> None:
    """Nobody was asked who they are, so that no user goes up, not even the one that the client made up."""
    rig.answers()
    lines = ["X-User: root", "x_user: root", "X-Debug: 1", "Cookie: a=b", "X-Old: o", "X-Sent: s", "X-Kept: k"]
    assert rig.ask(request("GET /ruled/a?b=c HTTP/1.1", *lines)).status == 200
    assert fields_but(rig.seen[0].fields, "host", "x-request-id") == [
        ("X-New", "o"),
        ("X-Sent", "s"),
        ("X-Kept", "k"),
        ("X-Way", "GET /ruled/a 127.0.0.1 ruled"),
        ("X-Api", "v1"),
        ("X-Echo", "<s>"),
    ]


def test_answer_goes_down_as_the_rules_want_it(rig: Rig) -> None:
    """What the upstream's Connection names does not take away what is set here."""
    theirs = ["Server: s", "X-Powered-By: p", "X-Inner: i", "Connection: strict-transport-security", "X-Asked: theirs"]
    rig.answers(response(b"ok", *theirs))
    answer = rig.ask(request("GET /ruled HTTP/1.1"))
    assert answer.first("strict-transport-security") == "max-age=31536000"
    assert answer.all("x-asked") == answer.all("x-request-id")
    assert (answer.first("x-outer"), answer.first("x-inner")) == ("i", None)
    assert not answer.all("server") and not answer.all("x-powered-by")
    assert answer.body == b"ok"


def test_error_of_our_own_has_the_fields_too(rig: Rig) -> None:
    """Browsers obey them on error pages as well."""
    answer = rig.ask(request("GET /dead HTTP/1.1"))
    assert (answer.status, answer.first("x-frame-options")) == (502, "DENY")


@pytest.mark.parametrize("value", ["a\tb", "a%0d%0aX-Evil: 1", "a\xff", 'a"b', "{principal}"])
def test_value_of_a_client_stays_one_value(rig: Rig, value: str) -> None:
    """It goes up as it came, in one line: what looks like a break or a placeholder is none."""
    rig.answers()
    assert rig.ask(request("GET /ruled HTTP/1.1", f"X-Sent: {value}")).status == 200
    assert rig.seen[0].all("x-echo") == [f"<{value}>"]
    assert rig.seen[0].all("x-evil") == []


def test_route_without_rules_changes_nothing(rig: Rig) -> None:
    """Rules are for the routes that have them."""
    rig.answers()
    rig.ask(request("GET /other HTTP/1.1", "X-User: me", "X-Debug: 1"))
    assert fields_but(rig.seen[0].fields, "host", "x-request-id") == [("X-User", "me"), ("X-Debug", "1")]
