"""The view, driven as the server drives it, with the upstream mocked at `HTTPAdapter.send` (F19)."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask
import gevent
import gevent.socket
import pytest
import responses
from support.exchanges import ENDPOINT, a_route
from support.wsgi import ListedBody, ServedRequest, Started, environ_of

import gateway.downstream.views
from gateway.downstream.accept import check
from gateway.downstream.answer import Stream
from gateway.downstream.views import DataApp, Gate
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import CLIENT_GONE, Abort
from gateway.exchange.message import Chunks
from gateway.exchange.outcome import Outcome
from gateway.exchange.route import Forwarding
from gateway.lifecycle import Spine, phases
from gateway.policy import ORDER
from gateway.policy.hooks import Hooks
from gateway.relay.live import Live
from gateway.upstream.opening import Opener

ROUTE = a_route(strip_prefix="/demo")
UP = "http://127.0.0.1:9000/base"


class View:
    """The data application with one route, its ended exchanges, and a client's connection."""

    def __init__(self, *more: Hooks, opener: Any = None, sock: Any = None) -> None:
        self.ended: list[Exchange] = []
        self.defects: list[BaseException] = []
        self.live = Live()
        self._sock = sock
        spine = Spine(
            accept=self._accept,
            phases={ROUTE.name: phases([build(ROUTE) for build in ORDER] + [*more, Hooks(finish=self.ended.append)])},
            unrouted=phases([Hooks(finish=self.ended.append)]),
            select=lambda exchange: ENDPOINT,
            clock=time.monotonic,
            report=lambda exchange, error: self.defects.append(error),
        )
        opener = opener or Opener(ROUTE.upstream)
        gate = Gate(spine, Forwarding(), {ROUTE.upstream.name: opener}, self.live)
        self.app = DataApp(lambda: gate)

    def _accept(self, exchange: Exchange) -> None:
        check(exchange)
        exchange.route = ROUTE

    def open(self, request: ServedRequest | None = None) -> tuple[Started, Stream]:
        """Call the application; return the head and the stream that the server would iterate."""
        started = Started()
        stream = self.app(environ_of(request or ServedRequest(), self._sock), started)
        return started, stream

    def ask(self, request: ServedRequest | None = None) -> tuple[Started, bytes]:
        """Call the application and read the stream to its end, as the server does."""
        started, stream = self.open(request)
        try:
            return started, b"".join(stream)
        finally:
            stream.close()

    @property
    def exchange(self) -> Exchange:
        """The exchange that ended, which must be the only one; nothing is left of it."""
        assert len(self.live) == 0
        (exchange,) = self.ended
        return exchange


@pytest.fixture
def ends() -> Iterator[tuple[gevent.socket.socket, gevent.socket.socket]]:
    """The client's end of a connection, and the server's."""
    client, server = gevent.socket.socketpair()
    with client, server:
        yield client, server


@pytest.fixture
def make(ends: tuple[gevent.socket.socket, gevent.socket.socket]) -> Callable[..., View]:
    """Make views at the server's end."""
    return lambda *more, **options: View(*more, sock=ends[1], **options)


@pytest.fixture
def up() -> Iterator[responses.RequestsMock]:
    """The mocked upstream."""
    with responses.RequestsMock() as mock:
        yield mock


def test_reply_of_the_upstream_is_relayed(make: Callable[..., View], up: responses.RequestsMock) -> None:
    """Status, fields and octets pass; the request that goes up is the client's."""
    up.add("GET", f"{UP}/text", status=418, body=b"octets", headers={"X-Theirs": "1"}, content_type="a/b")
    view = make()

    started, body = view.ask(ServedRequest(field_lines=[("Host", "h"), ("Cookie", "a"), ("Cookie", "b")]))

    assert started.status.startswith("418 ")
    assert ("X-Theirs", "1") in started.fields
    assert body == b"octets"
    assert view.exchange.outcome is Outcome.COMPLETE
    asked = up.calls[0].request.headers
    assert asked.lines[:3] == [("Host", "127.0.0.1:9000"), ("Cookie", "a"), ("Cookie", "b")]


@pytest.mark.parametrize("method", ["PROPFIND", "brew", "OPTIONS", "DELETE"])
def test_every_method_reaches_the_upstream(make: Callable[..., View], up: responses.RequestsMock, method: str) -> None:
    """Flask answers none of them by itself."""
    up.add(method, f"{UP}/text", body=b"theirs")

    assert make().ask(ServedRequest(method))[1] == b"theirs"


@pytest.mark.parametrize("uri", ["/demo//a", "/demo/a/", "/demo/a%2Fb", "/demo/%e2%82%ac"])
def test_every_path_reaches_the_view(make: Callable[..., View], uri: str) -> None:
    """No redirect of Werkzeug's, no 404 of Flask's: the target is not decoded (F17)."""
    targets = []

    class Recorder:
        def open(self, exchange: Exchange, attempt: Any, watch: Any) -> Any:
            targets.append(attempt.target)
            raise ConnectionError

    view = make(opener=Recorder())
    started, _ = view.ask(ServedRequest(uri=uri))

    assert targets == ["/base" + uri.removeprefix("/demo")]
    assert started.status.startswith("500 ")
    assert [type(defect) for defect in view.defects] == [ConnectionError]


