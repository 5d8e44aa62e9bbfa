"""Credentials on the wire: what each upstream is shown, by whom it was issued, and that nobody else is shown it."""

import base64
import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import StartGateway, StartUpstream
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, toml_table
from support.ports import free_port
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import RawRequest, ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, response
from wire.test_reload import reload

from gateway.exchange.credential import Hmac, SigV4
from gateway.policy.request_hmac import signature_field
from gateway.policy.sigv4 import signature_fields


def answering(answer: Callable[[RawRequest], bytes]) -> Callable[[ScriptedConnection], None]:
    """Return a script that answers every request of a connection."""

    def serve(connection: ScriptedConnection) -> None:
        while True:
            connection.send(answer(connection.read_request()))

    return serve


class Issuer:
    """A token endpoint: t1, t2 and so on, each for ``lifetime`` seconds, as long as it is not held or down."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.down = False
        self.open = threading.Event()
        self.open.set()
        self.upstream = ScriptedUpstream(answering(self._answer))

    @property
    def fetches(self) -> int:
        return len(self.upstream.requests)

    @property
    def settings(self) -> dict[str, object]:
        url = f"{self.upstream.url}/token"
        return {"oauth2": {"token_url": url, "client_id": "gateway", "client_secret": "sk-client", "timeout": "2s"}}

    def _answer(self, request: RawRequest) -> bytes:
        number = self.fetches
        self.open.wait(10)
        if self.down:
            return response(b'{"error":"sk-hidden"}', status="500 Down")
        return response(json.dumps({"access_token": f"t{number}", "expires_in": self.lifetime}).encode())


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with made.upstream:
        yield made
        made.open.set()


def serving(url: str, credentials: object, **settings: object) -> str:
    upstream = toml_table("upstreams.up", {"endpoints": [url], "credentials": credentials, **settings})
    return upstream + toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})


def ask(running: Gateway, target: str = "/", *lines: str) -> RawResponse:
    with RudeClient(running.address) as client:
        return client.get(target, *lines).read_response()


def post(running: Gateway, body: bytes, target: str = "/") -> RawResponse:
    with RudeClient(running.address) as client:
        head = f"POST {target} HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {len(body)}\r\n\r\n"
        return client.send(head.encode() + body).read_response()


def echo(request: RawRequest) -> bytes:
    """Answer with the Authorization that came."""
    return response(" + ".join(request.all("authorization")).encode())


@pytest.mark.parametrize(
    ("credentials", "name", "values"),
    [
        ({"bearer": "ours"}, "authorization", ["Bearer ours"]),
        ({"basic": {"user": "u", "password": "p"}}, "authorization", ["Basic " + base64.b64encode(b"u:p").decode()]),
        ({"headers": {"X-Api-Key": "ours"}}, "x-api-key", ["ours"]),
        ({"headers": {"X-Api-Key": "ours"}}, "authorization", ["theirs"]),
    ],
)
def test_credential_goes_up_in_the_place_of_the_clients(
    gateway: StartGateway, scripted_upstream: StartUpstream, credentials: object, name: str, values: list[str]
) -> None:
    """Exactly one line of its name; other fields of the client's pass."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, credentials))

    assert ask(running, "/", "authorization: theirs", "x-api-key: theirs", "X_Api_Key: theirs").status == 200

    (request,) = upstream.requests
    assert request.all(name) == values
    assert request.all("x_api_key") == ([] if "headers" in credentials else ["theirs"])  # type: ignore[operator]


