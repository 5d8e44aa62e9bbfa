"""Records of comma-separated values (RFC 4180)."""

import pytest

from gateway.exchange.marks import Marks
from gateway.formats.csv import Csv


def fed(*chunks: bytes) -> Csv:
    """Return a watcher that has seen these chunks."""
    format = Csv()
    for chunk in chunks:
        format.feed(chunk)
    return format


@pytest.mark.parametrize(
    ("data", "frames", "silent"),
    [
        (b"", 0, 0),
        (b"a,b\n", 1, 0),
        (b"a,b\r\n1,2\r\n", 2, 0),
        (b'a\n"1\n2"\n', 2, 0),
        (b'a\n"1 ""2"" \r\n3","4"\n', 2, 0),
        (b'a\n"";""\n', 2, 0),
        (b'""\n""\r\n', 2, 0),
        (b"a\n\n1\n\r\n", 2, 3),
        (b'a\n"\n\n"\n', 2, 0),
        (b"\r\r\n", 1, 0),
    ],
)
def test_records_end_at_line_breaks_outside_of_quotes_and_blank_lines_are_none(
    data: bytes, frames: int, silent: int
) -> None:
    """The header is a frame that carries nothing of the answer."""
    format = fed(data)
    expected = Marks("csv", frames=frames, meaningful=max(0, frames - 1), progress_bytes=len(data) - silent)
    assert (format.marks, format.end()) == (expected, None)


@pytest.mark.parametrize("rest", [b"1", b'"', b'"1', b'"1"', b'"1\n', b"1,2\r", b"\r", b'""', b'"\n"'])
def test_last_record_without_its_line_break_is_not_whole(rest: bytes) -> None:
    """It may be a part of one."""
    format = fed(b"a,b\n", rest)
    assert format.end() == "the last record has no line break"
    assert (format.marks.boundary, format.marks.frames) == (False, 1)
    assert format.marks.progress_bytes == 4 + (0 if rest == b"\r" else len(rest))


@pytest.mark.parametrize(
    ("data", "record"),
    [
        (b'a\n1"2\n', 2),
        (b'a\n"1"2\n', 2),
        (b'a\n"1" ,2\n', 2),
        (b'a\n ""\n', 2),
        (b'a"\n"b\n', 1),
    ],
)
def test_stray_quote_is_malformed(data: bytes, record: int) -> None:
    """The first is told; records go on to be counted."""
    marks = fed(data, b'x"\n').marks
    assert marks.malformed == f"record {record} has a stray quote"


@pytest.mark.parametrize("separator", [b",", b";", b"\t", b"|"])
def test_tables_with_other_separators_are_known(separator: bytes) -> None:
    """Not all that is called comma-separated is."""
    assert fed(b'"a"' + separator + b'"b"\r\n').marks.malformed is None
