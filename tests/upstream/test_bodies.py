"""Body decoders: every octet of the content, nothing else, and an end only where there is one."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.chunked import MAX_SIZE_LINE_OCTETS, MAX_TRAILER_OCTETS
from gateway.exchange.message import ReplyHead
from gateway.upstream.bodies import (
    ChunkedBody,
    CloseDecoder,
    Decoder,
    LengthDecoder,
    decoder,
)
from gateway.upstream.head import FramedHead, Framing


def run(of_body: Decoder, octets: bytes, cuts: list[int] | None = None) -> tuple[bytes, str, bool]:
    """Return the content, how it ended after the connection closed, and whether octets were left over."""
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts or []), len(octets)]
    content = b""
    surplus = False
    for start, end in pairwise(edges):
        if of_body.over:
            surplus = surplus or end > start
        elif end > start:
            content += of_body.feed(octets[start:end])
            surplus = of_body.surplus
    if not of_body.over:
        of_body.close()
    return content, of_body.failure.kind.code if of_body.failure else "whole", surplus


@pytest.mark.parametrize(
    ("framing", "kind"),
    [
        (Framing.NONE, LengthDecoder),
        (Framing.LENGTH, LengthDecoder),
        (Framing.CHUNKED, ChunkedBody),
        (Framing.CLOSE, CloseDecoder),
    ],
)
def test_framing_chooses_its_decoder(framing: Framing, kind: type[Decoder]) -> None:
    """A body without octets is one of length 0, and over before it began."""
    made = decoder(FramedHead(ReplyHead(200, "", []), framing, 0, True, b""))

    assert isinstance(made, kind)
    assert made.over is (kind is LengthDecoder)


@pytest.mark.parametrize(
    ("octets", "result"),
    [
        (b"hello", (b"hello", "whole", False)),
        (b"hell", (b"hell", "body_cut", False)),
        (b"", (b"", "body_cut", False)),
        (b"hello!", (b"hello", "whole", True)),
    ],
)
def test_length_body_is_as_long_as_announced(octets: bytes, result: tuple[bytes, str, bool]) -> None:
    """Less is a cut; more is not part of it."""
    assert run(LengthDecoder(5), octets) == result
    assert run(LengthDecoder(5), octets, list(range(len(octets)))) == result


def test_close_body_ends_with_its_connection() -> None:
    """Without any framing the close is the end."""
    assert run(CloseDecoder(), b"all of it") == (b"all of it", "whole", False)


CHUNKED = {
    "one chunk": (b"5\r\nhello\r\n0\r\n\r\n", (b"hello", "whole", False)),
    "two chunks": (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", (b"hello world", "whole", False)),
    "no chunk": (b"0\r\n\r\n", (b"", "whole", False)),
    "hex in both cases": (
        b"a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
        (b"01234567890123456789a", "whole", False),
    ),
    "leading zeros": (b"0005\r\nhello\r\n000\r\n\r\n", (b"hello", "whole", False)),
    "line breaks as content": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", (b"\r\n\r\n", "whole", False)),
    "extensions": (b'5;a=1;b="x;y"\r\nhello\r\n0;z\r\n\r\n', (b"hello", "whole", False)),
    "blanks before an extension": (b"5 \t;a\r\nhello\r\n0 ;a\r\n\r\n", (b"hello", "whole", False)),
    "trailers": (b"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", (b"hello", "whole", False)),
    "octets behind the end": (b"5\r\nhello\r\n0\r\n\r\nHTTP", (b"hello", "whole", True)),
    "cut before the first size": (b"", (b"", "body_cut", False)),
    "cut inside a size": (b"5", (b"", "body_cut", False)),
    "cut inside a chunk": (b"5\r\nhel", (b"hel", "body_cut", False)),
    "cut after the data": (b"5\r\nhello", (b"hello", "body_cut", False)),
    "cut between chunks": (b"5\r\nhello\r\n", (b"hello", "body_cut", False)),
    "cut after the last size": (b"5\r\nhello\r\n0\r\n", (b"hello", "body_cut", False)),
    "cut inside the trailers": (b"5\r\nhello\r\n0\r\nA: b\r\n", (b"hello", "body_cut", False)),
    "not hex": (b"5\r\nhello\r\nxyz\r\nworld\r\n0\r\n\r\n", (b"hello", "body_invalid", False)),
    "prefix 0x": (b"0x5\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "sign": (b"+5\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "negative": (b"-5\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "underscore": (b"1_0\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "empty size": (b"\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "only an extension": (b";a\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "space before the size": (b" 5\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "space after the size": (b"5 \r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "size beyond 64 bits": (b"10000000000000000\r\nhello", (b"", "body_invalid", False)),
    "bare line feed after a size": (b"5\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "bare line feed in an extension": (b"5;a\nb\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "bare carriage return in an extension": (b"5;a\rb\r\nhello\r\n0\r\n\r\n", (b"", "body_invalid", False)),
    "bare line feed after the data": (b"5\r\nhello\n0\r\n\r\n", (b"hello", "body_invalid", False)),
    "other octets for the CRLF after the data": (b"5\r\nhello..0\r\n\r\n", (b"hello", "body_invalid", False)),
    "data longer than its size": (b"5\r\nhello!\r\n0\r\n\r\n", (b"hello", "body_invalid", False)),
    "data shorter than its size": (b"5\r\nhel\r\n0\r\n\r\n", (b"hel\r\n", "body_invalid", False)),
    "bare line feeds at the end": (b"5\r\nhello\r\n0\n\n", (b"hello", "body_invalid", False)),
    "bare line feed in the trailers": (b"0\r\nA: b\n\r\n", (b"", "body_invalid", False)),
}


@pytest.mark.parametrize(("octets", "result"), CHUNKED.values(), ids=CHUNKED.keys())
def test_chunked_body_is_read_strictly(octets: bytes, result: tuple[bytes, str, bool]) -> None:
    """RFC 9112 section 7.1, exactly; what came before a break is handed over first, however the octets were cut."""
    surplus_is_known = result[1] == "whole"

    for cuts in [[], list(range(len(octets))), *([cut] for cut in range(len(octets)))]:
        content, end, surplus = run(ChunkedBody(), octets, cuts)
        assert (content, end) == result[:2], cuts
        assert not surplus_is_known or surplus == result[2], cuts


@pytest.mark.parametrize(
    ("octets", "end"),
    [
        (b"1;" + b"a" * (MAX_SIZE_LINE_OCTETS - 2) + b"\r\nx\r\n0\r\n\r\n", "whole"),
        (b"1;" + b"a" * (MAX_SIZE_LINE_OCTETS - 1) + b"\r\nx\r\n0\r\n\r\n", "body_invalid"),
        (b"0\r\n" + b"A: b\r\n" * (MAX_TRAILER_OCTETS // 6) + b"\r\n", "whole"),
        (b"0\r\n" + b"A: b\r\n" * (MAX_TRAILER_OCTETS // 6 + 1) + b"\r\n", "body_invalid"),
        (b"0\r\nA: " + b"b" * MAX_TRAILER_OCTETS, "body_invalid"),
    ],
    ids=["longest size line", "longer size line", "most trailers", "more trailers", "endless trailer"],
)
def test_lines_of_the_coding_are_bounded(octets: bytes, end: str) -> None:
    """Extensions and trailers cannot grow without end, also where they come in small pieces."""
    assert run(ChunkedBody(), octets)[1] == end
    assert run(ChunkedBody(), octets, list(range(0, len(octets), 1000)))[1] == end
    near_the_bound = [MAX_SIZE_LINE_OCTETS - 1 + offset for offset in range(5)]
    assert run(ChunkedBody(), octets, near_the_bound)[1] == end


def test_chunks_of_one_read_are_joined() -> None:
    """What came together goes on together."""
    assert ChunkedBody().feed(b"1\r\na\r\n1\r\nb\r\n3\r\nc") == b"abc"


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=20), max_size=6),
    tail=st.sampled_from([b"0\r\n\r\n", b"0;x=y\r\nA: b\r\n\r\n", b"0\r\n", b"", b"zz\r\n", b"5\r\nabcdeX", b"1;\n"]),
    cuts=st.lists(st.integers(0, 400), max_size=40),
)
def test_any_cuts_give_the_same_content_and_end(pieces: list[bytes], tail: bytes, cuts: list[int]) -> None:
    """The decoder sees octets, not packets."""
    octets = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + tail

    content, end, _ = run(ChunkedBody(), octets)

    assert run(ChunkedBody(), octets, cuts)[:2] == (content, end)
    assert content.startswith(b"".join(pieces))


@given(octets=st.text("0123456789aAxX;\r\n \t").map(str.encode), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_any_cuts_of_noise_give_the_same_verdict(octets: bytes, cuts: list[int]) -> None:
    """Also where nothing makes sense."""
    assert run(ChunkedBody(), octets, cuts)[:2] == run(ChunkedBody(), octets)[:2]
