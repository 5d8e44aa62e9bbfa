"""httpbin as an upstream: what it answers directly is what it answers through the gateway, octet for octet."""

import json
from collections.abc import Callable, Iterator

import pytest
from support.conditions import patience
from support.gateway_process import Gateway, route_to, toml_table
from support.httpbin_process import Httpbin
from support.rude_client import Address, RawResponse, RudeClient

SAYS_NOTHING = toml_table("forwarding", {"via": "off", "forwarded": False, "x_forwarded": False})
"""httpbin puts the request's fields into its answers: only without ours can these be the same, octet for octet."""

OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}
"""Fields that each hop makes for itself (RFC 9110 section 7.6.1)."""

BLOCK = bytes(range(256)) * 256
MULTIPART = (
    b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="f"; filename="x.bin"\r\n\r\n\x00\xff\r\n--edge--\r\n'
)

GETS = [
    "/get",
    "/get?a=1&a=2&b",
    "/get?",
    "/headers",
    "/ip",
    "/json",
    "/html",
    "/xml",
    "/robots.txt",
    "/deny",
    "/encoding/utf8",
    "/links/3/0",
    "/base64/c2xvdw%3D%3D",
    "/image/png",
    "/image/svg",
    "/status/200",
    "/status/204",
    "/status/205",
    "/status/304",
    "/status/401",
    "/status/402",
    "/status/404",
    "/status/407",
    "/status/418",
    "/status/500",
    "/status/503",
    "/status/599",
    "/redirect/3",
    "/relative-redirect/2",
    "/absolute-redirect/2",
    "/redirect-to?url=HTTP%3A%2F%2FExample.COM%2F%5B1%5D%3Fa%3Db%2520c&status_code=307",
    "/cookies/set?a=1&b=2",
    "/cookies/set/name/value",
    "/cookies/delete?a=&b=",
    "/response-headers?Set-Cookie=a%3D1&Set-Cookie=b%3D2&X-Empty=&x-mIxEd=1&Link=%3Ca%3E&Link=%3Cb%3E&Server=mine",
    "/response-headers?Content-Type=text%2Fplain%3B%20charset%3DUTF-8&Content-Language=de&Content-Encoding=x-none",
    "/bytes/102400?seed=5",
    "/bytes/0",
    "/stream-bytes/50000?seed=7&chunk_size=999",
    "/stream-bytes/300?seed=7&chunk_size=1",
    "/stream/1",
    "/stream/100",
    "/range/10000",
    "/range/26?chunk_size=5&duration=0.3",
    "/range/200000",
    "/drip?numbytes=5&duration=0.3&delay=0.1",
    "/drip?numbytes=3&duration=0.1&code=503",
    "/delay/0.3",
    "/deflate",
    "/brotli",
    "/etag/abc",
    "/cache/60",
    "/bearer",
    "/basic-auth/user/passwd",
    "/hidden-basic-auth/user/passwd",
    "/no/such/page",
    "/anything/a%2Fb%2fc",
    "/anything//two//slashes/",
    "/anything/%E2%82%AC/%7Euser/~user",
    "/anything/a;b=c,d/@:!$&'()*+,;=",
    "/anything/a%20b+c",
    "/anything/%25%32%46?%25=%2525&=&&;&a=b=c",
    "/anything?x=/?/&url=http://a.test/?b",
    "/anything/" + "x" * 3000,
]

WITH_FIELDS = [
    ("/range/10000", "Range: bytes=100-199"),
    ("/range/10000", "Range: bytes=-5"),
    ("/range/10000", "Range: bytes=9990-"),
    ("/range/10000", "Range: bytes=20000-"),
    ("/range/10000", "Range: bytes=0-0, If-Range: range10000"),
    ("/etag/abc", "If-None-Match: abc"),
    ("/etag/abc", 'If-None-Match: "x", W/"abc", *'),
    ("/etag/abc", "If-Match: other"),
    ("/cache", "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT"),
    ("/cookies", "Cookie: a=1; b=2"),
    ("/user-agent", "User-Agent: slow/1 (comment)"),
    ("/image", "Accept: image/webp"),
    ("/image", "Accept: application/none"),
    ("/bearer", "Authorization: Bearer abc.def"),
    ("/basic-auth/user/passwd", "Authorization: Basic dXNlcjpwYXNzd2Q="),
    ("/basic-auth/user/passwd", "Authorization: Basic bm90OnRoaXM="),
    ("/get", "Origin: https://app.example", "Access-Control-Request-Method: PUT"),
    ("/headers", "X-Twice: one", "X-Twice: two", "X-Empty:", "x-loW-HIGH: kept", "X-Latin: caf\xe9"),
    ("/headers", "X-Long: " + "y" * 6000),
    ("/headers", "Accept-Encoding: gzip, br", "Accept: */*;q=0.1", "TraceParent: 00-4bf92f-00f067-01"),
]

