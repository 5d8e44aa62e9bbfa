"""/v1/messages           Anthropic's messages (POST), whole or streamed; asks for no key
    takes what /v1/chat/completions takes
    curl -N '{base}/v1/messages?tokens=8&delay=300' -H 'Content-Type: application/json' \\
      -d '{"model": "slow-1", "max_tokens": 99, "stream": true, "messages": [{"role": "user", "content": "hi"}]}'
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response

from gateway.demo.answers import Asked, BadBody, Manner, asked, manner, respond, text, token

pages = Blueprint("messages", __name__)

_OVERLOADED = 529  # Anthropic's own status


def _error(type: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": message}}


_ERROR = _error("overloaded_error", "The model is overloaded")


def _event(document: dict[str, Any]) -> bytes:
    """Return ``document`` as an event that has the name of its type."""
    return f"event: {document['type']}\ndata: {json.dumps(document)}\n\n".encode()


class Message:
    """One message: its tokens, and the shapes they are told in."""

    def __init__(self, asked: Asked, manner: Manner) -> None:
        self.asked = asked
        self.count = min(manner.tokens, asked.most_tokens or manner.tokens)
        self._reason = "end_turn" if self.count == manner.tokens else "max_tokens"
        self._id = f"msg_{uuid4().hex}"

    def _message(self, content: list[dict[str, Any]], reason: str | None, tokens: int) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.asked.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": {"input_tokens": self.asked.prompt_tokens, "output_tokens": tokens},
        }

    def document(self) -> bytes:
        """Return the answer as one JSON document."""
        content = [{"type": "text", "text": text(self.count)}]
        return json.dumps(self._message(content, self._reason, self.count)).encode()

    def opening(self) -> Iterator[bytes]:
        """Return the message's start, its only block's start, and the ping that this API sends."""
        yield _event({"type": "message_start", "message": self._message([], None, 1)})
        block = {"type": "text", "text": ""}
        yield _event({"type": "content_block_start", "index": 0, "content_block": block})
        yield _event({"type": "ping"})

    def token_event(self, index: int) -> bytes:
        """Return the delta of token ``index``."""
        delta = {"type": "text_delta", "text": token(index)}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta})

    def closing(self) -> Iterator[bytes]:
        """Return the block's end, and the reason of the end with the usage."""
        yield _event({"type": "content_block_stop", "index": 0})
        delta = {"stop_reason": self._reason, "stop_sequence": None}
        yield _event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": self.count}})

    def terminal(self) -> bytes:
        """Return the message's end."""
        return _event({"type": "message_stop"})

    def error_event(self) -> bytes:
        """Return an error as an event of that name."""
        return _event(_ERROR)

    def refusal(self) -> tuple[int, bytes]:
        """Return a 529."""
        return _OVERLOADED, json.dumps(_ERROR).encode()


@pages.post("/v1/messages")
def create() -> Response:
    """A message that takes its time."""
    how = manner()
    try:
        wanted = asked(said="messages", limits=("max_tokens",))
        if wanted.most_tokens is None:
            raise BadBody("max_tokens: expected a number above 0")
    except BadBody as error:
        return Response(json.dumps(_error("invalid_request_error", str(error))), 400, mimetype="application/json")
    return respond(Message(wanted, how), how, stream=wanted.stream)
