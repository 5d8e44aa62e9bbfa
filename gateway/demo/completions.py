"""/v1/chat/completions   OpenAI's chat completions (POST), whole or streamed; asks for no key
    tokens=20 (1..100000)  delay=50 ms a token  first=0 ms before the head
    cut=N: break the connection after N tokens   error=N: an in-band error after N tokens
    stall=N: fall silent after N tokens, for stall_s=30 seconds
    terminal=omitted: end politely without the last event   terminal=then-silence: stay open stall_s after it
    curl -N '{base}/v1/chat/completions?tokens=8&delay=300' -H 'Content-Type: application/json' \\
      -d '{"model": "slow-1", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
"""

import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response

from gateway.demo.answers import Asked, BadBody, Manner, asked, manner, respond, text, token

pages = Blueprint("completions", __name__)

_ERROR = {"error": {"message": "The model is overloaded", "type": "server_error", "param": None, "code": "overloaded"}}


class Completion:
    """One completion: its tokens, and the shapes they are told in."""

    def __init__(self, asked: Asked, manner: Manner) -> None:
        self.asked = asked
        self.count = min(manner.tokens, asked.most_tokens or manner.tokens)
        self.reason = "stop" if self.count == manner.tokens else "length"
        options = asked.body.get("stream_options")
        self._includes_usage = isinstance(options, dict) and options.get("include_usage") is True
        self._head = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": asked.model}

    def usage(self) -> dict[str, int]:
        """Return the count of tokens."""
        prompt = self.asked.prompt_tokens
        return {"prompt_tokens": prompt, "completion_tokens": self.count, "total_tokens": prompt + self.count}

    def document(self) -> bytes:
        """Return the answer as one JSON document."""
        message = {"role": "assistant", "content": text(self.count), "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.reason}
        document = {**self._head, "object": "chat.completion", "choices": [choice], "usage": self.usage()}
        return json.dumps(document).encode()

    def opening(self) -> Iterator[bytes]:
        """Return the chunk that tells the role."""
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})

    def token_event(self, index: int) -> bytes:
        """Return the chunk of token ``index``."""
        return self._chunk({"content": token(index)})

    def closing(self) -> Iterator[bytes]:
        """Return the chunk that tells the reason of the end and, where asked for, the one that tells the usage."""
        yield self._chunk({}, self.reason)
        if self._includes_usage:
            yield self._event([], self.usage())

    def terminal(self) -> bytes:
        """Return ``[DONE]``."""
        return b"data: [DONE]\n\n"

    def error_event(self) -> bytes:
        """Return an error as data."""
        return b"data: " + json.dumps(_ERROR).encode() + b"\n\n"

    def refusal(self) -> tuple[int, bytes]:
        """Return a 503."""
        return 503, json.dumps(_ERROR).encode()

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return self._event([choice], None)

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, int] | None) -> bytes:
        chunk: dict[str, Any] = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        if self._includes_usage:
            chunk["usage"] = usage  # null on all but the last chunk
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def invalid(error: BadBody) -> Response:
    """Return the 400 for a body that is no request, in OpenAI's shape."""
    problem = {"message": str(error), "type": "invalid_request_error", "param": None, "code": None}
    return Response(json.dumps({"error": problem}), 400, mimetype="application/json")


@pages.post("/v1/chat/completions")
def complete() -> Response:
    """A chat completion that takes its time."""
    how = manner()
    try:
        wanted = asked(said="messages", limits=("max_completion_tokens", "max_tokens"))
    except BadBody as error:
        return invalid(error)
    return respond(Completion(wanted, how), how, stream=wanted.stream)
