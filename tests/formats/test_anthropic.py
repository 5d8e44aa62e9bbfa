"""The streams of Anthropic's Messages API: what carries an answer, what ends it, what is an error."""

import json

import pytest
from support.streams import MESSAGE

from gateway.exchange.marks import InBandError, Usage
from gateway.formats.anthropic import Anthropic
from gateway.formats.sse import LARGEST_EVENT_BYTES


def event(kind: str, named: bool = True, **value: object) -> bytes:
    """Return an event of this kind."""
    data = json.dumps({"type": kind, **value}).encode()
    return (b"event: " + kind.encode() + b"\n" if named else b"") + b"data: " + data + b"\n\n"


def fed(*chunks: bytes) -> Anthropic:
    """Return a watcher that has seen these chunks."""
    format = Anthropic()
    for data in chunks:
        format.feed(data)
    return format


PING = event("ping")
STOP = event("message_stop")


def test_message_has_its_frames_its_usage_and_its_end() -> None:
    """The whole of a typical answer."""
    marks = fed(MESSAGE).marks
    assert (marks.frames, marks.meaningful, marks.terminal, marks.usage) == (7, 2, True, Usage(25, 15))
    assert marks.progress_bytes == len(MESSAGE) - len(b'event: ping\ndata: {"type": "ping"}\n\n')
    assert (marks.error, marks.malformed) == (None, None)


@pytest.mark.parametrize(
    ("data", "meaningful"),
    [
        (event("content_block_delta", delta={"type": "text_delta", "text": "a"}), 1),
        (event("content_block_delta", named=False, delta={"type": "text_delta", "text": "a"}), 1),
        (event("content_block_delta", delta={"type": "text_delta", "text": ""}), 0),
        (event("content_block_delta", delta={"type": "input_json_delta", "partial_json": "{"}), 1),
        (event("content_block_delta", delta={"type": "thinking_delta", "thinking": "a"}), 1),
        (event("content_block_delta", delta={"type": "signature_delta", "signature": "a"}), 0),
        (event("content_block_delta", delta="odd"), 0),
        (event("content_block_start", content_block={"type": "text", "text": ""}), 0),
        (event("content_block_start", content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}}), 1),
        (event("content_block_stop", index=0), 0),
        (event("message_start", message={"usage": {}}), 0),
        (event("message_start", message="odd"), 0),
        (event("message_delta", delta={"stop_reason": "end_turn"}, usage=None), 0),
        (event("not_known_yet", text="a"), 0),
    ],
)
def test_frame_is_meaningful_where_it_carries_some_of_the_answer(data: bytes, meaningful: int) -> None:
    """Kinds that are not known are frames, and no more is made of them."""
    marks = fed(data, data).marks
    assert (marks.frames, marks.meaningful, marks.malformed) == (2, 2 * meaningful, None)
    assert not marks.terminal and marks.progress_bytes == 2 * len(data)


@pytest.mark.parametrize("newline", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("ping", [PING, event("ping", named=False), b"event: ping\ndata: {}\n\n"])
def test_ping_is_neither_a_frame_nor_progress_however_its_lines_end(ping: bytes, newline: bytes) -> None:
    """It only keeps the connection alive. Octets count when their event is whole, for it may be one."""
    ping = ping.replace(b"\n", newline)
    format = Anthropic()
    for at in range(len(ping)):
        format.feed(ping[at : at + 1])
        assert (format.marks.progress_bytes, format.marks.frames) == (0, 0)
    format.feed(ping)
    assert (format.marks.progress_bytes, format.marks.frames) == (0, 0)
    assert format.marks.boundary is (newline != b"\r")


@pytest.mark.parametrize(
    ("chunks", "missing"),
    [
        ((MESSAGE,), None),
        ((STOP,), None),
        ((event("message_stop", named=False),), None),
        ((MESSAGE, b"event: message_st"), None),
        ((MESSAGE[:-1],), "message_stop did not come"),
        ((b"event: message_stop\n\n",), "message_stop did not come"),
        ((b'event: message_stop\ndata: {"type":"message_delta"}\n\n',), "message_stop did not come"),
        ((b"event: message_stop\ndata: {}\n\n",), None),
        ((b"event: message_stop\ndata: {cut\n\n",), "message_stop did not come"),
        ((b'event: other\ndata: {"type":"message_stop"}\n\n',), "message_stop did not come"),
        ((event("content_block_delta", delta={"text": "event: message_stop"}),), "message_stop did not come"),
        ((), "message_stop did not come"),
        ((event("error", error={"type": "overloaded_error"}), STOP), "the answer broke off with an error"),
    ],
)
def test_answer_is_whole_when_its_stop_came(chunks: tuple[bytes, ...], missing: str | None) -> None:
    """Its event as a whole, and by the name that clients go by."""
    assert fed(*chunks).end() == missing


@pytest.mark.parametrize(
    ("data", "code", "status"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Overloaded"}), "overloaded_error", 529),
        (event("error", named=False, error={"type": "api_error"}), "api_error", 500),
        (event("error"), "error", 502),
    ],
)
def test_error_event_is_an_error_within_the_stream(data: bytes, code: str, status: int) -> None:
    """Its type says which status it would have been; the first counts."""
    marks = fed(data, event("error", error={"type": "rate_limit_error"})).marks
    assert marks.error == InBandError(code, status, data[data.index(b"data: ") + 6 : -2])
    assert (marks.frames, marks.meaningful, marks.terminal) == (2, 0, False)


@pytest.mark.parametrize("data", [b"{", b"[1]", b"oh no", b""])
def test_data_that_is_no_json_object_is_malformed(data: bytes) -> None:
    """The first such event is told."""
    format = fed(MESSAGE, b"event: x\ndata: " + data + b"\n\n", b"data: {\n\n")
    assert format.marks.malformed == "the data of event 8 is not a JSON object"


@pytest.mark.parametrize(("kind", "meaningful", "error"), [("content_block_delta", 1, False), ("error", 0, True)])
def test_event_too_large_to_be_read_goes_by_its_name(kind: str, meaningful: int, error: bool) -> None:
    """Nothing is known of what is in it."""
    marks = fed(event(kind, text="x" * LARGEST_EVENT_BYTES)).marks
    assert (marks.frames, marks.meaningful, marks.malformed) == (1, meaningful, None)
    assert marks.error == (InBandError("error", 502, b"") if error else None)
