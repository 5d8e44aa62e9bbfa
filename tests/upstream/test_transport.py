"""The adapter as requests knows it: stand-ins for `HTTPAdapter.send` stand in for it, too."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
import urllib3
from upstream.attempts import Asked, ask

from gateway.exchange.message import Source
from gateway.exchange.route import Upstream
from gateway.exchange.target import parse_endpoint
from gateway.upstream.opening import Opener
from gateway.upstream.transport import ExactAdapter, ExactRequest, StreamedResponse

URL = "http://up.example/api/items"


@pytest.fixture
def opener() -> Iterator[Opener]:
    """An opener whose upstream is nowhere."""
    made = Opener(Upstream("mocked", (parse_endpoint("http://up.example"),)))
    yield made
    made.close()


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    """The stand-in."""
    with responses.RequestsMock() as mock:
        yield mock


def get(opener: Opener, target: str = "/api/items") -> Asked:
    """Ask the stand-in."""
    return ask(opener, "GET", target, [("Host", "up.example"), ("X-Key", "k")])


class Pieces(io.BufferedReader):
    """A body that comes piece by piece, and breaks where a piece is an exception."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        super().__init__(io.BytesIO())  # type: ignore[arg-type]
        self._pieces = list(pieces)

    def read1(self, size: int = -1, /) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


def test_mocked_answer_becomes_a_reply(opener: Opener, mocked: responses.RequestsMock) -> None:
    """Status, repeated fields and the body come through as from a real upstream."""
    fields = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Length", "5")]
    mocked.add_callback("GET", URL, lambda _: (418, fields, b"hello"), content_type=None)

    asked = get(opener).read()

    assert asked.reply is not None
    assert (asked.reply.head.status, asked.reply.head.reason) == (418, "I'm a Teapot")
    assert asked.reply.head.fields == fields
    assert (asked.reply.length, asked.reply.source) == (5, Source.UPSTREAM)
    assert (asked.body, asked.attempt.status) == (b"hello", 418)
    assert not asked.reply.chunks.ready()


def test_mocked_answer_arrives_in_its_pieces(opener: Opener, mocked: responses.RequestsMock) -> None:
    """A stand-in's stream is a stream."""
    mocked.add("GET", URL, body=Pieces(b"one", b"two"))

    assert get(opener).read().chunks == [b"one", b"two"]


def test_mocked_coding_stays_untouched(opener: Opener, mocked: responses.RequestsMock) -> None:
    """Nothing is decoded, also where the coding is a lie."""
    mocked.add("GET", URL, body=b"not gzip", headers={"Content-Encoding": "gzip"})

    assert get(opener).read().body == b"not gzip"


@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), urllib3.exceptions.ProtocolError("broken")])
def test_mocked_body_that_breaks_is_cut(opener: Opener, mocked: responses.RequestsMock, error: Exception) -> None:
    """No OSError leaves the room, wherever it comes from."""
    mocked.add("GET", URL, body=Pieces(b"one", error))

    asked = get(opener).read()

    assert asked.chunks == [b"one"]
    assert asked.broken is not None
    assert asked.broken.failure.kind.code == "body_cut"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (requests.ConnectTimeout("late"), "connect_timeout"),
        (requests.ConnectionError(ConnectionRefusedError(111, "refused")), "connect_refused"),
        (requests.ReadTimeout("late"), "first_byte_timeout"),
        (ConnectionResetError(104, "reset"), "connect_failed"),
        (urllib3.exceptions.ProtocolError("broken"), "head_missing"),
    ],
)
def test_mocked_error_becomes_a_failure(
    opener: Opener, mocked: responses.RequestsMock, error: Exception, code: str
) -> None:
    """What requests raises, or lets through, is translated."""
    mocked.add("GET", URL, body=error)

    assert get(opener).kind == code


def test_unmatched_request_fails_as_unreachable(opener: Opener, mocked: responses.RequestsMock) -> None:
    """A test that forgot its stand-in sees a failure, not a network."""
    assert get(opener, "/other").kind == "connect_failed"


def test_stand_in_sees_target_and_fields(opener: Opener, mocked: responses.RequestsMock) -> None:
    """Matchers work on what is sent."""
    matching = [
        responses.matchers.query_param_matcher({"a": "1"}),
        responses.matchers.header_matcher({"X-Key": "k"}),
    ]
    mocked.add("GET", URL, match=matching)

    assert get(opener, "/api/items?a=1").reply is not None


@pytest.mark.parametrize(("method", "status", "length"), [("HEAD", 200, 0), ("GET", 304, 0), ("GET", 200, 7)])
def test_length_of_a_mocked_answer_follows_its_framing(
    opener: Opener, mocked: responses.RequestsMock, method: str, status: int, length: int
) -> None:
    """Content-Length describes a body only where there is one."""
    mocked.add(method, URL, status=status, headers={"Content-Length": "7"}, body=b"7 bytes" if length else b"")

    reply = ask(opener, method, "/api/items").reply

    assert reply is not None
    assert reply.length == length


def a_response(fields: list[tuple[str, str]]) -> StreamedResponse:
    """Return a response around what a stand-in supplies."""
    raw: Any = urllib3.HTTPResponse(io.BytesIO(b"{}"), fields, 200, preload_content=False)
    request = ExactRequest("GET", parse_endpoint("http://up.example"), "/a", [], Any)  # type: ignore[arg-type]
    return ExactAdapter({}).build_response(request, raw)


def test_response_still_reads_like_one_of_the_library() -> None:
    """Fields as a mapping, content and JSON are there for who wants them; no cookie is kept."""
    response = a_response([("Set-Cookie", "a=1"), ("set-cookie", "b=2")])

    assert response.headers["SET-COOKIE"] == "a=1, b=2"
    assert not response.cookies
    assert response.history == []
    assert response.json() == {}
    assert (response.url, response.ok, response.encoding) == ("http://up.example/a", True, None)
    assert repr(response) == "<Response [200]>"


def test_nothing_of_the_environment_reaches_the_adapter(
    opener: Opener, mocked: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither proxies nor a netrc file change a request (F18)."""
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    mocked.add("GET", URL)

    get(opener)

    sent = mocked.calls[0].request
    assert sent.url == URL
    assert list(sent.headers) == ["Host", "X-Key"]
