"""Field lines of requests: what an intermediary must change is changed, all else goes up octet for octet.

Sources: RFC 9110 sections 5.3 (order), 5.5 (values), 7.6.1 (Connection), 7.6.3 (Via); RFC 6265 section 5.4 (Cookie);
RFC 7239 (Forwarded).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ports import free_port
from support.rig import DATE, Rig, problem_code, request, without_id
from support.scripted_upstream import response

KEPT = {
    "order and repetition": ["X-A: 1", "X-B: 2", "X-A: 3", "x-a: 4"],
    "unusual case": ["x-LOWER-upper: 1", "ACCEPT: text/plain", "user-agent: test"],
    "an empty value": ["X-Empty:", "X-Next: 1"],
    "octets beyond ASCII": ["X-Text: caf\xe9 \x80\xff"],
    "a tab inside": ["X-Tab: a\tb"],
    "spaces inside": ["X-Spaces: a  b   c"],
    "a colon inside": ["X-Colon: a: b:c"],
    "quotes and commas": ['X-Quoted: "a,b", c;d="e\\"f"'],
    "a name with an underscore": ["X_Under: 1", "X-Under: 2", "x_under: 3"],
    "a name of all token characters": ["!#$%&'*+-.^_`|~9aZ: 1"],
    "several lines of Cookie": ["Cookie: a=1; b=2", "Cookie: c=3"],
    "several lines of Accept": ["Accept: text/html", "Accept: */*;q=0.1"],
    "credentials": ["Authorization: Bearer abc==", "Cookie: session=1"],
    "a range and conditions": ['If-None-Match: "a", W/"b"', "Range: bytes=0-0,-1", 'If-Range: "a"'],
    "conditions by date": ["If-Modified-Since: Fri, 20 Nov 2026 06:00:00 GMT", "If-Unmodified-Since: x"],
    "codings": ["Accept-Encoding: br, zstd;q=0.5", "Content-Encoding: gzip"],
    "trace context": ["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: a=b"],
    "what a CGI would take for its own": ["Proxy: http://other.test", "SCRIPT_NAME: /env", "Script-Name: /env"],
    "cache control": ["Cache-Control: no-cache", "Pragma: no-cache"],
    "a value of 16 KiB": [f"X-Long: {'a' * 16_384}"],
    "100 fields": [f"X-Field-{number}: {number}" for number in range(100)],
    "an obsolete length of a digest": ["Content-MD5: a", "Digest: b"],
}
REMOVED = {
    "hop-by-hop fields": [
        "Connection: keep-alive",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "Proxy-Authorization: Basic YTpi",
        "Proxy-Authenticate: Basic",
        "TE: trailers, deflate",
        "Trailer: X-A",
        "Upgrade: websocket",
    ],
    "what Connection names": ["Connection: X-Gone", "X-Gone: 1", "x-gone: 2"],
    "in another case": ["connection: x-GONE", "X-Gone: 1"],
    "several lines of Connection": ["Connection: X-Gone", "X-Gone: 1", "Connection: X-Too", "X-Too: 1"],
    "odd spacing and empty members": ["Connection: , ,\tX-Gone\t, ,X-Too,", "X-Gone: 1", "X-Too: 1"],
    "a field before its naming": ["X-Gone: 1", "Connection: keep-alive, X-Gone"],
    "what it names and is not there": ["Connection: X-Absent"],
}
NEEDED = [
    "Authorization: Basic YTpi",
    "Cookie: a=1",
    "Content-Type: text/plain",
    "Range: bytes=0-1",
    "Cache-Control: no-store",
    "If-None-Match: *",
    "Origin: https://app.test",
]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        rig.answers()
        yield rig


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("telling"), forwarding={}) as rig:
        yield rig


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("trusting"), forwarding={"trusted_peers": ["127.0.0.0/8"]}) as rig:
        yield rig


def went_up(rig: Rig, *lines: str) -> bytes:
    """Return the field lines that reached the upstream behind Host, for a GET with ``lines``."""
    rig.answers()
    answer = rig.ask(request("GET /a HTTP/1.1", *lines))
    assert answer.status == 200, answer
    (head,) = rig.heads()
    start = b"GET /a HTTP/1.1\r\nHost: up\r\n"
    assert head.startswith(start)
    return head.removeprefix(start).removesuffix(b"\r\n")


def octets(*lines: str) -> bytes:
    """Return field lines as they stand on the wire."""
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


@pytest.mark.parametrize("lines", KEPT.values(), ids=KEPT.keys())
def test_end_to_end_fields_go_up_octet_for_octet(rig: Rig, lines: list[str]) -> None:
    """In their order, in their case, repeated lines apart; nothing is invented (F17, F18; RFC 9110 section 5.3)."""
    assert went_up(rig, *lines) == octets(*(line + " " if line.endswith(":") else line for line in lines))


def test_request_of_a_host_and_no_more_gets_no_company(rig: Rig) -> None:
    """No User-Agent, Accept, Accept-Encoding, Content-Type, Content-Length or Connection is added (F18)."""
    assert went_up(rig) == b""


def test_white_space_around_a_value_is_no_part_of_it(rig: Rig) -> None:
    """It may be there or not (RFC 9112 section 5.1)."""
    assert went_up(rig, "X-A:1", "X-B: \t 2 \t ", "X-C:") == octets("X-A: 1", "X-B: 2", "X-C: ")


@pytest.mark.parametrize("lines", REMOVED.values(), ids=REMOVED.keys())
def test_hop_by_hop_fields_end_here(rig: Rig, lines: list[str]) -> None:
    """Those that are known and those that Connection names; their neighbours stay (RFC 9110 section 7.6.1)."""
    assert went_up(rig, "X-Before: 1", *lines, "X-After: 1") == octets("X-Before: 1", "X-After: 1")


@pytest.mark.parametrize("line", NEEDED)
def test_connection_cannot_remove_what_the_upstream_decides_by(rig: Rig, line: str) -> None:
    """A client cannot make others' readings of its request differ from ours (RFC 9110 section 7.6.1)."""
    assert went_up(rig, f"Connection: close, {line.partition(':')[0]}", line) == octets(line)


