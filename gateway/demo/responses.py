"""/v1/responses          OpenAI's responses (POST), whole or streamed; asks for no key
    takes what /v1/chat/completions takes; an in-band error is a response.failed
    curl -N '{base}/v1/responses?tokens=8&delay=300' -H 'Content-Type: application/json' \\
      -d '{"model": "slow-1", "stream": true, "input": "hi"}'
"""

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

from flask import Blueprint, Response

from gateway.demo.answers import Asked, BadBody, Manner, asked, manner, respond, text, token
from gateway.demo.completions import invalid

pages = Blueprint("responses", __name__)

_ERROR = {"code": "server_error", "message": "The model is overloaded"}


class Answer:
    """One response: its tokens, and the shapes they are told in."""

    def __init__(self, asked: Asked, manner: Manner) -> None:
        self.asked = asked
        self.count = min(manner.tokens, asked.most_tokens or manner.tokens)
        self._end = "completed" if self.count == manner.tokens else "incomplete"
        self._id, self._item_id = f"resp_{uuid4().hex}", f"msg_{uuid4().hex}"
        self._created_at = int(time.time())
        self._numbers = count()

    def _event(self, type: str, **values: object) -> bytes:
        document = {"type": type, "sequence_number": next(self._numbers), **values}
        return f"event: {type}\ndata: {json.dumps(document)}\n\n".encode()

    def _response(self, status: str, **values: object) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "model": self.asked.model,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
            **values,
        }

    def _ended(self) -> dict[str, Any]:
        details = None if self._end == "completed" else {"reason": "max_output_tokens"}
        return self._response(
            self._end, output=[self._item(self._end)], incomplete_details=details, usage=self._usage()
        )

    def _usage(self) -> dict[str, Any]:
        prompt = self.asked.prompt_tokens
        return {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.count,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + self.count,
        }

    def _item(self, status: str) -> dict[str, Any]:
        content = [] if status == "in_progress" else [self._part(text(self.count))]
        return {"id": self._item_id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _part(self, said: str) -> dict[str, Any]:
        return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}

    def _part_event(self, type: str, **values: object) -> bytes:
        return self._event(type, item_id=self._item_id, output_index=0, content_index=0, **values)

    def document(self) -> bytes:
        """Return the answer as one JSON document."""
        return json.dumps(self._ended()).encode()

    def opening(self) -> Iterator[bytes]:
        """Return the start of the response, of its only message and of the message's only part."""
        yield self._event("response.created", response=self._response("in_progress"))
        yield self._event("response.in_progress", response=self._response("in_progress"))
        yield self._event("response.output_item.added", output_index=0, item=self._item("in_progress"))
        yield self._part_event("response.content_part.added", part=self._part(""))

    def token_event(self, index: int) -> bytes:
        """Return the delta of token ``index``."""
        return self._part_event("response.output_text.delta", delta=token(index), logprobs=[])

    def closing(self) -> Iterator[bytes]:
        """Return the end of the text, of the part and of the message."""
        said = text(self.count)
        yield self._part_event("response.output_text.done", text=said, logprobs=[])
        yield self._part_event("response.content_part.done", part=self._part(said))
        yield self._event("response.output_item.done", output_index=0, item=self._item(self._end))

    def terminal(self) -> bytes:
        """Return the end of the response, with all of it and the usage."""
        return self._event(f"response.{self._end}", response=self._ended())

    def error_event(self) -> bytes:
        """Return the end of a response that failed."""
        return self._event("response.failed", response=self._response("failed", error=_ERROR))

    def refusal(self) -> tuple[int, bytes]:
        """Return a 503."""
        error = {**_ERROR, "type": "server_error", "param": None}
        return 503, json.dumps({"error": error}).encode()


@pages.post("/v1/responses")
def create() -> Response:
    """A response that takes its time."""
    how = manner()
    try:
        wanted = asked(said="input", limits=("max_output_tokens",))
    except BadBody as error:
        return invalid(error)
    return respond(Answer(wanted, how), how, stream=wanted.stream)
