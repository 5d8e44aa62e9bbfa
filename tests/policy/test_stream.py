"""What a route says about its streams, and what follows from it."""

import pytest
from pydantic import ValidationError

from gateway.exchange.route import Stream
from gateway.policy.stream import StreamSettings


def compiled(**settings: object) -> Stream:
    stream = StreamSettings(**settings).compiled()["stream"]  # type: ignore[arg-type]
    assert isinstance(stream, Stream)
    return stream


def test_stream_is_not_looked_at_by_default() -> None:
    """What nobody asked for costs nothing."""
    assert compiled() == Stream()
    assert compiled(stall="1s").format is None


@pytest.mark.parametrize(
    "settings",
    [{"complete": "terminal"}, {"on_error": "frame"}, {"keepalive": "15s"}, {"peek": "5s"}, {"terminal": ("event:x",)}],
    ids=str,
)
def test_setting_that_needs_a_format_gets_one(settings: dict[str, object]) -> None:
    """By the answer's media type, or the one that was named."""
    assert compiled(**settings).format == "auto"
    assert compiled(**settings, format="ndjson").format == "ndjson"


@pytest.mark.parametrize("text", ["event:done", "data:[DONE]", "data: x: y", "event:" + "x" * 256])
def test_terminal_is_an_event_or_its_data(text: str) -> None:
    """As it stands in the stream."""
    assert compiled(terminal=(text,)).terminal == (text,)


@pytest.mark.parametrize("text", ["", "done", "id:7", "Event:x", "data:", "data:  ", "data:a\nb", "data:" + "x" * 257])
def test_terminal_that_could_never_come_is_refused(text: str) -> None:
    """A mistake there would cut every answer."""
    with pytest.raises(ValidationError):
        StreamSettings(terminal=(text,))
