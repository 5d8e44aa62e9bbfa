"""The chunked coding by itself; what a broken or cut body means is for each side to say."""

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
