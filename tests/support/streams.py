"""Whole streams of each format, as upstreams write them, for those who cut and split them."""

import gzip
import json
import zlib

CHAT = b"".join(
    b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
    for chunk in (
        {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "Grüße"}, "finish_reason": None}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": ' "finish_reason":"stop"'}, "finish_reason": None}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "\n[DONE]"}, "finish_reason": None}]},
    )
)
CHAT_FINISH = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
CHAT_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'
DONE = b"data: [DONE]\n\n"

RESPONSES = b"".join(
    b"event: " + event["type"].encode() + b"\ndata: " + json.dumps(event).encode() + b"\n\n"  # type: ignore[attr-defined]
    for event in (
        {"type": "response.created", "sequence_number": 0, "response": {"status": "in_progress", "usage": None}},
        {"type": "response.output_item.added", "sequence_number": 1, "item": {"type": "message"}},
        {"type": "response.output_text.delta", "sequence_number": 2, "delta": "Hel"},
        {"type": "response.output_text.delta", "sequence_number": 3, "delta": "lo"},
        {
            "type": "response.completed",
            "sequence_number": 4,
            "response": {"usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}},
        },
    )
)

MESSAGE = b"""event: message_start
data: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":25,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" message_stop"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

event: message_stop
data: {"type":"message_stop"}

"""

EVENTS = (
    b"\xef\xbb\xbf: hello\r\n\r\nid: 1\ndata: a\rdata:b\r\n\revent: news\ndata\n\n:\n\nretry: 5\n\n"
    b"event: end\r\ndata: {}\r\n\r\n"
)
LINES = b'{"a":1}\n\n{"b":"\\n"}\r\n \n[1,2]\n"x"\n'
DOCUMENT = b' \r\n{"a":[1,{"b":"}]\\"\\\\"},[]],"usage":{"prompt_tokens":1},"c":{"d":null}}\n'
TABLE = b'id,name\r\n1,"a ""b"", \n c"\r\n\r\n2,\n'

STREAMS = {
    "openai": CHAT + CHAT_FINISH + CHAT_USAGE + DONE,
    "responses": RESPONSES,
    "anthropic": MESSAGE,
    "sse": EVENTS,
    "ndjson": LINES,
    "json": DOCUMENT,
    "csv": TABLE,
    "opaque": b"any\x00thing",
}
"""By name, each whole, with all the peculiarities that its format allows."""


def raw_deflate(data: bytes) -> bytes:
    """Return a raw deflate stream, which some send as ``deflate``."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(data) + deflate.flush()


def two_members(data: bytes) -> bytes:
    """Return gzip in two members, as some loggers write it."""
    return gzip.compress(data[:40], mtime=0) + gzip.compress(data[40:], mtime=0)
