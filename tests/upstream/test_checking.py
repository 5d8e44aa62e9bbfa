"""One health check: what it asks, on which connection, and what it finds wrong."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.scripted_upstream import ScriptedUpstream, close, for_each_request, read_request, response
from upstream.attempts import ask, opener_for

from gateway.upstream.checking import fault
from gateway.upstream.opening import Opener

StartUpstream = Callable[..., ScriptedUpstream]
MakeOpener = Callable[..., Opener]
GOOD = ((200, 299), (301, 301))


@pytest.fixture
def opener_at() -> Iterator[MakeOpener]:
    """Make openers for an upstream; their idle connections end with the test."""
    with ExitStack() as stack:

        def make(upstream: ScriptedUpstream, **settings: float) -> Opener:
            opener = opener_for(upstream, **settings)
            stack.callback(opener.close)
            return opener

        yield make


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", None),
        ("204 No Content", None),
        ("301 Moved Permanently", None),
        ("302 Found", "status 302"),
        ("503 Service Unavailable", "status 503"),
    ],
)
def test_status_decides(
    scripted_upstream: StartUpstream, opener_at: MakeOpener, status: str, expected: str | None
) -> None:
    """Each range has both of its ends, and redirects are not followed."""
    upstream = scripted_upstream([read_request, response(b"", "Location: /elsewhere", status=status)])
    opener = opener_at(upstream)

    assert fault(opener, opener.endpoints[0], "/healthz", GOOD) == expected
    assert [seen.target for seen in upstream.requests] == ["/healthz"]


def test_request_says_what_it_is(scripted_upstream: StartUpstream, opener_at: MakeOpener) -> None:
    """GET with a Host and a name by which a service can tell checks from clients."""
    upstream = scripted_upstream([read_request, response(b"ok")])
    opener = opener_at(upstream)
    fault(opener, opener.endpoints[0], "/healthz?deep=1", GOOD)

    (seen,) = upstream.requests
    assert seen.request_line == "GET /healthz?deep=1 HTTP/1.1"
    assert (seen.first("host"), seen.first("user-agent")) == (f"127.0.0.1:{upstream.port}", "slowgate-health-check")


def test_failure_is_told_by_its_kind(scripted_upstream: StartUpstream, opener_at: MakeOpener) -> None:
    """An endpoint that hangs up is unwell, not a defect."""
    upstream = scripted_upstream([read_request, close])
    opener = opener_at(upstream)

    assert (fault(opener, opener.endpoints[0], "/", GOOD) or "").startswith("head_missing")


def test_connection_is_a_new_one(scripted_upstream: StartUpstream, opener_at: MakeOpener) -> None:
    """A service that answers on old connections, and accepts no new ones, is unwell."""
    upstream = scripted_upstream(for_each_request(response(b"ok")))
    opener = opener_at(upstream, keepalive_seconds=60.0)
    ask(opener).read()
    fault(opener, opener.endpoints[0], "/", GOOD)

    assert upstream.connections == 2


def test_endless_answer_is_not_read(scripted_upstream: StartUpstream, opener_at: MakeOpener) -> None:
    """The head is enough, and nothing is left open."""
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    upstream = scripted_upstream([read_request, endless, lambda connection: connection.hang()])
    opener = opener_at(upstream)

    assert fault(opener, opener.endpoints[0], "/", GOOD) is None
    upstream.wait_until(lambda it: it.open_connections == 0)