def test_parameter_goes_up_behind_the_query_and_into_no_record(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """The rest of the target keeps its octets, and the line shows what the client asked for."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, {"query": {"key": "sk/ours"}}))

    ask(running, "/a%2Fb?x=%20&key=theirs&y")

    assert upstream.requests[0].target == "/a%2Fb?x=%20&y&key=sk%2Fours"
    assert running.wait_for_line(lambda line: line["status"] == 200)["target"].startswith("/a%2Fb?x=")
    assert "sk/ours" not in running.output() and "sk%2Fours" not in running.output()


def test_a_hundred_requests_at_once_cost_one_fetch(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """All of them wait for it, and those that come later do not."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, issuer.settings))
    issuer.open.clear()
    with ExitStack() as stack:
        clients = [stack.enter_context(RudeClient(running.address)) for _ in range(100)]
        for client in clients:
            client.get("/", "Authorization: theirs")
        wait_until(lambda: running.admin("/-/ready").json()["streams"] == 100, 10, "all requests to wait")
        issuer.open.set()
        assert {client.read_response().body for client in clients} == {b"Bearer t1"}

    assert ask(running).body == b"Bearer t1"
    assert issuer.fetches == 1


def test_client_that_leaves_does_not_wait_for_a_token_nor_take_it_from_others(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """Its exchange ends at once; the fetch goes on."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, issuer.settings))
    issuer.open.clear()
    with RudeClient(running.address) as client:
        client.get("/gone")
        issuer.upstream.wait_until(lambda it: it.requests)
    line = running.wait_for_line(lambda line: line["target"] == "/gone")
    assert line["outcome"] == "client_gone"

    issuer.open.set()
    assert ask(running).body == b"Bearer t1"
    assert (issuer.fetches, len(upstream.requests)) == (1, 1)


def test_token_is_renewed_ahead_beside_those_who_use_the_old_one(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """While the next one is fetched, nobody waits."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, issuer.settings))
    issuer.lifetime = 3
    assert ask(running).body == b"Bearer t1"
    issuer.open.clear()

    wait_until(lambda: ask(running) and issuer.fetches == 2, 10, "the renewal")
    assert ask(running).body == b"Bearer t1"
    issuer.open.set()
    wait_until(lambda: ask(running).body == b"Bearer t2", 5, "the new token")


def test_issuer_that_fails_is_told_and_costs_no_request_to_the_upstream(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """502 with a reason that repeats nothing of its answer; when it is back, so are we."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, issuer.settings))
    issuer.down = True

    answer = ask(running)
    assert (answer.status, json.loads(answer.body)["code"]) == (502, "credentials_unavailable")
    assert json.loads(answer.body)["detail"].endswith("the token endpoint answered 500")
    assert upstream.requests == []
    assert running.wait_for_line(lambda line: line["status"] == 502)["outcome"] == "failed"
    assert "sk-hidden" not in running.output() and "sk-client" not in running.output()

    issuer.down = False
    wait_until(lambda: ask(running).status == 200, 10, "the gateway to ask again")
    assert issuer.fetches == 2


def test_token_that_is_revoked_is_replaced_and_the_body_sent_again(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """The client sees one answer; an upstream that takes no token has the last word, and costs no more fetches."""
    revoked = {"Bearer t1"}

    def answer(request: RawRequest) -> bytes:
        bad = request.first("authorization") in revoked
        return response(request.body, status="401 No" if bad else "200 OK")

    upstream = scripted_upstream(answering(answer))
    running = gateway(serving(upstream.url, issuer.settings))

    reply = post(running, b"question")
    assert (reply.status, reply.body) == (200, b"question")
    assert [seen.first("authorization") for seen in upstream.requests] == ["Bearer t1", "Bearer t2"]

    revoked.update(f"Bearer t{number}" for number in range(9))
    assert [post(running, b"again").status for _ in range(5)] == [401] * 5
    assert issuer.fetches == 2


def test_reload_keeps_a_token_whose_settings_stay(
    gateway: StartGateway, scripted_upstream: StartUpstream, issuer: Issuer
) -> None:
    """Another secret is another source."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, issuer.settings))
    assert ask(running).body == b"Bearer t1"

    running.write(serving(upstream.url, issuer.settings, keep_host=True))
    assert reload(running).returncode == 0
    wait_until(lambda: ask(running) and upstream.requests[-1].first("host") == "gateway.test", 5, "the reload")
    assert issuer.fetches == 1

    changed = {"oauth2": {**issuer.settings["oauth2"], "client_secret": "other"}}  # type: ignore[dict-item]
    running.write(serving(upstream.url, changed))
    assert reload(running).returncode == 0
    wait_until(lambda: ask(running).body == b"Bearer t2", 5, "the other token")


def test_secret_of_a_file_is_read_anew_and_checked_at_a_reload(
    gateway: StartGateway, scripted_upstream: StartUpstream, tmp_path: Path
) -> None:
    """One that would break a line changes nothing."""
    secret = tmp_path / "key"
    secret.write_text("one\n")
    secret.chmod(0o600)
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, {"bearer": f"${{file:{secret}}}"}))
    assert ask(running).body == b"Bearer one"

    secret.write_text("sk-bad\r\nX-Evil: 1")
    assert reload(running).returncode != 0
    assert ask(running).body == b"Bearer one"
    secret.write_text("two")
    assert reload(running).returncode == 0
    wait_until(lambda: ask(running).body == b"Bearer two", 5, "the new key")
    assert "sk-bad" not in running.output()


def test_failover_takes_no_key_along(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Each endpoint sees its own credential and no other, whatever went before."""
    first = scripted_upstream(answering(lambda request: response(status="503 No")))
    second = scripted_upstream(answering(echo))
    fallback = {"url": f"{second.url}/base", "priority": 1, "credentials": {"headers": {"X-B": "sk-b"}}}
    settings = {"retry": {"attempts": 3, "on": ["connect", 503]}, "breaker": {"failures": 1}}
    endpoints = [f"http://127.0.0.1:{free_port()}", first.url, fallback]
    running = gateway(
        toml_table("upstreams.up", {"endpoints": endpoints, "credentials": {"bearer": "sk-a"}, **settings})
        + toml_table("[routes]", {"name": "all", "path": "/", "upstream": "up"})
    )

    assert [ask(running, "/x").status for _ in range(3)] == [200] * 3

    assert {(tuple(each.all("authorization")), each.first("x-b")) for each in first.requests} == {
        (("Bearer sk-a",), None)
    }
    assert {(tuple(each.all("authorization")), each.first("x-b")) for each in second.requests} == {((), "sk-b")}
    assert {each.target for each in second.requests} == {"/base/x"}


def test_caller_without_a_credential_of_its_own_is_refused(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """Nobody who is unknown uses somebody's key, nor the one beside them."""
    upstream = scripted_upstream(answering(echo))
    credentials = {"bearer": "all", "by_principal": {"tenant-a": {"bearer": "a"}}}
    answer = ask(gateway(serving(upstream.url, credentials)))

    assert (answer.status, json.loads(answer.body)["code"]) == (403, "credentials_missing")
    assert upstream.requests == []
    assert ask(gateway(serving(upstream.url, credentials | {"otherwise": "default"}))).body == b"Bearer all"


SIGV4 = {"region": "eu-west-1", "service": "bedrock", "access_key_id": "AKID", "secret_access_key": "sk-aws"}


@pytest.mark.parametrize("chunked", [False, True])
def test_request_to_aws_is_signed_as_it_was_sent(
    gateway: StartGateway, scripted_upstream: StartUpstream, chunked: bool
) -> None:
    """The signature of what arrived is the one that came with it, the body's digest included."""
    upstream = scripted_upstream(answering(echo))
    running = gateway(serving(upstream.url, {"sigv4": SIGV4 | {"max_body": "10B"}}))
    body = b"3\r\nabc\r\n0\r\n\r\n" if chunked else b"abc"
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 3"
    head = f"POST /m/a%3Ab/invoke?x=%20 HTTP/1.1\r\nHost: g\r\n{framing}\r\nX-Amz-Date: theirs\r\n\r\n"

    with RudeClient(running.address) as client:
        assert client.send(head.encode() + body).read_response().status == 200

    (request,) = upstream.requests
    rule = SigV4("eu-west-1", "bedrock", "AKID", "sk-aws")
    (date,) = request.all("x-amz-date")
    expected = signature_fields(rule, "POST", request.target, request.fields, request.body, date)
    assert [(name, *request.all(name)) for name, _ in expected] == expected
    assert (request.target, request.body) == ("/m/a%3Ab/invoke?x=%20", b"abc")
    assert request.first("x-amz-content-sha256") == hashlib.sha256(b"abc").hexdigest()
    assert post(running, b"0123456789+").status == 413


def test_request_is_signed_with_the_shared_key(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """Parameters that were put on are signed, too; bodies stream where the route says so."""
    upstream = scripted_upstream(answering(echo))
    for settings, body in (({}, b"abc"), ({"body": "unsigned"}, None)):
        running = gateway(serving(upstream.url, {"query": {"k": "v"}, "hmac": {"key": "sk-shared", **settings}}))
        assert post(running, b"abc", "/x").status == 200
        request = upstream.requests[-1]
        (signature,) = request.all("x-signature")
        seconds = int(signature.partition(",")[0].removeprefix("t="))
        expected = signature_field(Hmac(b"sk-shared"), "POST", "/x?k=v", request.fields, body, seconds)
        assert expected == ("X-Signature", signature)


def test_upstream_that_asks_for_a_certificate_gets_it(
    gateway: StartGateway, scripted_upstream: StartUpstream, tls_files: TlsFiles
) -> None:
    """Without one the upstream does not answer."""
    context = tls_files.server_context()
    context.load_verify_locations(str(tls_files.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    upstream = scripted_upstream(answering(echo), tls=context)
    tls = {"ca": tls_files.ca, "server_name": "localhost", "min_version": "1.3"}

    shown = gateway(serving(upstream.url, {"bearer": "k"}, tls=tls | {"certificate": tls_files.client_certificate}))
    assert ask(shown).body == b"Bearer k"
    assert ask(gateway(serving(upstream.url, {"bearer": "k"}, tls=tls))).status == 502