def test_request_stays_readable_to_the_last_chunk(make: Callable[..., View], up: responses.RequestsMock) -> None:
    """What the stream runs inside of is Flask's context of this request, and it ends with the stream."""
    up.add("GET", f"{UP}/text", body=b"x" * 200_000)
    seen = []

    class Asking:
        def __init__(self, chunks: Chunks) -> None:
            self._chunks = chunks
            self.close = chunks.close

        def ready(self) -> bool:
            return False

        def __iter__(self) -> Iterator[bytes]:
            for chunk in self._chunks:
                yield chunk
                seen.append((flask.g.exchange, flask.request.environ["RAW_URI"]))

    view = make(Hooks(stage=lambda exchange, chunks: Asking(chunks)))
    _, body = view.ask()

    assert len(body) == 200_000
    assert len(seen) > 1
    assert set((id(exchange), uri) for exchange, uri in seen) == {(id(view.exchange), "/demo/text")}
    assert not flask.has_request_context()


def test_upstream_that_refuses_is_told_as_a_problem(make: Callable[..., View], up: responses.RequestsMock) -> None:
    """What `requests` raises never leaves its room (F6)."""
    view = make()

    started, body = view.ask(ServedRequest(uri="/demo/other"))

    assert started.status == "502 Bad Gateway"
    assert json.loads(body)["status"] == 502
    assert view.exchange.outcome is Outcome.FAILED


def test_stream_that_the_server_never_iterates_is_given_back(
    make: Callable[..., View], up: responses.RequestsMock
) -> None:
    """Closing it is enough (F3)."""
    up.add("GET", f"{UP}/text", body=b"octets")
    view = make()
    _, stream = view.open()
    assert len(view.live) == 1

    stream.close()

    assert view.exchange.outcome is not None
    assert not flask.has_request_context()


class SilentUpstream:
    """An upstream that lets an attempt wait until it is interrupted."""

    def open(self, exchange: Exchange, attempt: Any, watch: Any) -> Any:
        gevent.sleep(30)
        raise AssertionError("not interrupted")


def test_client_that_leaves_before_the_head_ends_the_exchange(
    make: Callable[..., View], ends: tuple[gevent.socket.socket, gevent.socket.socket]
) -> None:
    """The server hears Abort, and nothing is left behind."""
    view = make(opener=SilentUpstream())
    gevent.spawn_later(0.02, ends[0].close)

    with pytest.raises(Abort):
        view.open()

    assert view.exchange.failure.kind is CLIENT_GONE
    assert view.exchange.outcome is Outcome.CLIENT_GONE
    assert view.exchange.status is None


def test_defect_before_the_spine_leaves_nothing_behind() -> None:
    """Whatever breaks first, the exchange ends, and not as complete."""
    view = View(sock=object())

    started, _ = view.ask()

    assert started.status.startswith("500 ")
    assert view.exchange.outcome is Outcome.BROKEN


def test_defect_behind_the_spine_leaves_nothing_behind(
    make: Callable[..., View], up: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that cannot be handed on is given up, and was not complete."""
    up.add("GET", f"{UP}/text", body=b"octets")

    def broken(body: object) -> None:
        raise RuntimeError("no context")

    monkeypatch.setattr(gateway.downstream.views, "stream_with_context", broken)
    view = make()

    started, _ = view.ask()

    assert started.status.startswith("500 ")
    assert view.exchange.outcome is Outcome.BROKEN


def test_body_of_the_request_goes_up(make: Callable[..., View]) -> None:
    """Through the upload, counted, with the length that was announced."""
    sent: list[bytes] = []
    lengths = []

    class Taking:
        def open(self, exchange: Exchange, attempt: Any, watch: Any) -> Any:
            lengths.append(exchange.upload.length)
            exchange.upload.start(sent.append, lambda: sent.append(b"end"))
            raise ConnectionError

    view = make(opener=Taking())
    view.ask(ServedRequest("POST", body=ListedBody(b"octets", 6)))

    assert sent == [b"octets", b"end"]
    assert lengths == [6]
    assert view.exchange.received_bytes == 6
    assert view.exchange.upload_done


@pytest.mark.parametrize("said", [True, False])
def test_empty_body_is_announced_only_if_the_client_announced_it(make: Callable[..., View], said: bool) -> None:
    """Content-Length: 0 is something else than no length (RFC 9110 section 8.6)."""
    uploads = []

    class Looking:
        def open(self, exchange: Exchange, attempt: Any, watch: Any) -> Any:
            uploads.append(exchange.upload and exchange.upload.length)
            raise ConnectionError

    view = make(opener=Looking())
    lines = [("Host", "h"), ("Content-Length", "0")] if said else [("Host", "h")]
    view.ask(ServedRequest("POST", field_lines=lines))

    assert uploads == [0 if said else None]
    assert view.exchange.upload_done
