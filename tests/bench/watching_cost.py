"""What it costs to watch a stream: microseconds for each chunk, over handing it on unseen.

Run it as ``python tests/bench/watching_cost.py``. The chunks are those of a typical stream, one event or line each.
"""

import sys
import timeit
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2])]

from gateway.exchange.message import ReplyHead  # noqa: E402 - after the path is set
from gateway.formats.choose import choose  # noqa: E402

CHUNKS = 2000
TEXTS = [f" word{number % 97}" for number in range(CHUNKS)]
CHAT = (
    'data: {"id":"chatcmpl-AbCdEf123456","object":"chat.completion.chunk","created":1700000000,"model":"a-model",'
    '"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}]'
)
RESPONSE = (
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":%d,'
    '"item_id":"msg_67c9fdce","output_index":0,"content_index":0,"delta":"%s","logprobs":[],"obfuscation":"%s"}\n\n'
)
MESSAGE = (
    "event: content_block_delta\n"
    'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}\n\n'
)
LINE = '{"id":%d,"name":"%s","email":"someone@example.com","city":"Springfield","score":0.75,"active":true}\n'
SHAPES: dict[str, tuple[str, str, list[str]]] = {
    "sse": ("sse", "text/event-stream", [CHAT % text + "}\n\n" for text in TEXTS]),
    "openai, chat": ("openai", "text/event-stream", [CHAT % text + "}\n\n" for text in TEXTS]),
    "openai, chat with padding": (
        "openai",
        "text/event-stream",
        [CHAT % text + ',"obfuscation":"' + "x" * (number % 9 + 1) + '"}\n\n' for number, text in enumerate(TEXTS)],
    ),
    "openai, responses": (
        "openai",
        "text/event-stream",
        [RESPONSE % (number, text, "x" * (number % 9 + 1)) for number, text in enumerate(TEXTS)],
    ),
    "anthropic": ("anthropic", "text/event-stream", [MESSAGE % text for text in TEXTS]),
    "ndjson": ("ndjson", "application/x-ndjson", [LINE % (number, text) for number, text in enumerate(TEXTS)]),
    "json, 64 KiB": ("json", "application/json", ["[", *(LINE[:-1] % (1, "x") + ",\n" for _ in range(640))]),
    "csv": ("csv", "text/csv", [f'{number},"{text}, x",someone@example.com\r\n' for number, text in enumerate(TEXTS)]),
    "opaque": ("opaque", "application/octet-stream", ["x" * 200] * CHUNKS),
}


def microseconds(format: str, media_type: str, chunks: list[bytes]) -> float:
    """Return the time that a chunk takes, at best of a few rounds."""

    def round_of(feed: object) -> None:
        for chunk in chunks:
            feed(chunk)  # type: ignore[operator]

    def watched() -> None:
        found = choose(format, ReplyHead(200, "OK", [("Content-Type", media_type)]))
        assert not isinstance(found, str)
        round_of(found.feed)

    taken = min(timeit.repeat(watched, number=1, repeat=15)) - min(timeit.repeat(lambda: round_of(id), number=1))
    return taken / len(chunks) * 1e6


def main() -> None:
    """Write one line for each format."""
    for title, (format, media_type, texts) in SHAPES.items():
        chunks = [text.encode() for text in texts]
        if title.startswith("json"):
            chunks = [b"".join(chunks)]
        octets = sum(map(len, chunks)) / len(chunks)
        sys.stdout.write(f"{title:26} {octets:8.0f} octets {microseconds(format, media_type, chunks):8.2f} µs\n")


if __name__ == "__main__":
    main()
