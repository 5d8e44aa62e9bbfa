"""Two attempts under way at once, each with the credential of the endpoint that it goes to."""

import hashlib
from collections.abc import Iterator

import pytest
from conftest import StartGateway
from support.conditions import wait_until
from support.gateway_process import toml_table
from support.rude_client import RudeClient
from support.scripted_connection import RawRequest, ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response
from wire.test_credentials import Issuer, answering, ask

from gateway.exchange.credential import Hmac, SigV4
from gateway.policy.request_hmac import signature_field
from gateway.policy.sigv4 import signature_fields

SIGV4 = {"region": "eu-west-1", "service": "bedrock", "access_key_id": "AKID", "secret_access_key": "sk-aws"}


def silent(connection: ScriptedConnection) -> None:
    connection.read_request()
    connection.wait_closed(10)


@pytest.fixture
def slow() -> Iterator[ScriptedUpstream]:
    """An endpoint that is asked first, and never answers."""
    with ScriptedUpstream(silent) as made:
        yield made


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with made.upstream:
        yield made
        made.open.set()


def hedging(first: tuple[str, object], second: tuple[str, object], **route: object) -> str:
    endpoints = [
        {"url": first[0], "credentials": first[1]},
        {"url": second[0], "credentials": second[1], "priority": 1},
    ]
    upstream = toml_table("upstreams.up", {"endpoints": endpoints, "hedge": {"after": "80ms"}})
    keys = toml_table("callers.keys.app", {"sha256": hashlib.sha256(b"caller-key").hexdigest()})
    return keys + upstream + toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up", **route})


def shown(request: RawRequest) -> set[str]:
    return {
        name for name, _ in request.fields if name.lower() in ("authorization", "x-signature", "x-key", "x-api-key")
    }


@pytest.mark.parametrize("kind", ["hmac", "sigv4", "bearer"])
def test_both_attempts_carry_their_own_endpoints_credential(
    gateway: StartGateway, slow: ScriptedUpstream, scripted_upstream: object, issuer: Issuer, kind: str
) -> None:
    """A fetched token goes to the one, a signature or a key to the other, and the caller's key to neither."""
    fast = scripted_upstream(answering(lambda request: response(b"fast")))  # type: ignore[operator]
    theirs = {"hmac": {"hmac": {"key": "sk-shared"}}, "sigv4": {"sigv4": SIGV4}, "bearer": {"bearer": "sk-b"}}[kind]
    auth, limits = {"any": ["keys"]}, {"rates": [{"limit": "2/h"}]}
    running = gateway(hedging((slow.url, issuer.settings), (fast.url, theirs), auth=auth, limits=limits))

    answer = ask(running, "/x?a=%20", "X-API-Key: caller-key")

    assert (answer.status, answer.body) == (200, b"fast")
    (first,), (second,) = slow.requests, fast.requests
    assert first.all("authorization") == ["Bearer t1"]
    assert shown(first) == {"Authorization"}
    if kind == "bearer":
        assert second.all("authorization") == ["Bearer sk-b"]
    elif kind == "hmac":
        rule = Hmac(b"sk-shared")
        (value,) = second.all("x-signature")
        at = int(dict(part.split("=", 1) for part in value.replace(",", ";").split(";") if "=" in part)["t"])
        assert signature_field(rule, "GET", second.target, second.fields, b"", at)[1] == value
    else:
        (date,) = second.all("x-amz-date")
        rule_of_aws = SigV4("eu-west-1", "bedrock", "AKID", "sk-aws", max_body=1)
        expected = signature_fields(rule_of_aws, "GET", second.target, second.fields, b"", date)
        assert dict(expected)["Authorization"] == second.first("authorization")
    assert "caller-key" not in f"{first.head_octets!r}{second.head_octets!r}{running.output()}"
    # One exchange is one request, however many attempts it took.
    assert ask(running, "/y", "X-API-Key: caller-key").status == 200
    assert ask(running, "/z", "X-API-Key: caller-key").status == 429


def test_attempt_that_waits_for_its_token_lets_the_other_win(
    gateway: StartGateway, slow: ScriptedUpstream, scripted_upstream: object, issuer: Issuer
) -> None:
    """The issuer is as slow as any upstream; the endpoint that needs no token answers meanwhile."""
    fast = scripted_upstream(answering(lambda request: response(b"fast")))  # type: ignore[operator]
    issuer.open.clear()
    running = gateway(hedging((slow.url, issuer.settings), (fast.url, {"bearer": "sk-b"})))

    assert ask(running).body == b"fast"
    assert slow.requests == []


def test_rival_without_a_credential_for_who_asks_is_not_sent(
    gateway: StartGateway, slow: ScriptedUpstream, scripted_upstream: object
) -> None:
    """The attempt under way may still succeed, and is waited for."""
    other = scripted_upstream(answering(lambda request: response(b"other")))  # type: ignore[operator]
    named = {"by_principal": {"somebody": {"bearer": "sk-c"}}}
    running = gateway(hedging((slow.url, {"bearer": "sk-a"}), (other.url, named)))

    with RudeClient(running.address) as client:
        client.get("/")
        slow.wait_until(lambda it: it.requests)
        assert client.arrivals(0.5) == []
    line = running.wait_for_line(lambda line: line["outcome"] == "client_gone")
    assert line["attempts"] == 1
    assert other.requests == []
    wait_until(lambda: running.admin("/-/ready").json()["streams"] == 0, 3, "the exchange to end")
    rows = running.admin("/-/upstreams").json()["upstreams"][0]["endpoints"]
    assert [row["in_flight"] for row in rows] == [0, 0]
