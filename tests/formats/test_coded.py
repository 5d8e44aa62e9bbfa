"""Bodies with a content coding are decoded on the side, within bounds."""

import gzip
import zlib

import pytest
from support.streams import CHAT, DONE, raw_deflate

from gateway.formats.coded import LARGEST_WINDOW_LOG, MOST_DECODED_BYTES, PIECE_BYTES, Coded, decodable
from gateway.formats.opaque import Opaque
from gateway.formats.openai import OpenAi
from gateway.formats.sse import Sse

ANSWER = CHAT + DONE


def fed(coding: str, *chunks: bytes) -> Coded:
    """Return a watcher of a chat in this coding that has seen these chunks."""
    format = Coded(OpenAi(), coding)
    for chunk in chunks:
        format.feed(chunk)
    return format


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", gzip.compress(ANSWER)),
        ("x-gzip", gzip.compress(ANSWER)),
        ("gzip", gzip.compress(ANSWER[:50]) + gzip.compress(b"") + gzip.compress(ANSWER[50:])),
        ("gzip", gzip.compress(ANSWER) + b"\0\0\0"),
        ("deflate", zlib.compress(ANSWER)),
        ("deflate", raw_deflate(ANSWER)),
        ("deflate", zlib.compress(ANSWER) + b"\x1f more"),
    ],
)
def test_answer_is_seen_through_its_coding(coding: str, data: bytes) -> None:
    """In all its members; what follows the last is no part of it."""
    for format in (fed(coding, data), fed(coding, *(data[at : at + 1] for at in range(len(data))), b"")):
        assert (format.end(), format.marks.frames, format.marks.terminal) == (None, 5, True)
        assert (format.marks.malformed, format.marks.boundary) == (None, False)
        assert format.marks.progress_bytes == len(ANSWER)


@pytest.mark.parametrize(
    ("coding", "data"), [("gzip", gzip.compress(ANSWER)), ("deflate", zlib.compress(ANSWER)), ("deflate", b"\x4b")]
)
def test_coding_without_its_own_end_is_not_whole(coding: str, data: bytes) -> None:
    """Also where only the check sum after the answer is missing."""
    cut = fed(coding, data[:-1] or data)
    assert cut.end() == f"the {coding} data did not end"
    assert not cut.marks.boundary


def test_answer_that_lacks_its_end_is_not_whole_though_its_coding_is() -> None:
    """Both must have ended."""
    assert fed("gzip", gzip.compress(CHAT)).end() == "neither a finish_reason nor [DONE] came"


def test_empty_body_is_judged_as_an_empty_body() -> None:
    """Servers write no gzip header where there is nothing to compress."""
    assert Coded(Sse(), "gzip").end() is None
    assert fed("gzip", b"").end() == "neither a finish_reason nor [DONE] came"


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"data: plain\n\n"),
        ("gzip", gzip.compress(ANSWER)[:-8] + b"\0" * 8),
        ("gzip", gzip.compress(ANSWER) + b"\x1f nothing"),
        ("deflate", b"\x78\x9c\xff\xff\xff"),
    ],
)
def test_data_that_cannot_be_decoded_is_malformed_and_no_more_is_looked_at(coding: str, data: bytes) -> None:
    """It is not whole either."""
    format = fed(coding, data, gzip.compress(ANSWER))
    assert format.marks.malformed == f"the {coding} data is damaged"
    assert format.end() == f"the {coding} data is damaged"


def test_earlier_fault_of_the_answer_stays_the_one_that_is_told() -> None:
    """The first fault counts."""
    format = fed("gzip", gzip.compress(b"data: {\n\n"), b"\x1f nothing")
    assert format.marks.malformed == "the data of event 1 is not JSON"
    assert format.end() == "the gzip data is damaged"


def bomb(octets: int) -> bytes:
    """Return gzip that decodes to so many octets."""
    return gzip.compress(b"\0" * octets)


def test_chunk_that_decodes_to_too_much_ends_the_watching_and_says_so() -> None:
    """Nobody who sends a little can make a lot of work. What was not watched is not called whole."""
    largest = 0

    class Measured(Opaque):
        def feed(self, data: bytes) -> None:
            nonlocal largest
            largest = max(largest, len(data))
            super().feed(data)

    format = Coded(Measured(), "gzip")
    format.feed(bomb(MOST_DECODED_BYTES * 2))
    format.feed(b"more")
    assert format.marks.unwatched == "one chunk holds over 16 MiB once decoded"
    assert format.end() == format.marks.unwatched
    assert largest == PIECE_BYTES
    assert MOST_DECODED_BYTES < format.marks.progress_bytes <= MOST_DECODED_BYTES + PIECE_BYTES


def test_large_body_in_many_chunks_is_watched_to_its_end() -> None:
    """The bound is for a chunk, not for the body."""
    data = bomb(MOST_DECODED_BYTES * 2)
    format = Coded(Opaque(), "gzip")
    for at in range(0, len(data), 4096):
        format.feed(data[at : at + 4096])
    assert (format.end(), format.marks.unwatched) == (None, None)
    assert format.marks.progress_bytes == MOST_DECODED_BYTES * 2


def test_codings_that_cannot_be_decoded_are_known() -> None:
    """Before a watcher is made."""
    assert [decodable(coding) for coding in ("gzip", "x-gzip", "deflate", "br", "")] == [True, True, True, False, False]


class TestZstd:
    """Where a library for it is installed."""

    def test_answer_is_seen_through_its_frames(self) -> None:
        """Several frames are one body (RFC 8878 section 3), and skippable ones are skipped."""
        zstd = pytest.importorskip("backports.zstd")
        skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
        data = zstd.compress(ANSWER[:50]) + skippable + zstd.compress(ANSWER[50:])
        for format in (fed("zstd", data), fed("zstd", *(data[at : at + 1] for at in range(len(data))))):
            assert (format.end(), format.marks.frames, format.marks.malformed) == (None, 5, None)
        assert fed("zstd", data[:-1]).end() == "the zstd data did not end"
        assert decodable("zstd")

    def test_large_content_is_decoded_piece_by_piece(self) -> None:
        """Within the same bounds."""
        zstd = pytest.importorskip("backports.zstd")
        format = Coded(Opaque(), "zstd")
        format.feed(zstd.compress(b"\0" * MOST_DECODED_BYTES))
        assert (format.end(), format.marks.progress_bytes) == (None, MOST_DECODED_BYTES)

    @pytest.mark.parametrize("over", [0, 1])
    def test_window_larger_than_http_allows_is_not_held(self, over: int) -> None:
        """RFC 9659 allows eight MiB, so that is what a body may cost in memory."""
        zstd = pytest.importorskip("backports.zstd")
        options = {zstd.CompressionParameter.window_log: LARGEST_WINDOW_LOG + over}
        compressor = zstd.ZstdCompressor(options=options)
        data = compressor.compress(b"data: {}\n\n" * 10) + compressor.flush()
        assert fed("zstd", data).marks.malformed == ("the zstd data is damaged" if over else None)
