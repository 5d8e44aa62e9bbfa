"""Callers on the wire: who gets in by which way, what the upstream sees of it, and what the record says."""

import base64
import hashlib
import json
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.callers import ISSUER, OTHER_RSA, RSA, a_set, a_token
from support.certificates import TlsFiles
from support.conditions import wait_until
from support.gateway_process import Gateway, route_to, toml_table
from support.rig import problem_code
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, for_each_request, response

Start = Callable[..., ScriptedUpstream]
StartGateway = Callable[..., Gateway]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


KEYS = (
    toml_table("callers", {"key_query": "api_key"})
    + toml_table("callers.keys.app", {"sha256": sha256("the-key")})
    + toml_table("callers.keys.old", {"sha256": sha256("old-key"), "expires": "2020-01-01"})
    + toml_table("callers.keys.narrow", {"sha256": sha256("narrow-key"), "routes": ["other"]})
    + toml_table("callers.users.bob", {"sha256": sha256("secret"), "scopes": ["read"]})
    + toml_table("defaults", {"auth": {"any": ["keys", "basic"]}})
)


def ask(gateway: Gateway, target: str, *lines: str, context: ssl.SSLContext | None = None) -> RawResponse:
    with RudeClient(gateway.address, context) as client:
        return client.get(target, *lines).read_response()


def basic(text: str) -> str:
    return f"Authorization: Basic {base64.b64encode(text.encode()).decode()}"


class Service:
    """What stands around a gateway and answers as told: an issuer of keys, or an external check."""

    def __init__(self, answer: bytes) -> None:
        self.answer: bytes | None = answer
        self.heads: list[bytes] = []
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, connection: ScriptedConnection) -> None:
        while True:
            self.heads.append(connection.read_request().head_octets)
            while not self.hold.wait(0.05) and connection.is_open:
                pass
            if self.answer is None:
                return
            connection.send(self.answer)


@pytest.fixture
def upstream(scripted_upstream: Start) -> ScriptedUpstream:
    return scripted_upstream(for_each_request(response(b"ok")))


def sent(upstream: ScriptedUpstream) -> str:
    return upstream.requests[-1].head_octets.decode("latin-1")


def test_keys_and_passwords_let_in_whom_they_belong_to(gateway: StartGateway, upstream: ScriptedUpstream) -> None:
    """By field, bearer, query or Basic; the record has the name, the upstream nothing of the credential."""
    other = toml_table("[routes]", {"name": "other", "path": "/other", "upstream": "up"})
    narrow = toml_table("[routes]", {"path": "/scoped", "upstream": "up", "auth": {"scopes": ["read"]}})
    running = gateway(KEYS + route_to(upstream.url) + other + narrow)
    good = [
        ("/h", ["X-API-Key: the-key"], "app", "key"),
        ("/b", ["Authorization: Bearer the-key"], "app", "key"),
        ("/q?a=%2F&api_key=the-key&b", [], "app", "key"),
        ("/p", [basic("bob:secret")], "bob", "basic"),
        ("/other", ["X-API-Key: narrow-key"], "narrow", "key"),
        ("/scoped", [basic("bob:secret")], "bob", "basic"),
    ]
    for target, lines, principal, method in good:
        assert ask(running, target, *lines).status == 200, target
        line = running.wait_for_line(lambda line: line["principal"] == principal)  # noqa: B023 - called here only
        assert line["auth"] == method
        assert not re.search("the-key|narrow-key|api_key|authorization|Ym9i", sent(upstream), re.IGNORECASE)
        if target.startswith("/q"):
            assert sent(upstream).startswith("GET /q?a=%2F&b HTTP/1.1\r\n")
    served = len(upstream.requests)
    bad = [
        ("/x", [], 401),
        ("/x", ["X-API-Key: the-keY"], 401),
        ("/x", ["X-API-Key: old-key"], 401),
        ("/x", ["X-API-Key: the-key", "X-API-Key: the-key"], 401),
        ("/x", [basic("bob:wrong")], 401),
        ("/x", [basic("eve:secret")], 401),
        ("/x", ["Authorization: Basic ="], 401),
        ("/x", ["X-API-Key: narrow-key"], 403),
        ("/scoped", ["X-API-Key: the-key"], 403),
    ]
    for target, lines, status in bad:
        answer = ask(running, target, *lines)
        assert answer.status == status, lines
        assert problem_code(answer) == {401: "unauthenticated", 403: "forbidden"}[status]
        assert status == 403 or answer.all("www-authenticate")[0].startswith('Bearer realm="slowgate"')
    assert len(upstream.requests) == served
    assert not re.search("the-key|the-keY|old-key|narrow-key|secret|Ym9i", running.output())


