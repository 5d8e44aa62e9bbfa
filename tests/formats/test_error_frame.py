"""A failure told inside a stream: whole frames that clients of each format understand."""

import json
from typing import Any

import pytest

from gateway.exchange.failure import BODY_CUT, IDLE_TIMEOUT, IN_BAND_ERROR, Failure
from gateway.exchange.marks import InBandError
from gateway.formats.error_frame import FRAMED, error_frame

CUT = Failure(BODY_CUT, "9 octets are missing")
MESSAGE = "Upstream body ended early: 9 octets are missing"


def parsed(frame: bytes | None) -> tuple[list[str], Any]:
    """Return the lines of an SSE frame before its data, and the data."""
    assert frame is not None and frame.endswith(b"\n\n") and frame.count(b"\n\n") == 1
    *before, data = frame.decode("ascii").rstrip("\n").split("\n")
    assert data.startswith("data: ")
    return before, json.loads(data.removeprefix("data: "))


def test_plain_sse_gets_an_event_called_error() -> None:
    """One event with all that the error reply would have said."""
    before, data = parsed(error_frame("sse", CUT, "0f1e"))

    assert before == ["event: error"]
    assert data == {"error": {"message": MESSAGE, "type": "gateway_error", "code": "body_cut", "exchange_id": "0f1e"}}


def test_openai_gets_an_event_called_error() -> None:
    """Its clients raise for data that holds an error, with the event or without; others hear of it by its name."""
    before, data = parsed(error_frame("openai", CUT, "0f1e"))

    assert before == ["event: error"]
    assert data["error"].keys() == {"message", "type", "code", "param", "exchange_id"}
    assert (data["error"]["message"], data["error"]["code"]) == (MESSAGE, "body_cut")


def test_anthropic_gets_its_own_error_event() -> None:
    """The event, and its name again in the data."""
    before, data = parsed(error_frame("anthropic", CUT, "0f1e"))

    assert before == ["event: error"]
    assert (data["type"], data["error"]["type"]) == ("error", "api_error")
    assert data["error"]["message"] == f"{MESSAGE} (body_cut, exchange 0f1e)"


def test_ndjson_gets_one_line_that_is_ours() -> None:
    """A reader can tell it from a record."""
    frame = error_frame("ndjson", CUT, "0f1e")
    assert frame is not None and frame.endswith(b"}\n") and frame.count(b"\n") == 1

    line = json.loads(frame)

    assert line["_gateway"] is True
    assert (line["error"]["code"], line["error"]["exchange_id"]) == ("body_cut", "0f1e")


@pytest.mark.parametrize("format", ["json", "csv", "opaque"])
def test_format_without_a_place_for_errors_gets_none(format: str) -> None:
    """Its stream is cut."""
    assert format not in FRAMED
    assert error_frame(format, CUT, "0f1e") is None


@pytest.mark.parametrize("format", sorted(FRAMED))
def test_detail_cannot_break_out_of_its_frame(format: str) -> None:
    """No octet of it ends a line, begins a field, or stands for one; and it has a bound."""
    evil = "a\r\nb\n\ndata: [DONE]\n\n\u2028\x85é\ud800" + "x" * 10_000
    frame = error_frame(format, Failure(IDLE_TIMEOUT, evil), "0f1e")
    assert frame is not None

    assert frame.isascii() and b"\r" not in frame and len(frame) < 2000
    assert b"\ndata: [DONE]" not in frame
    assert frame.count(b"\n") <= 3


@pytest.mark.parametrize("format", sorted(FRAMED))
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":\n{"type":"overloaded_error"}}', b'{"error":{"type":"overloaded_error"}}'),
        (b"", None),
        (b"[1]", None),
        (b'{"a":', None),
        (b'{"a":NaN}', None),
        (b'{"a":' * 9000, None),
    ],
)
def test_upstreams_own_words_are_told_in_one_line(format: str, body: bytes, words: bytes | None) -> None:
    """As the error reply would have told them; where there are none, ours are."""
    told = Failure(IN_BAND_ERROR, "overloaded_error", (), InBandError("overloaded_error", 529, body))
    frame = error_frame(format, told, "0f1e")

    assert frame is not None
    if words is None:
        assert b"0f1e" in frame
    else:
        assert frame == (words + b"\n" if format == "ndjson" else b"event: error\ndata: " + words + b"\n\n")
