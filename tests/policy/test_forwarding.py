"""What the upstream is told about the way a request came."""

from ipaddress import ip_network

import pytest
from support.exchanges import a_request, a_route, an_attempt, an_exchange

from gateway.exchange.message import Fields, RequestHead, Source
from gateway.exchange.route import Forwarding
from gateway.policy.forwarding import forwarded_element, forwards_left, hooks, trusted

PRIVATE = Forwarding(trusted_peers=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
SPOOFED = [
    ("Forwarded", "for=1.2.3.4"),
    ("X-Forwarded-For", "1.2.3.4"),
    ("x-forwarded-proto", "https"),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"),
    ("X-Forwarded-Prefix", "/x"),
    ("X-Real-IP", "1.2.3.4"),
    ("X_Forwarded_For", "1.2.3.4"),
]


def prepared(
    fields: Fields, *, request: RequestHead | None = None, trusted_peer: bool = False, forwarding: Forwarding = PRIVATE
) -> Fields:
    """Return the fields of an attempt after the policy had its say."""
    prepare, attempt = hooks(a_route(forwarding=forwarding)).prepare, an_attempt(list(fields))
    assert prepare is not None
    prepare(an_exchange(request, trusted_peer=trusted_peer), attempt)
    assert attempt.fields is not None
    return attempt.fields


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8::5", True),
        ("2001:db8::5%eth0", True),
        ("2001:db9::5", False),
        ("::ffff:x.y", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_only_configured_peers_are_trusted(peer: str, believed: bool) -> None:
    """Addresses decide, also those a dual-stack socket shows mapped; what is no address is trusted by nobody."""
    assert trusted(PRIVATE, peer) is believed


def test_unix_socket_is_trusted_where_configured() -> None:
    """A peer without address is a matter of its own."""
    assert trusted(Forwarding(trust_unix=True), "")
    assert not trusted(Forwarding(trust_unix=True), "10.1.2.3")


OURS = [
    ("Via", "1.1 slowgate"),
    ("Forwarded", "for=192.0.2.7;host=api.example.com;proto=http"),
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Host", "api.example.com"),
]


@pytest.mark.parametrize("trusted_peer", [False, True])
def test_first_hop_is_told_in_every_form(trusted_peer: bool) -> None:
    """Via, Forwarded and the X-Forwarded fields describe the client that asked us."""
    assert prepared([("A", "b")], trusted_peer=trusted_peer) == [("A", "b"), *OURS]


def test_word_of_a_stranger_is_replaced() -> None:
    """What only a trusted peer may say is taken out, also where underscores hide it from us and not from CGI."""
    assert prepared([*SPOOFED, ("X-Forward", "kept")]) == [("X-Forward", "kept"), *OURS]


def test_word_of_a_trusted_peer_is_continued() -> None:
    """Lists grow by one member, in one line; scheme and host stay those the first client used."""
    assert prepared(SPOOFED, trusted_peer=True) == [
        ("Forwarded", "for=1.2.3.4, for=192.0.2.7;host=api.example.com;proto=http"),
        ("X-Forwarded-For", "1.2.3.4, 192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/x"),
        ("X-Real-IP", "1.2.3.4"),
        ("X_Forwarded_For", "1.2.3.4"),
        ("Via", "1.1 slowgate"),
    ]


def test_several_lines_of_a_trusted_peer_become_one() -> None:
    """No reader that knows one line only misses a member, and empty ones vanish."""
    told = prepared(
        [
            ("X-Forwarded-For", "1.1.1.1"),
            ("x-forwarded-for", " "),
            ("X-FORWARDED-FOR", "2.2.2.2, 3.3.3.3"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", ""),
        ],
        trusted_peer=True,
    )

    assert told[0] == ("X-Forwarded-For", "1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7")
    assert [line for line in told if line[0].startswith("X-Forwarded")][1:] == [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "api.example.com"),
    ]


@pytest.mark.parametrize(
    ("version", "via"), [((1, 0), "1.0 slowgate"), ((1, 1), "1.1 slowgate"), ((2, 0), "2 slowgate")]
)
def test_via_names_the_version_received_and_keeps_earlier_ones(version: tuple[int, int], via: str) -> None:
    """Each hop has its line, in the order of the way (RFC 9110 section 7.6.3)."""
    told = prepared([("Via", "1.0 a, 1.1 b"), ("via", "1.1 c")], request=a_request(version=version))

    assert [value for name, value in told if name.lower() == "via"] == ["1.0 a, 1.1 b", "1.1 c", via]


def test_route_that_tells_nothing_tells_nothing_false_either() -> None:
    """Without our own word a stranger's is still taken out, and a trusted peer's is left alone."""
    quiet = Forwarding(via=None, forwarded=False, x_forwarded=False)

    assert prepared(SPOOFED, forwarding=quiet) == []
    assert prepared(SPOOFED, forwarding=quiet, trusted_peer=True) == SPOOFED


def test_client_without_address_or_host_is_told_as_far_as_known() -> None:
    """A unix socket has no address and HTTP/1.0 may have no Host: nothing is made up."""
    request = a_request(peer="", authority="", version=(1, 0))

    assert prepared([("X-Forwarded-Host", ""), ("X-Forwarded-For", "1.1.1.1")], request=request, trusted_peer=True) == [
        ("X-Forwarded-For", "1.1.1.1"),
        ("Via", "1.0 slowgate"),
        ("Forwarded", "for=unknown;proto=http"),
        ("X-Forwarded-Proto", "http"),
    ]


@pytest.mark.parametrize(
    ("request_", "element"),
    [
        (a_request(peer="2001:db8::1", scheme="https"), 'for="[2001:db8::1]";host=api.example.com;proto=https'),
        (a_request(peer="fe80::1%eth0"), 'for="[fe80::1]";host=api.example.com;proto=http'),
        (a_request(peer="::ffff:192.0.2.1"), "for=192.0.2.1;host=api.example.com;proto=http"),
        (a_request(authority="a:8080"), 'for=192.0.2.7;host="a:8080";proto=http'),
        (a_request(authority="[::1]"), 'for=192.0.2.7;host="[::1]";proto=http'),
        (a_request(authority='a";x="\\'), 'for=192.0.2.7;host="a\\";x=\\"\\\\";proto=http'),
    ],
)
def test_forwarded_is_quoted_where_its_grammar_asks(request_: RequestHead, element: str) -> None:
    """Colons and brackets are no token (RFC 7239 section 4), and nobody breaks out of the quotes."""
    assert forwarded_element(request_) == element


def test_attempt_without_fields_is_told_too() -> None:
    """The way needs no other line."""
    prepare, attempt = hooks(a_route()).prepare, an_attempt()
    attempt.fields = None
    assert prepare is not None

    prepare(an_exchange(), attempt)

    assert attempt.fields == OURS


@pytest.mark.parametrize(
    ("method", "value", "left"),
    [
        ("OPTIONS", "0", 0),
        ("TRACE", "000", 0),
        ("OPTIONS", "7", 7),
        ("OPTIONS", "9" * 10, 2**31 - 1),
        ("OPTIONS", "9" * 9000, 2**31 - 1),
        ("GET", "0", None),
        ("OPTIONS", None, None),
        ("OPTIONS", "", None),
        ("OPTIONS", "-1", None),
        ("OPTIONS", "1, 2", None),
        ("OPTIONS", "\xb2", None),
    ],
)
def test_forwards_left_are_read_only_where_they_count(method: str, value: str | None, left: int | None) -> None:
    """Other methods and what is no number are passed on untouched (RFC 9110 section 7.6.2)."""
    fields = [] if value is None else [("Max-Forwards", value)]

    assert forwards_left(a_request(method, fields=fields)) == left


def test_forwarded_request_may_be_forwarded_once_less() -> None:
    """The line goes down by one in its place; one that does not count stays."""
    fields = [("max-forwards", "3"), ("A", "b")]

    assert prepared(fields, request=a_request("OPTIONS", fields=fields))[:2] == [("Max-Forwards", "2"), ("A", "b")]
    assert prepared(fields, request=a_request("GET", fields=fields))[:2] == fields


@pytest.mark.parametrize(
    ("methods", "allow"),
    [
        (frozenset(), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (frozenset({"TRACE", "GET", "OPTIONS"}), "GET, OPTIONS, TRACE"),
    ],
)
def test_request_with_no_forwards_left_is_answered_here(methods: frozenset[str], allow: str) -> None:
    """The reply is ours, empty, and names the methods."""
    admit = hooks(a_route(methods=methods)).admit
    assert admit is not None

    reply = admit(an_exchange(a_request("OPTIONS", fields=[("Max-Forwards", "0")])))

    assert reply is not None
    assert (reply.head.status, reply.source, reply.length, list(reply.chunks)) == (200, Source.LOCAL, 0, [])
    assert reply.head.fields == [("Allow", allow), ("Content-Length", "0")]


@pytest.mark.parametrize("fields", [[], [("Max-Forwards", "1")]])
def test_request_with_forwards_left_is_admitted(fields: Fields) -> None:
    """One forward left is enough for us."""
    admit = hooks(a_route()).admit
    assert admit is not None

    assert admit(an_exchange(a_request("OPTIONS", fields=fields))) is None