def test_key_is_rotated_by_a_reload_and_its_stream_goes_on(gateway: StartGateway, scripted_upstream: Start) -> None:
    """The old key is refused from then on; the stream that it began ends whole."""
    more = threading.Event()

    def stream(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        assert more.wait(10)
        connection.send(b"cd")

    service = scripted_upstream(stream)
    rest = toml_table("defaults", {"auth": {"any": ["keys"]}}) + route_to(service.url)
    running = gateway(toml_table("callers.keys.app", {"sha256": sha256("one")}) + rest)
    with RudeClient(running.address) as client:
        client.get("/stream", "X-API-Key: one").read_until_head()
        running.write(toml_table("callers.keys.app", {"sha256": [sha256("two")]}) + rest)
        reload = [sys.executable, "-m", "gateway", "reload", "-c", str(running.file)]
        assert subprocess.run(reload, capture_output=True, timeout=20).returncode == 0
        more.set()
        assert ask(running, "/", "X-API-Key: one").status == 401
        assert ask(running, "/", "X-API-Key: two").status == 200
    line = running.wait_for_line(lambda line: line["target"] == "/stream")
    assert line["principal"] == "app"


def login(url: str, **settings: object) -> str:
    values = {"issuer": ISSUER, "audience": "slowgate", "jwks": f"{url}/keys", "timeout": "1s", **settings}
    return toml_table("callers.jwt.login", values) + toml_table("defaults", {"auth": {"any": ["jwt"]}})


def fresh(key: object = RSA, **claims: object) -> str:
    return f"Authorization: Bearer {a_token(key, **{'exp': int(time.time()) + 60, **claims})}"


@pytest.fixture
def issuer() -> Iterator[Service]:
    service = Service(response(a_set(RSA)))
    yield service
    service.hold.set()


def test_token_is_verified_with_the_fetched_keys(
    gateway: StartGateway, scripted_upstream: Start, upstream: ScriptedUpstream, issuer: Service
) -> None:
    """Keys are fetched once for many; the upstream gets no token; what is wrong is refused with its reason."""
    running = gateway(login(scripted_upstream(issuer).url) + route_to(upstream.url))
    issuer.hold.clear()
    answers: list[int] = []
    asking = [threading.Thread(target=lambda: answers.append(ask(running, "/", fresh()).status)) for _ in range(8)]
    for thread in asking:
        thread.start()
    wait_until(lambda: issuer.heads, 5, "the fetch")
    issuer.hold.set()
    for thread in asking:
        thread.join(10)

    assert answers == [200] * 8
    assert len(issuer.heads) == 1
    assert "uthorization" not in sent(upstream)
    assert running.wait_for_line()["principal"] == "login:alice"
    unsigned = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "none"}, {"iss": ISSUER, "aud": "slowgate", "sub": "root", "exp": 2_000_000_000})
    )
    wrong = [
        fresh(aud="other"),
        fresh(iss="https://evil.example/"),
        fresh(exp=int(time.time()) - 3600),
        fresh(OTHER_RSA, header={"kid": "rsa-1"}),
        f"Authorization: Bearer {unsigned}.",
    ]
    for line in wrong:
        answer = ask(running, "/", line)
        assert answer.status == 401
        assert answer.first("www-authenticate") == 'Bearer realm="slowgate", error="invalid_token"'
    assert ask(running, "/", fresh(exp=int(time.time()) - 10)).status == 200
    for number in range(50):
        assert ask(running, "/", fresh(header={"kid": f"made-up-{number}"})).status == 401
    assert len(issuer.heads) == 1


def test_rotated_key_is_fetched_and_an_outage_of_the_issuer_is_survived(
    gateway: StartGateway, scripted_upstream: Start, upstream: ScriptedUpstream, issuer: Service
) -> None:
    """A new key is found after the interval; keys from before are good while the issuer says nothing."""
    settings = login(scripted_upstream(issuer).url, min_interval="1s", max_age="1s")
    running = gateway(settings + route_to(upstream.url))
    assert ask(running, "/", fresh()).status == 200
    issuer.answer = response(a_set(RSA, OTHER_RSA))
    wait_until(lambda: ask(running, "/", fresh(OTHER_RSA)).status == 200, 5, "the new key to be found")
    issuer.answer = None
    fetches = len(issuer.heads)
    wait_until(lambda: ask(running, "/", fresh()).status == 200 and len(issuer.heads) > fetches, 5, "a failed fetch")

    assert ask(running, "/", fresh()).status == 200
    wait_until(lambda: "keys of login could not be fetched" in running.stderr(), 5, "the warning")


def test_issuer_that_says_nothing_makes_nobody_wait_for_ever(
    gateway: StartGateway, scripted_upstream: Start, upstream: ScriptedUpstream, issuer: Service
) -> None:
    """503 after the timeout, and at once for those who come soon after."""
    running = gateway(login(scripted_upstream(issuer).url, timeout="300ms") + route_to(upstream.url))
    issuer.hold.clear()

    answer = ask(running, "/", fresh())
    assert (answer.status, problem_code(answer)) == (503, "auth_unavailable")
    wait_until(lambda: "no answer within 0.3 s" in running.stderr(), 5, "the end of the fetch")
    assert ask(running, "/", fresh()).status == 503
    assert len(issuer.heads) == 1
    assert upstream.requests == []


