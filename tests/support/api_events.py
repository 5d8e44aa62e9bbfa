"""The streams of known APIs as octets, piece by piece: what tests let an upstream say, and in which forms it can go."""

import json
from dataclasses import dataclass

MESSAGE = "the upstream broke off"
"""What an error frame says."""

PING = b": ping\n"
"""A comment between two events. One newline: a blank line would end an event, though nothing was said."""


def event(document: object, name: str = "") -> bytes:
    """Return ``document`` as an event's data."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(document).encode() + b"\n\n"


@dataclass(frozen=True)
class Api:
    """One API: the two tokens of its answer as events, and what comes before and behind them."""

    opening: tuple[bytes, ...]
    tokens: tuple[bytes, bytes]
    """They say `a` and `b`."""
    closing: tuple[bytes, ...]
    terminal: bytes
    frame: bytes
    """How the gateway says that the stream broke."""


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def _typed(type: str, **values: object) -> bytes:
    return event({"type": type, **values}, type)


_ERROR = {"message": MESSAGE, "type": "upstream_error", "code": "upstream_truncated"}

_CHAT = Api(
    opening=(_chunk({"role": "assistant", "content": ""}),),
    tokens=(_chunk({"content": "a"}), _chunk({"content": "b"})),
    closing=(_chunk({}, "stop"),),
    terminal=b"data: [DONE]\n\n",
    frame=event({"error": _ERROR}),
)


def _delta(text: str) -> bytes:
    return _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


_MESSAGES = Api(
    opening=(
        _typed(
            "message_start",
            message={
                "id": "m",
                "type": "message",
                "role": "assistant",
                "model": "m",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 1, "output_tokens": 1},
            },
        ),
        _typed("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    ),
    tokens=(_delta("a"), _delta("b")),
    closing=(
        _typed("content_block_stop", index=0),
        _typed("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2}),
    ),
    terminal=_typed("message_stop"),
    frame=_typed("error", error={"type": "api_error", "message": MESSAGE}),
)


def _response(status: str) -> dict[str, object]:
    fixed = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": []}
    return {**fixed, "status": status, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}


def _text(number: int, text: str) -> bytes:
    where = {"item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}
    return _typed("response.output_text.delta", sequence_number=number, delta=text, **where)


_RESPONSES = Api(
    opening=(_typed("response.created", sequence_number=0, response=_response("in_progress")),),
    tokens=(_text(1, "a"), _text(2, "b")),
    closing=(),
    terminal=_typed("response.completed", sequence_number=3, response=_response("completed")),
    frame=_CHAT.frame,
)

_EVENTS = Api(
    opening=(),
    tokens=(b"data: a\n\n", b"data: b\n\n"),
    closing=(),
    terminal=b"event: tick\ndata: done\n\n",
    frame=event({"error": _ERROR}, "error"),
)

APIS = {"chat": _CHAT, "responses": _RESPONSES, "messages": _MESSAGES, "events": _EVENTS}
"""By name: OpenAI's two, Anthropic's, and plain events."""


@dataclass(frozen=True)
class Written:
    """A body as it goes over the wire: its pieces, and whether its framing ends or the connection does."""

    pieces: tuple[bytes, ...]
    ends: bool = True


def _pinged(api: Api, ping: bytes, identified: bool) -> tuple[bytes, ...]:
    events = (*api.opening, *api.tokens, *api.closing, api.terminal)
    numbers = [b"id: %d\n" % number if identified else b"" for number in range(len(events))]
    return (ping, *(piece for pair in zip(numbers, events, strict=True) for piece in (b"".join(pair), ping * 2)))


def written(form: str, api: Api) -> Written:
    """Return the answer of ``api`` in the form of that name."""
    begun = (*api.opening, api.tokens[0])
    whole = (*api.opening, *api.tokens, *api.closing, api.terminal)
    return {
        "whole": Written(whole),
        "pinged": Written(_pinged(api, PING, identified=False)),
        "pinged with ids": Written(_pinged(api, PING, identified=True)),
        "pinged with ids and blank lines": Written(_pinged(api, PING + b"\n", identified=True)),
        "pinged only": Written((PING, PING)),
        "framed": Written((*begun, api.frame)),
        "framed and cut": Written((*begun, api.frame), ends=False),
        "framed at once": Written((api.frame,)),
        "framed as OpenAI does": Written((*begun, _CHAT.frame)),
        "framed as plain events": Written((*begun, _EVENTS.frame)),
        "unfinished": Written(begun),
        "unfinished inside an event": Written((*begun, api.tokens[1][:-9])),
        "cut": Written(begun, ends=False),
        "cut behind the terminal": Written(whole, ends=False),
    }[form]
