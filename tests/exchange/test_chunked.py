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
