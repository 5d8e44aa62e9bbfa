"""What is asked for goes up octet for octet, and never out of its route.

Sources: RFC 9110 section 7.7 (transformations), RFC 3986 sections 2.4, 5.2.4, 6.2.2; RFC 9112 sections 3, 3.2.
"""

from collections.abc import Iterator

import pytest
from support.rig import Rig, problem_code, request

EXACT = {
    "the root": "/",
    "a slash at the end": "/a/",
    "an escaped slash": "/a%2Fb",
    "an escaped slash in lower case": "/a%2fb",
    "escapes of mixed case": "/%c3%A9%C3%a9",
    "an escaped NUL": "/a%00b",
    "escaped line ends": "/a%0d%0aX-Test:%201",
    "an escaped percent sign": "/a%25b",
    "something escaped twice": "/a%252Fb",
    "escaped unreserved characters": "/%7Euser/%41%2D%5f",
    "an unescaped tilde": "/~user",
    "two slashes": "//a",
    "slashes everywhere": "///a//b///",
    "two slashes and what looks like a host": "//other.test/a",
    "sub-delimiters": "/!$&'()*+,;=",
    "a colon and an at sign": "/a:b@c",
    "a colon in the first segment": "/http://other.test/",
    "parameters of a segment": "/a;b=c/d",
    "bad escapes": "/%/%zz/%2",
    "characters no URI has": '/a"<>\\^`{|}b',
    "dots that are no dot segments": "/.../a./.b/..c/d..",
    "a dot segment that stays inside": "/a/./b",
    "a step back that stays inside": "/a/b/../c",
    "a query": "/a?b=c&d=e",
    "an order of parameters": "/a?z=1&a=2&z=0",
    "an empty query": "/a?",
    "a query of the root": "/?a",
    "question marks and slashes in the query": "/a?b?c/d?/..",
    "dot segments in the query": "/a?../../b",
    "plus, semicolon and comma in the query": "/a?b+c;d,e=%2B%20+",
    "bad escapes in the query": "/a?b=%&c=%zz&d=%2",
    "escapes in the query": "/a?b=%2F%3f%c3%A9",
    "brackets in the query": "/a?b[]=1&c{d}=|",
    "an equals sign and no more": "/a?=",
}
OUTSIDE = {
    "plain": "/api/../secret",
    "plain, at the end": "/api/..",
    "two steps": "/api/a/../../secret",
    "an escaped dot": "/api/%2e./secret",
    "escaped dots": "/api/%2e%2e/secret",
    "escaped dots in upper case": "/api/%2E%2E/secret",
    "an escaped slash": "/api/..%2fsecret",
    "all escaped": "/api/%2e%2e%2fsecret",
    "escaped twice": "/api/%252e%252e/secret",
    "an escaped slash, twice": "/api/..%252fsecret",
    "a backslash": "/api/..\\secret",
    "an escaped backslash": "/api/..%5csecret",
    "parameters": "/api/..;/secret",
    "parameters with a value": "/api/..;a=b/secret",
    "escaped parameters": "/api/..%3b/secret",
    "behind two slashes": "/api//../secret",
    "behind many slashes": "/api/a////../../secret",
    "behind an escaped slash": "/api/a%2f../../secret",
    "a NUL behind the dots": "/api/..%00/secret",
    "overlong octets": "/api/%c0%ae%c0%ae/secret",
    "overlong slash": "/api/..%c0%afsecret",
    "wide dots": "/api/%ef%bc%8e%ef%bc%8e/secret",
    "of an old server": "/api/%u002e%u002e/secret",
    "before the query": "/api/..?a",
}
JOINED = {
    "/whole/a": "/base/v1/whole/a",
    "/whole": "/base/v1/whole",
    "/whole/": "/base/v1/whole/",
    "/strip/a/b": "/base/v1/a/b",
    "/strip/a%2Fb?c": "/base/v1/a%2Fb?c",
    "/strip/": "/base/v1/",
    "/strip": "/base/v1",
    "/strip?a": "/base/v1?a",
    "/strip//a": "/base/v1//a",
    "/strip/strip/a": "/base/v1/strip/a",
    "/rewrite/a": "/base/v1/new/path/a",
    "/rewrite/": "/base/v1/new/path/",
    "/rewrite": "/base/v1/new/path",
    "/rewrite?": "/base/v1/new/path?",
    "/slash/a": "/base/v1/new/a",
    "/slash/": "/base/v1/new/",
    "/%73trip/a": "/base/v1/a",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig")) as rig:
        yield rig


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    routes: list[dict[str, object]] = [
        {"name": "api", "path": "/api/"},
        {"name": "deep", "path": "/api/deep/"},
        {"name": "whole", "path": "/whole/"},
        {"name": "strip", "path": "/strip/", "strip_prefix": "/strip"},
        {"name": "rewrite", "path": "/rewrite/", "strip_prefix": "/rewrite", "rewrite": "/new/path"},
        {"name": "slash", "path": "/slash/", "strip_prefix": "/slash/", "rewrite": "/new/"},
    ]
    with Rig(tmp_path_factory.mktemp("routed"), base="/base/v1/", routes=routes) as rig:
        yield rig


@pytest.mark.parametrize("target", EXACT.values(), ids=EXACT.keys())
def test_target_goes_up_octet_for_octet(rig: Rig, target: str) -> None:
    """Nothing is decoded, encoded, merged or put in order (RFC 9110 section 7.7)."""
    rig.answers()
    assert rig.ask(request(f"GET {target} HTTP/1.1")).status == 200
    assert rig.heads() == [f"GET {target} HTTP/1.1\r\nHost: up\r\n\r\n".encode()]


@pytest.mark.parametrize("target", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_dot_segments_never_lead_out_of_the_route(routed: Rig, target: str) -> None:
    """Whatever a server behind us would make of them: what could leave the prefix is refused (RFC 9110 section 7.7)."""
    routed.answers()
    answer = routed.ask(request(f"GET {target} HTTP/1.1"))
    assert answer.status in (400, 404)
    assert problem_code(answer) in ("target_refused", "no_route")
    routed.assert_untouched()


@pytest.mark.parametrize("target", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_dot_segments_never_lead_above_the_root(rig: Rig, target: str) -> None:
    """A route of everything has an outside, too: the endpoint's base path stands in front of it."""
    rig.answers()
    answer = rig.ask(request(f"GET {target.removeprefix('/api')} HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (400, "target_refused")
    rig.assert_untouched()


@pytest.mark.parametrize("step", ["..", "%2e%2e", ".%2E", "..;a", "b%2f..%2f..", "b\\..\\.."])
def test_dot_segments_never_lead_into_another_route(routed: Rig, step: str) -> None:
    """Not even into one below the route: its rules would be passed by (RFC 9110 section 7.7)."""
    routed.answers()
    assert routed.ask(request("GET /api/deep/a HTTP/1.1")).status == 200
    answer = routed.ask(request(f"GET /api/x/{step}/deep/a HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (400, "target_refused")
    assert len(routed.seen) == 1


@pytest.mark.parametrize(("asked", "sent"), JOINED.items(), ids=JOINED.keys())
def test_prefix_base_and_rest_are_joined_without_losing_or_doubling_a_slash(routed: Rig, asked: str, sent: str) -> None:
    """The prefix is replaced by whole segments, the endpoint's base path stands in front."""
    routed.answers()
    assert routed.ask(request(f"GET {asked} HTTP/1.1")).status == 200
    assert routed.heads() == [f"GET {sent} HTTP/1.1\r\nHost: up\r\n\r\n".encode()]


@pytest.mark.parametrize("target", ["/other", "/apix", "/strip%2Fa", "/Strip/a", "/"])
def test_path_outside_every_route_is_not_found(routed: Rig, target: str) -> None:
    """Prefixes are whole segments, compared as they stand; 404 is said by us and says so."""
    routed.answers()
    answer = routed.ask(request(f"GET {target} HTTP/1.1"))
    assert (answer.status, problem_code(answer)) == (404, "no_route")
    routed.assert_untouched()


ABSOLUTE = {
    "http://absolute.test/a%2Fb?c": ("/a%2Fb?c", "absolute.test"),
    "HTTP://ABSOLUTE.test:8080/a": ("/a", "ABSOLUTE.test:8080"),
    "https://absolute.test/a": ("/a", "absolute.test"),
    "http://absolute.test": ("/", "absolute.test"),
    "http://absolute.test?a": ("/?a", "absolute.test"),
    "http://absolute.test//a": ("//a", "absolute.test"),
    "http://[::1]:80/a": ("/a", "[::1]:80"),
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("named"), upstream={"keep_host": True}) as rig:
        yield rig


@pytest.mark.parametrize(("asked", "sent"), ABSOLUTE.items(), ids=ABSOLUTE.keys())
def test_authority_of_an_absolute_target_wins_over_host(named: Rig, asked: str, sent: tuple[str, str]) -> None:
    """It goes up as a path, and its authority as Host (RFC 9112 section 3.2.2)."""
    named.answers()
    target, host = sent
    for version in ("1.1", "1.0"):
        assert named.ask(request(f"GET {asked} HTTP/{version}")).status == 200
    expected = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert named.heads() == [expected, expected]


def test_host_of_the_client_goes_up_where_the_upstream_wants_it(named: Rig) -> None:
    """Octet for octet, once, first (RFC 9110 section 7.2)."""
    named.answers()
    assert named.ask(request("GET /a HTTP/1.1", "X-Test: 1", host="GateWay.test:80")).status == 200
    assert named.heads() == [b"GET /a HTTP/1.1\r\nHost: GateWay.test:80\r\nX-Test: 1\r\n\r\n"]


@pytest.mark.parametrize("asked", ["*", "http://gateway.test"])
def test_options_for_the_server_as_a_whole_goes_up_as_an_asterisk(rig: Rig, asked: str) -> None:
    """An absolute target without path means the same (RFC 9112 section 3.2.4)."""
    rig.answers()
    assert rig.ask(request(f"OPTIONS {asked} HTTP/1.1")).status == 200
    assert rig.heads() == [b"OPTIONS * HTTP/1.1\r\nHost: up\r\n\r\n"]


@pytest.mark.parametrize("octets", [8_000, 16_000])
def test_long_request_line_goes_up(rig: Rig, octets: int) -> None:
    """At least 8000 octets pass (RFC 9112 section 3)."""
    rig.answers()
    line = f"GET /{'a' * (octets - 14)} HTTP/1.1"
    assert rig.ask(request(line)).status == 200
    assert rig.seen[0].request_line == line
    assert len(line) == octets


@pytest.mark.parametrize("octets", [16_500, 100_000, 2_000_000])
def test_longer_request_line_is_refused(rig: Rig, octets: int) -> None:
    """414, at once, however long it goes on (RFC 9112 section 3)."""
    rig.answers()
    with rig.client() as client:
        try:
            client.send(request(f"GET /{'a' * octets} HTTP/1.1"))
        except ConnectionError:
            assert octets > 1_000_000, "answered before it was sent, and cut off"
        answer = client.read_response()
    assert (answer.status, problem_code(answer)) == (414, "target_too_long")
    assert answer.all("connection") == ["close"]
    rig.assert_untouched()