BODIES = [
    ("POST", "/post", b"a=1&b=%20&a=2", "Content-Type: application/x-www-form-urlencoded"),
    ("POST", "/post", b'{"a": [1, null]}', "Content-Type: application/json"),
    ("POST", "/post", MULTIPART, "Content-Type: multipart/form-data; boundary=edge"),
    ("POST", "/post", BLOCK * 4, "Content-Type: application/octet-stream"),
    ("POST", "/post", b"", "Content-Type: text/plain"),
    ("POST", "/anything/a%2Fb?c", b"text", "Content-Type: text/plain", "Content-Encoding: x-odd"),
    ("PUT", "/put", BLOCK, "Content-Type: application/octet-stream"),
    ("PATCH", "/patch", b"x", "Content-Type: application/json-patch+json"),
    ("DELETE", "/delete", b"with a body"),
    ("GET", "/anything", b"a body on GET"),
    ("POST", "/status/201", b"x"),
    ("PUT", "/status/409", b"x"),
    ("POST", "/response-headers?Location=%2Fx", b""),
]

StartGateway = Callable[..., Gateway]
Sides = tuple[RawResponse, RawResponse]
"""What came directly, and what came through the gateway."""


@pytest.fixture(scope="module")
def httpbin(httpbin_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Httpbin]:
    """httpbin, one for the tests here."""
    with Httpbin(tmp_path_factory.mktemp("httpbin")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def silent_gateway(httpbin: Httpbin, session_gateway: StartGateway) -> Gateway:
    """A gateway that tells httpbin nothing about the way."""
    return session_gateway(SAYS_NOTHING + route_to(httpbin.url))


class Both:
    """Asks the same directly and through the gateway."""

    def __init__(self, httpbin: Httpbin, gateway: Gateway) -> None:
        self._httpbin, self._gateway = httpbin, gateway

    def ask(self, method: str, target: str, *lines: str, body: bytes = b"", version: str = "HTTP/1.1") -> Sides:
        head = "\r\n".join([f"{method} {target} {version}", f"Host: {self._httpbin.authority}", *lines, "", ""])
        octets = head.encode("latin-1") + body
        return self._one(self._httpbin.address, octets, method), self._one(self._gateway.address, octets, method)

    def _one(self, address: Address, octets: bytes, method: str) -> RawResponse:
        with RudeClient(address) as client:
            return client.send(octets).read_response(method=method)


@pytest.fixture(scope="module")
def both(httpbin: Httpbin, silent_gateway: Gateway) -> Both:
    """Both ways to httpbin."""
    return Both(httpbin, silent_gateway)


def end_to_end(response: RawResponse, *more: str) -> list[tuple[str, str]]:
    """Return the fields in order without those of the connection, the clock's, and ``more`` (in lower case)."""
    left_out = OF_THE_CONNECTION | {"date", *more}
    return [(name, value) for name, value in response.fields if name.lower() not in left_out]


def assert_same(sides: Sides) -> None:
    """Both sides say the same; the gateway's adds its request id and nothing else."""
    direct, through = sides
    assert (through.version, through.status, through.reason) == (direct.version, direct.status, direct.reason)
    assert end_to_end(through, "x-request-id") == end_to_end(direct)
    assert through.body == direct.body
    assert (through.complete, through.ending) == (direct.complete, direct.ending)
    assert direct.complete
    assert through.all("transfer-encoding") == direct.all("transfer-encoding")
    assert [len(through.all(name)) for name in ("x-request-id", "date", "server")] == [1, 1, len(direct.all("server"))]


@pytest.mark.parametrize("target", GETS, ids=lambda target: target[:50])
def test_get_of_httpbin_is_answered_as_directly(both: Both, target: str) -> None:
    """Status, reason, fields in order and body are those that httpbin sends."""
    assert_same(both.ask("GET", target))


@pytest.mark.parametrize("target", ["/get", "/stream/3", "/range/100", "/gzip", "/redirect/1", "/status/404"])
def test_head_of_httpbin_is_answered_as_directly(both: Both, target: str) -> None:
    """HEAD goes up as HEAD, and its answer has the fields of the upstream and no body."""
    assert_same(both.ask("HEAD", target))


@pytest.mark.parametrize("target", ["/get", "/anything", "/status/200"])
def test_options_of_httpbin_is_answered_as_directly(both: Both, target: str) -> None:
    """OPTIONS is the upstream's to answer."""
    assert_same(both.ask("OPTIONS", target, "Access-Control-Request-Headers: X-A"))


@pytest.mark.parametrize("case", WITH_FIELDS, ids=lambda case: f"{case[0]} {case[1][:40]}")
def test_get_with_fields_is_answered_as_directly(both: Both, case: tuple[str, ...]) -> None:
    """Ranges, conditions, credentials, cookies and unusual fields reach httpbin as they were sent."""
    target, *lines = case
    assert_same(both.ask("GET", target, *lines))


@pytest.mark.parametrize("case", BODIES, ids=lambda case: f"{case[0]} {case[1]} {len(case[2])}")
def test_body_of_known_length_arrives_as_directly(both: Both, case: tuple[str, str, bytes, *tuple[str, ...]]) -> None:
    """Forms, files and plain octets of every method reach httpbin whole and under their own length."""
    method, target, body, *lines = case
    assert_same(both.ask(method, target, f"Content-Length: {len(body)}", *lines, body=body))


@pytest.mark.parametrize("piece_octets", [1, 1000, 65_536])
def test_chunked_upload_arrives_as_directly(both: Both, piece_octets: int) -> None:
    """A chunked body stays chunked on its way up, and whole."""
    content = BLOCK[: piece_octets * 3 + 1] if piece_octets < 65_536 else BLOCK * 3
    pieces = [content[start : start + piece_octets] for start in range(0, len(content), piece_octets)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    assert_same(both.ask("POST", "/post", "Transfer-Encoding: chunked", "Content-Type: x/y", body=body))


@pytest.mark.parametrize("target", ["/get", "/stream/3", "/range/100", "/status/204"])
def test_http_1_0_client_is_answered_as_directly(both: Both, target: str) -> None:
    """An HTTP/1.0 client gets the same body, unchunked, ended by length or by the connection."""
    direct, through = both.ask("GET", target, version="HTTP/1.0")
    assert (through.status, through.body, through.complete) == (direct.status, direct.body, True)
    assert through.all("transfer-encoding") == []
    assert end_to_end(through, "x-request-id") == end_to_end(direct)


def test_gzip_of_httpbin_arrives_undecoded(both: Both) -> None:
    """A compressed body keeps its coded octets; httpbin's differ only in the four that say the time (RFC 1952)."""
    direct, through = both.ask("GET", "/gzip")
    assert through.first("content-encoding") == "gzip"
    assert through.body[:4] + through.body[8:] == direct.body[:4] + direct.body[8:]
    assert end_to_end(through, "x-request-id") == end_to_end(direct)


def test_cookie_that_one_client_was_given_is_never_sent_for_another(both: Both) -> None:
    """No state of httpbin's clients stays in the gateway."""
    _, given = both.ask("GET", "/cookies/set?secret=1")
    _, other = both.ask("GET", "/cookies")
    assert given.all("set-cookie") == ["secret=1; Path=/"]
    assert json.loads(other.body) == {"cookies": {}}


@pytest.mark.parametrize("target", ["/drip?numbytes=6&duration=1.2", "/range/60?chunk_size=10&duration=1.2"])
def test_dripping_body_of_known_length_arrives_as_it_drips(both: Both, target: str) -> None:
    """Each piece of a body with Content-Length comes when httpbin sends it, not at the end."""
    direct, through = both.ask("GET", target)
    assert through.body == direct.body
    assert len(through.pieces) == len(direct.pieces) == 6
    late = [at - directly_at for (at, _), (directly_at, _) in zip(through.pieces, direct.pieces, strict=True)]
    assert max(late) < patience(0.15)


def test_head_of_a_dripping_answer_waits_as_long_as_httpbin_does(both: Both) -> None:
    """The silence before the head is the upstream's own; the gateway adds none and takes none away."""
    direct, through = both.ask("GET", "/delay/0.5")
    assert 0.5 <= through.head_seconds < direct.head_seconds + patience(0.15)


def test_fields_that_the_gateway_adds_are_the_documented_ones(httpbin: Httpbin, gateway: StartGateway) -> None:
    """As configured by default, httpbin sees Via, Forwarded, X-Forwarded-* and X-Request-Id, and nothing else new."""
    with RudeClient(gateway(route_to(httpbin.url)).address) as client:
        answer = client.get("/anything?show_env=1", "X-One: 1", host="api.example.com").read_response()
    assert json.loads(answer.body)["headers"] == {
        "Host": httpbin.authority,
        "X-One": "1",
        "Forwarded": "for=127.0.0.1;host=api.example.com;proto=http",
        "Via": "1.1 slowgate",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Proto": "http",
        "X-Request-Id": answer.first("x-request-id"),
    }
