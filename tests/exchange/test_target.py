"""Endpoints, and the targets that attempts send to them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange.target import Endpoint, parse_endpoint, split_absolute, upstream_target, valid_host


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://a.example", Endpoint("http", "a.example", 80, "", "a.example")),
        ("HTTP://A.example:80/", Endpoint("http", "a.example", 80, "", "a.example")),
        ("https://a.example", Endpoint("https", "a.example", 443, "", "a.example")),
        ("https://a.example:8443/api/", Endpoint("https", "a.example", 8443, "/api", "a.example:8443")),
        ("http://123:45", Endpoint("http", "123", 45, "", "123:45")),
        ("http://127.0.0.1:9000/a/b%2Fc", Endpoint("http", "127.0.0.1", 9000, "/a/b%2Fc", "127.0.0.1:9000")),
        ("http://[2001:DB8::1]", Endpoint("http", "2001:db8::1", 80, "", "[2001:db8::1]")),
        ("https://[::1]:8443", Endpoint("https", "::1", 8443, "", "[::1]:8443")),
        ("http://a.example:", Endpoint("http", "a.example", 80, "", "a.example")),
        ("http://a.example:0080", Endpoint("http", "a.example", 80, "", "a.example")),
        ("unix:/run/app.sock", Endpoint("http", "/run/app.sock", 0, "", "localhost", unix=True)),
        ("unix:///run/app.sock", Endpoint("http", "/run/app.sock", 0, "", "localhost", unix=True)),
    ],
)
def test_endpoint_url_becomes_its_parts(url: str, endpoint: Endpoint) -> None:
    """Host, port, base path and authority are ready for use, ports of the scheme filled in."""
    assert parse_endpoint(url) == endpoint


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "begins with"),
        ("a.example", "begins with"),
        ("ftp://a.example", "begins with"),
        ("http:/a.example", "begins with"),
        ("unix", "begins with"),
        ("unix:run/app.sock", "absolute path"),
        ("unix://run/app.sock", "absolute path"),
        ("http://", "names a host"),
        ("http://:80", "names a host"),
        ("http://a b", "is not a host"),
        ("http://::1", "is not a host"),
        ("http://exämple", "xn--"),
        ("http://a%41", "without escapes"),
        ("http://[::1%25eth0]", "not an IPv6 address"),
        ("http://[::g]", "not an IPv6 address"),
        ("http://a:0", "between 1 and 65535"),
        ("http://a:65536", "between 1 and 65535"),
        ("http://a:" + "9" * 5000, "between 1 and 65535"),
        ("http://a/b c", "escaped as %XX"),
        ("http://a/%zz", "escaped as %XX"),
        ("http://a/b/../c", "segments"),
        ("http://a/%2e", "segments"),
        ("http://a?x=1", "leave out"),
        ("http://a/b#c", "leave out"),
        ("http://user@a", "Authorization"),
    ],
)
def test_wrong_endpoint_url_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    """Each mistake is named, with what to write instead."""
    with pytest.raises(ValueError, match=sentence):
        parse_endpoint(url)


@pytest.mark.parametrize("url", ["https://me:s3cret@a.example", "https://a.example/?key=s3cret"])
def test_secret_in_a_refused_endpoint_is_not_repeated(url: str) -> None:
    """What may be a password or a key does not reach the terminal or the log."""
    with pytest.raises(ValueError) as caught:
        parse_endpoint(url)

    assert "s3cret" not in str(caught.value)


def test_at_sign_in_the_base_path_is_no_user() -> None:
    """Only the authority can hold credentials."""
    assert parse_endpoint("http://a/@me").base_path == "/@me"


@pytest.mark.parametrize("url", ["http://[::1]:81", "unix:/run/app.sock", "https://a.example"])
def test_endpoint_prints_as_the_url_that_makes_it(url: str) -> None:
    """What logs show can be copied into the configuration."""
    assert str(parse_endpoint(url)) == url


def test_endpoint_prints_without_its_base_path() -> None:
    """Some services have their key in the path; details of failures go to clients."""
    assert str(parse_endpoint("https://a.example/bot-s3cret/")) == "https://a.example"


@pytest.mark.parametrize(
    "value", ["a", "a.example:80", "A:", "127.0.0.1", "[::1]", "[::1]:443", "[v1.fe]", "a_b", "a!$&'()*+;=~"]
)
def test_host_and_port_of_rfc_3986_is_valid(value: str) -> None:
    """What a URI may hold as host and port is accepted, but for commas and escapes."""
    assert valid_host(value)


@pytest.mark.parametrize(
    "value",
    ["", ":80", "a b", "a/b", "a@b", "a?b", "a#b", "a:b", "a:1:2", "::1", "[::1", "::1]", "[::1]x", "[g]", "[]",
     "[v1.]", "a:65536", "a:-1", "a,b c", "a,b", "%41", "a%00b", "a\\b", "%4", "é", "[::1%eth0]", "a\n", "a:80 "],
)  # fmt: skip
def test_what_is_no_host_is_invalid(value: str) -> None:
    """A Host that two readers could read differently never passes."""
    assert not valid_host(value)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://a/b?c", ("a", "/b?c")),
        ("HTTPS://A:443/", ("A:443", "/")),
        ("http://a", ("a", "/")),
        ("http://a?x=/y", ("a", "/?x=/y")),
        ("http://[::1]:80//x", ("[::1]:80", "//x")),
        ("http://a/%2F?", ("a", "/%2F?")),
    ],
)
def test_absolute_target_splits_into_authority_and_origin_form(target: str, expected: tuple[str, str]) -> None:
    """All octets are kept, and an empty path becomes a slash."""
    assert split_absolute(target) == expected


@pytest.mark.parametrize(
    ("target", "origin"), [("http://a", "*"), ("http://a/", "/"), ("http://a?x", "/?x")]
)  # fmt: skip
def test_options_for_an_authority_alone_asks_for_the_server(target: str, origin: str) -> None:
    """OPTIONS without path and query is about the server as a whole (RFC 9112 section 3.2.4)."""
    assert split_absolute(target, "OPTIONS") == ("a", origin)


@pytest.mark.parametrize(
    "target", ["a", "ftp://a/", "://a/", "http:///x", "http://u@a/", "http://a#f", "http://a b/", "x?y=http://a/"]
)
def test_target_that_is_no_http_url_is_refused(target: str) -> None:
    """No authority is guessed."""
    with pytest.raises(ValueError, match="target"):
        split_absolute(target)


@pytest.mark.parametrize(
    ("target", "strip", "rewrite", "base", "expected"),
    [
        ("/openai/v1", "/openai", None, "", "/v1"),
        ("/openai/v1", "/openai/", None, "", "/v1"),
        ("/openai/v1/", "/openai", None, "", "/v1/"),
        ("/openai", "/openai", None, "", "/"),
        ("/openai/", "/openai", None, "", "/"),
        ("/openai", "/openai", None, "/api", "/api"),
        ("/openai/", "/openai", None, "/api", "/api/"),
        ("/openai?x", "/openai", None, "", "/?x"),
        ("/openai/v1", "/openai", "/api", "", "/api/v1"),
        ("/openai/v1", "/openai", "/api/", "", "/api/v1"),
        ("/openai/v1", "/openai", "/", "", "/v1"),
        ("/openai", "/openai", "/", "", "/"),
        ("/v1", "", "/api", "", "/api/v1"),
        ("/v1", "", None, "", "/v1"),
        ("/", "", None, "", "/"),
        ("/", "", None, "/api", "/api/"),
        ("/openai/v1", "/openai", "/x", "/api", "/api/x/v1"),
        ("/openai//v1", "/openai", None, "", "//v1"),
        ("/%6fpenai/%76%2f1", "/openai", None, "", "/%76%2f1"),
        ("/openaix/v1", "/openai", "/api", "/b", "/b/openaix/v1"),
        ("/a/b/c", "/a/b", None, "", "/c"),
        ("/a?", "/a", None, "/b", "/b?"),
        ("/a?x=/a/b?&;+%zz", "/a", None, "", "/?x=/a/b?&;+%zz"),
        ("*", "/a", "/b", "/c", "*"),
    ],
)
def test_prefix_is_replaced_without_losing_or_doubling_a_slash(
    target: str, strip: str, rewrite: str | None, base: str, expected: str
) -> None:
    """Joints have one slash, the end has the client's, and every other octet stays."""
    assert upstream_target(target, strip, rewrite, base) == expected


@settings(deadline=None)
@given(
    rest=st.text(alphabet="ab/%2F~.", max_size=20).map(lambda text: "/" + text),
    query=st.text(alphabet="?=&;+%/a", max_size=10),
    base=st.sampled_from(["", "/api", "/a/b"]),
)
def test_what_follows_the_prefix_is_sent_octet_for_octet(rest: str, query: str, base: str) -> None:
    """Nothing but the prefix is ever changed."""
    assert upstream_target(f"/pre/fix{rest}?{query}", "/pre/fix/", None, base) == f"{base}{rest}?{query}"