def test_connection_cannot_remove_host_framing_or_the_way(telling: Rig) -> None:
    """What we add or need ourselves is not the client's to take away."""
    telling.answers()
    named = "Connection: Host, Content-Length, Forwarded, X-Forwarded-For, X-Forwarded-Host, Via, X-Request-Id"
    assert telling.ask(request("POST /a HTTP/1.1", named, "Content-Length: 2", "Via: 1.0 a", body=b"hi")).status == 200
    (seen,) = telling.seen
    assert seen.body == b"hi"
    names = ["host", "content-length", "forwarded", "x-forwarded-for", "x-forwarded-host", "x-request-id"]
    assert [len(seen.all(name)) for name in names] == [1] * 6
    assert seen.all("via") == ["1.0 a", "1.1 slowgate"]


def test_way_is_told_byte_by_byte(telling: Rig) -> None:
    """One Via, one Forwarded and the three X-Forwarded fields tell who asked (RFC 9110 7.6.3, RFC 7239)."""
    telling.answers()
    assert telling.ask(request("GET /a HTTP/1.0", "X-A: 1", host="Gate.test:8080")).status == 200
    assert [without_id(seen.head_octets) for seen in telling.seen] == [
        f"GET /a HTTP/1.1\r\nHost: {telling.host}\r\nX-A: 1\r\nVia: 1.0 slowgate\r\n"
        'Forwarded: for=127.0.0.1;host="Gate.test:8080";proto=http\r\nX-Forwarded-For: 127.0.0.1\r\n'
        "X-Forwarded-Proto: http\r\nX-Forwarded-Host: Gate.test:8080\r\n\r\n".encode()
    ]


CLAIMS = [
    "Forwarded: for=192.0.2.1;proto=https",
    "Forwarded: for=192.0.2.2",
    "X-Forwarded-For: 192.0.2.1",
    "X-Forwarded-For: 192.0.2.2",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: public.test",
    "X-Forwarded-Port: 443",
    "X-Real-IP: 192.0.2.1",
    "X_Forwarded_For: 192.0.2.3",
    "x-request-id: chosen",
]


