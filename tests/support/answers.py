"""Short streams of each format, in pieces, so that a test can break one where it likes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """An answer of two frames in one format."""

    format: str
    """As ``stream.format`` says it."""
    content_type: str
    first: bytes
    """Begins the body, and ends between two frames where the format has frames."""
    half: bytes
    """The beginning of a next frame."""
    second: bytes
    """A whole next frame."""
    last: bytes
    """What says that the answer is whole; empty where nothing in the format does."""
    broken: bytes
    """What the format does not allow; empty where it allows everything."""
    error: bytes = b""
    """An error told as clients of the format know it; empty where there is no such way."""
    terminal: tuple[str, ...] = ()
    """As ``stream.terminal`` says it."""

    @property
    def whole(self) -> bytes:
        return self.first + self.second + self.last

    @property
    def stream(self) -> dict[str, object]:
        """The settings that know this stream."""
        settings: dict[str, object] = {"format": self.format, "complete": "terminal"}
        return settings | ({"terminal": list(self.terminal)} if self.terminal else {})


def _chat(delta: str, finish: str = "null") -> bytes:
    choice = f'{{"index":0,"delta":{delta},"finish_reason":{finish}}}'
    return f'data: {{"id":"1","object":"chat.completion.chunk","choices":[{choice}]}}\n\n'.encode()


def _typed(kind: str, rest: str) -> bytes:
    return f'event: {kind}\ndata: {{"type":"{kind}"{rest}}}\n\n'.encode()


_TOLD = '{"type":"overloaded_error","message":"Overloaded"}'

SAMPLES = {
    "sse": Sample(
        *("sse", "text/event-stream", b"event: token\ndata: 1\n\n", b"data: 2", b"data: 2\n\n"),
        last=b"event: done\ndata: ok\n\n",
        broken=b"",
        terminal=("event:done",),
    ),
    "any sse": Sample(
        *("sse", "text/event-stream", b": hello\n\ndata: 1\n\n", b"data: 2", b"data: 2\n\n"),
        last=b"",
        broken=b"",
    ),
    "openai": Sample(
        *("openai", "text/event-stream", _chat('{"content":"a"}'), b'data: {"id"', _chat('{"content":"b"}')),
        last=_chat("{}", '"stop"') + b"data: [DONE]\n\n",
        broken=b"data: {oops\n\n",
        error=f'data: {{"error":{_TOLD}}}\n\n'.encode(),
    ),
    "responses": Sample(
        *("openai", "text/event-stream", _typed("response.output_text.delta", ',"delta":"a"'), b"event: resp"),
        second=_typed("response.output_text.delta", ',"delta":"b"'),
        last=_typed("response.completed", ',"response":{"usage":{"input_tokens":3,"output_tokens":2}}'),
        broken=b"event: response.output_text.delta\ndata: {oops\n\n",
        error=_typed("error", ',"code":"server_error","message":"Overloaded"'),
    ),
    "anthropic": Sample(
        *("anthropic", "text/event-stream"),
        first=_typed("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"a"}'),
        half=b"event: content",
        second=_typed("content_block_delta", ',"index":0,"delta":{"type":"text_delta","text":"b"}'),
        last=_typed("message_stop", ""),
        broken=b"event: content_block_delta\ndata: {oops\n\n",
        error=_typed("error", f',"error":{_TOLD}'),
    ),
    "ndjson": Sample(
        *("ndjson", "application/x-ndjson", b'{"a":1}\n', b'{"b":', b'{"b":2}\n'),
        last=b"",
        broken=b"oops\n",
        error=f'{{"error":{_TOLD}}}\n'.encode(),
    ),
    "json": Sample("json", "application/json", b'[{"a":1}', b',{"b":', b',{"b":2}', last=b"]", broken=b"}"),
    "csv": Sample("csv", "text/csv", b"a,b\r\n1,2\r\n", b'3,"4', b"3,4\r\n", last=b"", broken=b'5,"6"7\r\n'),
}
