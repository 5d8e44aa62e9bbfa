"""What the endpoints of language models share: an answer of tokens, its pace, its faults, and the body that asks."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.demo.connection import Connection, UploadCut, connection
from gateway.demo.parameters import parameters

_WORDS = ("The", "slow", "upstream", "thinks", "a", "while", "and", "then", "says", "one", "more", "word")
_MOST_REQUEST_OCTETS = 16 * 2**20
TERMINALS = ("sent", "omitted", "then-silence")


class BadBody(ValueError):
    """The request's body is no request of this API; the message is for the client."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the answer is given: its length, its pace and its faults."""

    tokens: int
    seconds: float
    first_seconds: float
    cut: int | None
    error: int | None
    stall: int | None
    stall_seconds: int
    terminal: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the request's body matters here."""

    model: str
    stream: bool
    most_tokens: int | None
    prompt_tokens: int
    body: dict[str, Any]


class Telling(Protocol):
    """One answer in the shapes of its API."""

    count: int
    """How many tokens it has."""

    def opening(self) -> Iterable[bytes]:
        """Return the events before the first token."""

    def token_event(self, index: int) -> bytes:
        """Return the event of token ``index``, counted from 0."""

    def closing(self) -> Iterable[bytes]:
        """Return the events between the last token and the terminal."""

    def terminal(self) -> bytes:
        """Return the event without which a stream of this API is not whole."""

    def error_event(self) -> bytes:
        """Return the event that ends a stream which failed."""

    def document(self) -> bytes:
        """Return the answer as one JSON document."""

    def refusal(self) -> tuple[int, bytes]:
        """Return status and document of the same failure before there was a head."""


def token(index: int) -> str:
    """Return token ``index``, counted from 0: a word and the space before it."""
    return (" " if index else "") + _WORDS[index % len(_WORDS)]


def text(count: int) -> str:
    """Return the first ``count`` tokens."""
    return "".join(map(token, range(count)))


def manner() -> Manner:
    """Return what the query asks for."""
    with parameters() as asked:
        return Manner(
            tokens=asked.number("tokens", 20, least=1, most=100_000),
            seconds=asked.seconds("delay", 50),
            first_seconds=asked.seconds("first", 0),
            cut=asked.optional_number("cut", most=100_000),
            error=asked.optional_number("error", most=100_000),
            stall=asked.optional_number("stall", most=100_000),
            stall_seconds=asked.number("stall_s", 30, most=600),
            terminal=asked.choice("terminal", TERMINALS),
        )


def asked(*, said: str, limits: tuple[str, ...]) -> Asked:
    """Read the request's body. ``said`` is the key of what the user said, ``limits`` are keys of the most tokens.

    Raises BadBody, and UploadCut where the body does not come whole.
    """
    body = _body()
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadBody("model: expected a name")
    forms = (list, str) if said == "input" else list  # OpenAI's responses take a bare text too
    if not isinstance(body.get(said), forms) or not body[said]:
        raise BadBody(f"{said}: expected a list with at least one message")
    most = next((body[name] for name in limits if name in body), None)
    if most is not None and (not isinstance(most, int) or most < 1):
        raise BadBody(f"{limits[0]}: expected a number above 0")
    return Asked(body["model"], body.get("stream") is True, most, len(json.dumps(body[said])) // 4, body)


def _body() -> Any:
    request.max_content_length = _MOST_REQUEST_OCTETS
    try:
        return json.loads(request.get_data(cache=False))
    except RequestEntityTooLarge:
        raise BadBody(f"the body is larger than {_MOST_REQUEST_OCTETS} octets") from None
    except OSError as error:
        raise UploadCut("the body ended early") from error
    except ValueError:
        raise BadBody("the body is not JSON") from None


def respond(telling: Telling, manner: Manner, *, stream: bool) -> Response:
    """Give the answer in the manner asked for."""
    wire = connection()
    wire.pause(manner.first_seconds)
    if stream:
        events = _streamed(telling, manner, wire)
        return Response(events, mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})
    wire.pause(manner.seconds * telling.count)
    if manner.stall is not None and manner.stall <= telling.count:
        wire.pause(manner.stall_seconds)
    if manner.error is not None and manner.error <= telling.count:
        status, document = telling.refusal()
        return Response(document, status, mimetype="application/json")
    document = telling.document()
    cut = manner.cut is not None and manner.cut <= telling.count
    response = Response(_half(document, wire) if cut else [document], mimetype="application/json")
    response.content_length = len(document)
    return response


def _half(document: bytes, wire: Connection) -> Iterator[bytes]:
    yield document[: len(document) // 2]
    wire.cut(reset=False)


def _streamed(telling: Telling, manner: Manner, wire: Connection) -> Iterator[bytes]:
    yield from telling.opening()
    for index in range(telling.count + 1):
        if index == manner.stall:
            wire.pause(manner.stall_seconds)
        if index == manner.cut:
            wire.cut(reset=False)
        if index == manner.error:
            yield telling.error_event()
            return
        if index < telling.count:
            wire.pause(manner.seconds)
            yield telling.token_event(index)
    yield from telling.closing()
    if manner.terminal != "omitted":
        yield telling.terminal()
    if manner.terminal == "then-silence":
        wire.pause(manner.stall_seconds)