def test_claims_of_an_untrusted_client_are_replaced(telling: Rig) -> None:
    """Nobody becomes another client by saying so, in no spelling that a CGI would understand (RFC 7239 section 8.1)."""
    telling.answers()
    assert telling.ask(request("GET /a HTTP/1.1", *CLAIMS)).status == 200
    (seen,) = telling.seen
    assert b"192.0.2" not in seen.head_octets
    assert b"chosen" not in seen.head_octets
    assert seen.all("forwarded") == ["for=127.0.0.1;host=gateway.test;proto=http"]
    assert (seen.all("x-forwarded-for"), seen.all("x-forwarded-proto")) == (["127.0.0.1"], ["http"])
    assert seen.all("x-forwarded-host") == ["gateway.test"]


def test_claims_of_a_trusted_peer_are_kept_and_continued(trusting: Rig) -> None:
    """A configured proxy in front of us is believed (RFC 7239 section 4; one line, the peer last)."""
    trusting.answers()
    answer = trusting.ask(request("GET /a HTTP/1.1", *CLAIMS))
    (seen,) = trusting.seen
    ours = "for=127.0.0.1;host=gateway.test;proto=http"
    assert seen.all("forwarded") == [f"for=192.0.2.1;proto=https, for=192.0.2.2, {ours}"]
    assert seen.all("x-forwarded-for") == ["192.0.2.1, 192.0.2.2, 127.0.0.1"]
    assert (seen.all("x-forwarded-proto"), seen.all("x-forwarded-host")) == (["https"], ["public.test"])
    assert (seen.all("x-request-id"), answer.all("x-request-id")) == (["chosen"], ["chosen"])


def test_request_id_is_the_same_on_both_sides_and_in_the_log(rig: Rig) -> None:
    """One word finds an exchange everywhere."""
    rig.answers()
    answer = rig.ask(request("GET /identified HTTP/1.1"))
    line = rig.gateway.wait_for_line(lambda line: line["target"] == "/identified")
    assert rig.seen[0].all("x-request-id") == answer.all("x-request-id") == [line["id"]]


def test_cookies_of_one_client_are_never_sent_for_another(rig: Rig) -> None:
    """F18: no state crosses exchanges, not on the same connections either."""
    rig.answers(response(b"", DATE, "Set-Cookie: session=secret; Path=/"))
    with rig.client() as client:
        for cookie in (["Cookie: mine=1"], []):
            assert client.get("/a", *cookie).read_response().all("set-cookie") == ["session=secret; Path=/"]
    assert rig.ask(request("GET /a HTTP/1.1")).status == 200
    assert [seen.all("cookie") for seen in rig.seen] == [["mine=1"], [], []]
    assert {seen.connection for seen in rig.seen} == {rig.seen[0].connection}


def test_environment_neither_redirects_nor_speaks_for_clients(tmp_path: Path) -> None:
    """F18: no proxy of the environment is asked, no netrc adds or replaces credentials."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    nowhere = f"http://127.0.0.1:{free_port()}"
    proxies = {name: nowhere for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY")}
    homes = {"HOME": str(tmp_path), "NETRC": str(netrc), "no_proxy": "", "NO_PROXY": ""}
    with Rig(tmp_path / "rig", environment={**proxies, **homes}) as rig:
        assert went_up(rig) == b""
        assert went_up(rig, "Authorization: Bearer mine") == octets("Authorization: Bearer mine")


@pytest.mark.parametrize(
    "lines",
    [["X-Long: " + "a" * 70_000], [f"X-Field-{number}: 1" for number in range(201)], ["X-A: " + "a" * 60_000] * 30],
    ids=["a long field", "many fields", "much in all"],
)
def test_too_much_of_fields_is_refused(rig: Rig, lines: list[str]) -> None:
    """431, told and closed, never a hang (RFC 6585 section 5)."""
    rig.answers()
    with rig.client() as client:
        answer = client.send(request("GET /a HTTP/1.1", *lines)).read_response()
        assert (answer.status, problem_code(answer)) == (431, "fields_too_large")
        assert answer.all("connection") == ["close"]
    rig.assert_untouched()