def test_external_check_decides(gateway: StartGateway, scripted_upstream: Start, upstream: ScriptedUpstream) -> None:
    """It sees what is asked and shown; its words name the caller; only a clear yes lets in."""
    check = Service(response(b"", "X-User: alice"))
    settings = {
        "url": f"{scripted_upstream(check).url}/check?a",
        "principal": "X-User",
        "copy_to_upstream": ["X-User"],
        "timeout": "300ms",
    }
    toml = toml_table("callers.forward_auth.sso", settings) + toml_table(
        "defaults", {"auth": {"any": ["forward_auth"]}}
    )
    running = gateway(toml + route_to(upstream.url))

    assert ask(running, "/a?b", "Cookie: session=1", "X-User: root", "X-Else: x").status == 200
    head = check.heads[0].decode()
    assert head.startswith("GET /check?a HTTP/1.1\r\n")
    assert "X-Forwarded-Uri: /a?b\r\n" in head and "Cookie: session=1\r\n" in head and "X-Else" not in head
    assert "X-User: alice\r\n" in sent(upstream)
    assert "root" not in sent(upstream) and "session" not in sent(upstream)
    assert running.wait_for_line()["principal"] == "sso:alice"

    check.answer = response(b"no", 'WWW-Authenticate: Bearer realm="sso"', status="401 Unauthorized")
    answer = ask(running, "/")
    assert (answer.status, answer.all("www-authenticate")) == (401, ['Bearer realm="sso"'])
    for told, status in (("403 Forbidden", 403), ("302 Found", 503), ("500 Oops", 503)):
        check.answer = response(b"", status=told)
        assert ask(running, "/").status == status
    check.hold.clear()
    answer = ask(running, "/")
    assert (answer.status, problem_code(answer)) == (503, "auth_unavailable")
    assert len(upstream.requests) == 1


def test_client_that_leaves_while_the_check_is_asked_ends_it(
    gateway: StartGateway, scripted_upstream: Start, upstream: ScriptedUpstream
) -> None:
    """The check's connection is given up, and the record says who left."""
    check = Service(response(b""))
    check.hold.clear()
    service = scripted_upstream(check)
    toml = toml_table("callers.forward_auth.sso", {"url": service.url})
    running = gateway(toml + route_to(upstream.url, auth={"any": ["forward_auth:sso"]}))
    with RudeClient(running.address) as client:
        client.get("/")
        wait_until(lambda: check.heads, 5, "the check")
    assert running.wait_for_line()["outcome"] == "client_gone"
    service.wait_until(lambda service: service.open_connections == 0)


def test_certificate_names_the_caller_and_routes_decide_who_needs_one(
    gateway: StartGateway, upstream: ScriptedUpstream, tls_files: TlsFiles
) -> None:
    """With optional certificates a client without one is served where the route does not ask."""
    tls = {
        "certificate": tls_files.certificate,
        "key": tls_files.key,
        "client_ca": tls_files.ca,
        "client_certificates": "optional",
    }
    toml = toml_table("callers.certificates.robot", {"san": "email:client@example.test"})
    toml += route_to(upstream.url, auth={"any": ["mtls"]})
    toml += toml_table("[routes]", {"path": "/open", "upstream": "up"})
    running = gateway(toml, tls=tls_files, server={"tls": tls})
    stranger, known = tls_files.client_context(), tls_files.client_context()
    known.load_cert_chain(tls_files.client_certificate)

    assert ask(running, "/open", context=stranger).status == 200
    assert ask(running, "/", context=stranger).status == 401
    assert ask(running, "/", context=known).status == 200
    line = running.wait_for_line(lambda line: line["auth"] == "mtls")
    assert line["principal"] == "robot"


def test_route_may_pass_credentials_on_and_another_asks_nobody(
    gateway: StartGateway, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """Both only because the route says so."""
    passing = {"path": "/pass", "upstream": "up", "auth": {"pass_credential": True}}
    openly = {"path": "/open", "upstream": "up", "auth": {"any": ["anonymous"]}}
    toml = KEYS.replace("narrow", "wide").replace('routes = ["other"]', "") + route_to(upstream.url)
    running = gateway(toml + toml_table("[routes]", passing) + toml_table("[routes]", openly))

    assert ask(running, "/pass?api_key=x", "X-API-Key: the-key").status == 200
    assert "X-API-Key: the-key" in sent(upstream) and "api_key=x" in sent(upstream)
    assert ask(running, "/open").status == 200
    assert running.wait_for_line(lambda line: line["target"] == "/open")["principal"] == "anonymous"
