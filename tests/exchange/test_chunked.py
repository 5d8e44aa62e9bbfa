"""The chunked coding by itself; what a broken or cut body means is for each side to say."""

import pytest

from gateway.exchange.chunked import ChunkedDecoder


def test_octets_behind_the_end_are_handed_back() -> None:
    """What follows a body is the next message, octet for octet."""
    decoder = ChunkedDecoder()

    assert decoder.feed(b"2\r\nhi\r\n0\r\n\r\nGET / HT") == b"hi"
    assert decoder.whole
    assert decoder.rest == b"GET / HT"


def test_a_broken_coding_says_what_is_wrong() -> None:
    """Content before the broken place is returned; nothing after it is decoded."""
    decoder = ChunkedDecoder()

    assert decoder.feed(b"2\r\nhi\r\n0x2\r\nhi\r\n") == b"hi"
    assert decoder.over
    assert not decoder.whole
    assert decoder.broken == "a chunk's size is not a hexadecimal number"


def test_the_place_of_a_cut_is_known() -> None:
    """Whoever sees the connection end can say where the body was."""
    decoder = ChunkedDecoder()
    places = [decoder.place]
    for octets in (b"2\r\nh", b"i\r\n", b"0\r\n"):
        decoder.feed(octets)
        places.append(decoder.place)

    assert places == ["before the last chunk", "inside a chunk", "before the last chunk", "in its trailer section"]


@pytest.mark.parametrize(
    "octets",
    [
        b"fffffffffffffffb\r\n",
        b"1000000000000005\r\n",
        b"0000000000000005\r\n",
        b"5;a\x0bb\r\nhello\r\n",
        b"5;a\x1f\r\nhello\r\n",
        b"5;a\x7f\r\nhello\r\n",
        b"0\r\nX-Trailer\r\n\r\n",
        b"0\r\nX-Trailer : 1\r\n\r\n",
        b"0\r\nX: 1\r\n 2\r\n\r\n",
        b"0\r\n: 1\r\n\r\n",
        b"0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"0\r\nX: \x1b\r\n\r\n",
    ],
)
def test_lines_that_two_readers_could_take_for_different_ones_break_the_coding(octets: bytes) -> None:
    """Sizes stay within 64 bits with a sign, extensions are text, trailers are field lines (RFC 9112 section 7.1)."""
    whole, split = ChunkedDecoder(), ChunkedDecoder()
    whole.feed(octets)
    for octet in octets:
        if not split.over:
            split.feed(bytes([octet]))

    assert whole.broken is not None
    assert split.broken == whole.broken


@pytest.mark.parametrize("step", [7, 4095, 4096, 5000, 20_000, 1 << 20])
def test_pieces_of_any_size_decode_to_the_same_content(step: int) -> None:
    """Small chunks and large ones, alone or together, whole or cut anywhere: the same octets, as ``bytes``."""
    chunks = [
        bytes([number % 251]) * size for number, size in enumerate([1, 4093, 4094, 4095, 3, 9000, 65_536, 2, 4096])
    ]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + b"0\r\n\r\nrest"
    decoder = ChunkedDecoder()
    content: list[bytes] = []
    for at in range(0, len(coded), step):
        if not decoder.over:
            content.append(decoder.feed(coded[at : at + step]))

    assert all(type(each) is bytes for each in content)
    assert b"".join(content) == b"".join(chunks)
    assert decoder.whole


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"5\r\nhelloXX", "a chunk is not followed by CRLF"),
        (b"0x5\r\nhello\r\n", "a chunk's size is not a hexadecimal number"),
        (b"+5\r\nhello\r\n", "a chunk's size is not a hexadecimal number"),
        (b"5_\r\nhello\r\n", "a chunk's size is not a hexadecimal number"),
        (b" 5\r\nhello\r\n", "a chunk's size is not a hexadecimal number"),
        (b"0000000000000005\r\nhello\r\n", "a chunk's size is not a hexadecimal number"),
    ],
)
def test_a_chunk_that_comes_alone_is_read_as_strictly(octets: bytes, why: str) -> None:
    """What an event nearly always is has a way of its own, and the same law."""
    decoder = ChunkedDecoder()
    decoder.feed(octets)

    assert decoder.broken == why


def test_a_chunk_that_comes_alone_behind_half_a_chunk_belongs_to_it() -> None:
    """Data that looks like a whole chunk is data."""
    decoder = ChunkedDecoder()

    assert decoder.feed(b"c\r\nab") == b"ab"
    assert decoder.feed(b"5\r\nabcde\r\n") == b"5\r\nabcde\r\n"
    assert decoder.feed(b"\r\n2\r\nhi\r\n0\r\n\r\n") == b"hi"
    assert decoder.whole


def test_trailers_are_no_chunks() -> None:
    """Behind the last chunk a line that could be a size is a trailer, and not one."""
    decoder = ChunkedDecoder()
    decoder.feed(b"0\r\n")
    decoder.feed(b"2\r\nhi\r\n")

    assert decoder.broken == "a trailer is not a field line"
