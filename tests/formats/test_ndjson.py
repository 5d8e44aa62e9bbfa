"""Lines of JSON: which are frames, which only keep the connection alive, where a line is whole."""

import pytest

from gateway.exchange.marks import InBandError, Marks
from gateway.formats.ndjson import LARGEST_LINE_BYTES, Ndjson


def fed(*chunks: bytes) -> Ndjson:
    """Return a watcher that has seen these chunks."""
    format = Ndjson()
    for chunk in chunks:
        format.feed(chunk)
    return format


@pytest.mark.parametrize(
    ("data", "frames", "silent"),
    [
        (b"", 0, 0),
        (b'{"a":1}\n', 1, 0),
        (b'{"a":1}\r\n[2]\n', 2, 0),
        (b' {"a":1} \n', 1, 0),
        (b"\n\r\n \t\n", 0, 6),
        (b'{"a":1}\n\n3\n', 2, 1),
        (b'"a\\nb"\ntrue\nnull\n', 3, 0),
        (b'{"error":null}\n{"error":{},"a":1}\n', 2, 0),
    ],
)
def test_line_with_a_value_is_a_frame_and_a_blank_one_is_no_progress(data: bytes, frames: int, silent: int) -> None:
    """Either line end will do."""
    expected = Marks("ndjson", frames=frames, meaningful=frames, progress_bytes=len(data) - silent)
    format = fed(data)
    assert (format.marks, format.end()) == (expected, None)


@pytest.mark.parametrize(
    ("rest", "missing"),
    [
        (b"", None),
        (b" \r", None),
        (b'{"a":1}', None),
        (b'{"a":1} \r', None),
        (b"[1]", None),
        (b'"a"', None),
        (b"true", None),
        (b"null", None),
        (b'{"a":1', "the last line did not end"),
        (b'{"a":[1]', "the last line did not end"),
        (b'"a', "the last line did not end"),
        (b"tru", "the last line did not end"),
        (b"1", "the last line did not end"),
        (b"1.5", "the last line did not end"),
        (b'{"a":1}}', "the last line did not end"),
        (b'"' + b"a" * LARGEST_LINE_BYTES + b'"', "the last line did not end"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_last_line_is_whole_with_its_end_or_a_value_that_shows_its_own(rest: bytes, missing: str | None) -> None:
    """A number without a line end may have been longer."""
    format = fed(b"{}\n", rest)
    assert format.marks.boundary is (rest == b"")
    value = bool(rest.strip())
    assert format.marks.progress_bytes == 3 + len(rest) * value
    for _ in range(2):
        assert format.end() == missing
        assert format.marks.frames == 1 + (value and missing is None)


def test_object_with_nothing_but_an_error_is_an_error_within_the_stream() -> None:
    """The first one counts; none of them is some of the answer."""
    data = b'{"a":1}\n {"error":{"code":429}}\r\n{"error":"again"}\n'
    marks = fed(data).marks
    assert marks.error == InBandError("429", 429, b'{"error":{"code":429}}')
    assert (marks.frames, marks.meaningful) == (3, 1)


def test_line_that_is_not_json_is_malformed_and_the_first_is_told() -> None:
    """What follows is still counted."""
    marks = fed(b'{"a":1}\n{cut\n', b"<html>\n{}\n").marks
    assert (marks.malformed, marks.frames) == ("line 2 is not JSON", 4)


@pytest.mark.parametrize("chunk_octets", [1000, 65536, 4 << 20])
@pytest.mark.parametrize("text", [b"x", b" "])
def test_line_longer_than_what_is_kept_still_ends_where_it_ends(chunk_octets: int, text: bytes) -> None:
    """It counts without being looked at; one of blanks alone is none, however long."""
    line = text * (LARGEST_LINE_BYTES + 100) + b"\n"
    format = fed(b"{")
    format.feed(b"}\n")
    for at in range(0, len(line), chunk_octets):
        format.feed(line[at : at + chunk_octets])
        assert len(format._line) <= LARGEST_LINE_BYTES + 1
    assert format.marks.malformed is None
    assert (format.marks.frames, format.marks.progress_bytes) == ((2, 3 + len(line)) if text == b"x" else (1, 3))


@pytest.mark.parametrize("deep", [b"[" * 500_000, b"1" * 5000])
def test_line_that_cannot_be_read_is_not_called_malformed(deep: bytes) -> None:
    """Nothing is claimed of what is beyond reach."""
    marks = fed(deep + b"\n").marks
    assert (marks.malformed, marks.frames) == (None, 1)
