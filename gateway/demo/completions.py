"""/v1/chat/completions   OpenAI's chat completions (POST), whole or streamed; asks for no key
    tokens=20 (1..100000)  delay=50 ms a token  first=0 ms before the head
    cut=N: break the connection after N tokens   error=N: an in-band error after N tokens
    stall=N: fall silent after N tokens, for stall_s=30 seconds
    curl -N '{base}/v1/chat/completions?tokens=8&delay=300' -H 'Content-Type: application/json' \\
      -d '{"model": "slow-1", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from gateway.demo.connection import Connection, UploadCut, connection
from gateway.demo.parameters import parameters

pages = Blueprint("completions", __name__)

_WORDS = ("The", "slow", "upstream", "thinks", "a", "while", "and", "then", "says", "one", "more", "word")
_MOST_REQUEST_OCTETS = 16 * 2**20
_ERROR = {"error": {"message": "The model is overloaded", "type": "server_error", "param": None, "code": "overloaded"}}


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


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the request's body matters here."""

    model: str
    stream: bool
    include_usage: bool
    most_tokens: int | None
    prompt_tokens: int


class BadBody(ValueError):
    """The request's body is no chat completion request; the message is for the client."""


def _manner() -> Manner:
    with parameters() as asked:
        return Manner(
            tokens=asked.number("tokens", 20, least=1, most=100_000),
            seconds=asked.seconds("delay", 50),
            first_seconds=asked.seconds("first", 0),
            cut=asked.optional_number("cut", most=100_000),
            error=asked.optional_number("error", most=100_000),
            stall=asked.optional_number("stall", most=100_000),
            stall_seconds=asked.number("stall_s", 30, most=600),
        )


def _asked() -> Asked:
    request.max_content_length = _MOST_REQUEST_OCTETS
    try:
        body = json.loads(request.get_data(cache=False))
    except RequestEntityTooLarge:
        raise BadBody(f"the body is larger than {_MOST_REQUEST_OCTETS} octets") from None
    except OSError as error:
        raise UploadCut("the body ended early") from error
    except ValueError:
        raise BadBody("the body is not JSON") from None
    if not isinstance(body, dict) or not isinstance(body.get("model"), str):
        raise BadBody("model: expected a name")
    if not isinstance(body.get("messages"), list) or not body["messages"]:
        raise BadBody("messages: expected a list with at least one message")
    most = body.get("max_completion_tokens", body.get("max_tokens"))
    if most is not None and (not isinstance(most, int) or most < 1):
        raise BadBody("max_completion_tokens: expected a number above 0")
    options = body.get("stream_options")
    return Asked(
        model=body["model"],
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        most_tokens=most,
        prompt_tokens=len(json.dumps(body["messages"])) // 4,
    )


class Answer:
    """One answer: its tokens, and the shapes they are told in."""

    def __init__(self, asked: Asked, manner: Manner) -> None:
        self.asked, self.manner = asked, manner
        self.count = min(manner.tokens, asked.most_tokens or manner.tokens)
        self.reason = "stop" if self.count == manner.tokens else "length"
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": asked.model}

    def token(self, index: int) -> str:
        """Return token ``index``, counted from 0: a word and the space before it."""
        return (" " if index else "") + _WORDS[index % len(_WORDS)]

    def usage(self) -> dict[str, int]:
        """Return the count of tokens."""
        prompt = self.asked.prompt_tokens
        return {"prompt_tokens": prompt, "completion_tokens": self.count, "total_tokens": prompt + self.count}

    def whole(self) -> bytes:
        """Return the answer as one JSON document."""
        message = {"role": "assistant", "content": "".join(map(self.token, range(self.count))), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.reason}
        document = {**self._head, "object": "chat.completion", "choices": [choice], "usage": self.usage()}
        return json.dumps(document).encode()

    def event(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        """Return one chunk of a streamed answer as a server-sent event."""
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._event([choice], None)

    def usage_event(self) -> bytes:
        """Return the chunk that tells the usage, which has no choices."""
        return self._event([], self.usage())

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        if self.asked.include_usage:
            chunk["usage"] = usage  # null on all but the last chunk
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _misbehave(manner: Manner, told: int, wire: Connection) -> None:
    """Fall silent or break off where that was asked for after ``told`` tokens."""
    if told == manner.stall:
        wire.pause(manner.stall_seconds)
    if told == manner.cut:
        wire.cut(reset=False)


def _streamed(answer: Answer, wire: Connection) -> Iterator[bytes]:
    manner = answer.manner
    yield answer.event({"role": "assistant", "content": "", "refusal": None})
    for index in range(answer.count + 1):
        _misbehave(manner, index, wire)
        if index == manner.error:
            yield b"data: " + json.dumps(_ERROR).encode() + b"\n\n"
            return
        if index < answer.count:
            wire.pause(manner.seconds)
            yield answer.event({"content": answer.token(index)})
    yield answer.event({}, answer.reason)
    if answer.asked.include_usage:
        yield answer.usage_event()
    yield b"data: [DONE]\n\n"


def _whole(answer: Answer, document: bytes, wire: Connection) -> Iterator[bytes]:
    """Give the document at once; a cut leaves half of it."""
    if answer.manner.cut is not None and answer.manner.cut <= answer.count:
        yield document[: len(document) // 2]
        wire.cut(reset=False)
    yield document


@pages.post("/v1/chat/completions")
def complete() -> Response:
    """A chat completion that takes its time."""
    manner = _manner()
    try:
        answer = Answer(_asked(), manner)
    except BadBody as error:
        problem = {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}
        return Response(json.dumps({"error": problem}), 400, mimetype="application/json")
    wire = connection()
    wire.pause(manner.first_seconds)
    if answer.asked.stream:
        return Response(_streamed(answer, wire), mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})
    wire.pause(manner.seconds * answer.count)
    if manner.stall is not None and manner.stall <= answer.count:
        wire.pause(manner.stall_seconds)
    if manner.error is not None and manner.error <= answer.count:
        response = jsonify(_ERROR)
        response.status_code = 503
        return response
    document = answer.whole()
    response = Response(_whole(answer, document, wire), mimetype="application/json")
    response.content_length = len(document)
    return response
