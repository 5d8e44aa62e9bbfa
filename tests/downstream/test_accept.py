"""A request becomes an exchange with nothing lost, and what nobody could relay faithfully is refused."""

from ipaddress import ip_network

import pytest
from support.exchanges import a_request, an_exchange
from support.wsgi import ListedBody, ServedRequest, environ_of

from gateway.downstream.accept import check, exchange_of
from gateway.exchange.failure import FailureError
from gateway.exchange.route import Forwarding

TRUSTING = Forwarding(trusted_peers=(ip_network("192.0.2.0/24"),))


def test_exchange_holds_the_request_as_it_came() -> None:
    """Case, order and repetition of field lines, and every octet of the target (F17)."""
    lines = [("hOst", "api.example.com"), ("Cookie", "a"), ("X_y", "1"), ("Cookie", "b")]
    request = ServedRequest("pUt", "//a%2Fb/../c?x=%zz&&", (1, 0), lines, "https", ListedBody(length=None))

    exchange = exchange_of(environ_of(request), Forwarding(), 7.0)

    head = exchange.request
    assert (head.method, head.target, head.version) == ("pUt", "//a%2Fb/../c?x=%zz&&", (1, 0))
    assert head.fields == lines
    assert (head.scheme, head.authority, head.peer, head.peer_port) == ("https", "api.example.com", "192.0.2.7", 40000)
    assert head.body_length is None and head.has_body
    assert exchange.started == 7.0


@pytest.mark.parametrize(
    ("method", "uri", "authority", "target"),
    [
        ("GET", "http://other.example:81/a?b", "other.example:81", "/a?b"),
        ("GET", "HTTP://other.example", "other.example", "/"),
        ("OPTIONS", "http://other.example", "other.example", "*"),
        ("OPTIONS", "*", "api.example.com", "*"),
        ("GET", "ftp://other.example/", "api.example.com", "ftp://other.example/"),
    ],
)
def test_authority_of_an_absolute_target_wins(method: str, uri: str, authority: str, target: str) -> None:
    """RFC 9112 section 3.2.2; what cannot be split stays as it is, for `check` to refuse."""
    exchange = exchange_of(environ_of(ServedRequest(method, uri)), Forwarding(), 0.0)

    assert (exchange.request.authority, exchange.request.target) == (authority, target)


def test_unix_peer_has_no_address() -> None:
    """Nor a port."""
    exchange = exchange_of(environ_of(ServedRequest(), peer=None), Forwarding(trust_unix=True), 0.0)

    assert (exchange.request.peer, exchange.request.peer_port) == ("", 0)
    assert exchange.trusted_peer


@pytest.mark.parametrize(("forwarding", "kept"), [(TRUSTING, True), (Forwarding(), False)])
def test_request_id_of_a_trusted_peer_is_kept(forwarding: Forwarding, kept: bool) -> None:
    """Anybody else gets a new one, 32 hex digits that nobody can guess."""
    request = ServedRequest(field_lines=[("x-request-id", "theirs")])

    exchange, other = (exchange_of(environ_of(request), forwarding, 0.0) for _ in range(2))

    assert (exchange.id == "theirs") is kept
    assert exchange.trusted_peer is kept
    assert kept or (len(exchange.id) == 32 and exchange.id != other.id)


def checked(method: str = "GET", target: str = "/", version: tuple[int, int] = (1, 1), *hosts: str) -> str:
    """Return the code of the failure that `check` raises, or nothing."""
    request = a_request(method, target, [("hOst", host) for host in hosts], version=version, authority="")
    try:
        check(an_exchange(request))
    except FailureError as error:
        return error.failure.kind.code
    return ""


@pytest.mark.parametrize(
    ("hosts", "version", "code"),
    [
        (["a.example"], (1, 1), ""),
        (["a.example:8080"], (1, 1), ""),
        (["[::1]:80"], (1, 1), ""),
        ([""], (1, 1), ""),  # a target without authority has an empty Host (RFC 9110 section 7.2)
        ([], (1, 0), ""),
        ([], (1, 1), "bad_request"),
        (["a.example", "a.example"], (1, 1), "bad_request"),
        (["a.example", "b.example"], (1, 0), "bad_request"),
        (["a.example/b"], (1, 1), "bad_request"),
        (["user@a.example"], (1, 1), "bad_request"),
        (["a b"], (1, 1), "bad_request"),
        (["a.example:x"], (1, 1), "bad_request"),
        (["a.example, b.example"], (1, 1), "bad_request"),
    ],
)
def test_host_must_be_there_once_and_valid(hosts: list[str], version: tuple[int, int], code: str) -> None:
    """RFC 9112 section 3.2: readers that differ about the host must not exist."""
    assert checked("GET", "/", version, *hosts) == code


@pytest.mark.parametrize("target", ["ftp://a.example/", "a.example:443", "http://user@a.example/", "x"])
def test_target_that_is_neither_path_nor_absolute_is_refused(target: str) -> None:
    """Nothing is guessed about it."""
    assert checked("GET", target, (1, 1), "a.example") == "bad_request"


def test_connect_is_not_served() -> None:
    """The gateway is no forward proxy."""
    assert checked("CONNECT", "a.example:443", (1, 1), "a.example:443") == "method_unsupported"


def test_invalid_authority_of_an_absolute_target_is_refused() -> None:
    """Also where Host is valid."""
    request = a_request(fields=[("Host", "a.example")], authority="a.example:99999")
    with pytest.raises(FailureError, match="bad_request"):
        check(an_exchange(request))
