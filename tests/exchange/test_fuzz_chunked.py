"""The chunked coding, fed with octets made by chance and compared with its grammar, written down as a pattern."""

import re

from hypothesis import strategies as st
from support.fuzzing import cuts, fuzz, pieces

from gateway.exchange.chunked import ChunkedDecoder

_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;" + _TEXT + rb")?\r\n")
_TRAILERS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:" + _TEXT + rb"\r\n)*\r\n")
_PARTS = [
    b"5\r\nhello\r\n", b"05\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"5 ;a\r\nhello\r\n", b"0\r\n", b"000\r\n", b"\r\n",
    b"\n", b"\r", b"5", b"5\r\n", b"hello", b";", b";\n", b"X: 1\r\n", b"X : 1\r\n", b" 1\r\n", b"a\r\n0123456789\r\n",
    b"0x5\r\n", b"5 \r\n", b"0\r\n\r\n", b"1\r\n\r\r\n", b"1\r\n\n\r\n", b"10000000000000005\r\n",
    b"GET / HTTP/1.1\r\n",
]  # fmt: skip


def whole_body(octets: bytes) -> tuple[bytes, bytes] | None:
    """Return the content and what follows the body, if ``octets`` begin with a whole one (RFC 9112 section 7.1)."""
    content, at = b"", 0
    while (line := _SIZE.match(octets, at)) is not None:
        at, size = line.end(), int(line[1], 16)
        if size == 0:
            trailers = _TRAILERS.match(octets, at)
            return None if trailers is None else (content, octets[trailers.end() :])
        content += octets[at : at + size]
        at += size + 2
        if octets[at - 2 : at] != b"\r\n":
            return None
    return None


def decoded(parts: list[bytes]) -> tuple[bytes, bytes | None, bool, str | None]:
    """Return the content, what follows where the body is whole, whether it is over, and what broke it."""
    decoder = ChunkedDecoder()
    content, rest = b"", list(parts)
    while rest and not decoder.over:
        content += decoder.feed(rest.pop(0))
    return content, decoder.rest + b"".join(rest) if decoder.whole else None, decoder.over, decoder.broken


def check_one(octets: bytes, at: list[int]) -> str:
    """Compare the readings of ``octets`` whole, cut and octet by octet, and the pattern's; return how they end."""
    content, rest, over, broken = reading = decoded([octets])
    assert decoded(pieces(octets, at)) == reading
    assert decoded([octets[index : index + 1] for index in range(len(octets))]) == reading
    assert whole_body(octets) == (None if rest is None else (content, rest))
    return "broken" if broken is not None else "whole" if over else "open"


def test_octets_by_chance_have_one_reading_however_they_are_cut() -> None:
    """A body is whole exactly where the grammar says so; its content and its end are the grammar's."""
    endings: list[str] = []
    noise = st.lists(st.sampled_from(_PARTS) | st.binary(max_size=2), min_size=1, max_size=8).map(b"".join)
    sizes = st.sampled_from(
        [b"5", b"05", b"5;a", b"5 ;a", b"5 ", b"+5", b"0x5", b"5\n", b"5\r", b"5;\n", b"5;\x0b", b"6"]
    )
    ends = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"", b"XX", b"\r\r"])
    chunk = st.builds(b"%b\r\nhello%b".__mod__, st.tuples(sizes, ends))
    last = st.sampled_from([b"0\r\n"] * 4 + [b"0 \r\n", b"00;a\r\n", b"0\n", b"-0\r\n"])
    trailer = st.sampled_from([b""] * 4 + [b"X: 1\r\n", b"X : 1\r\n", b" 1\r\n", b"X\r\n", b"X: \0\r\n"])
    bodies = st.tuples(st.lists(chunk, max_size=2).map(b"".join), last, trailer, ends, st.binary(max_size=3))
    octets = noise | bodies.map(b"".join)
    fuzz(st.tuples(octets, cuts()), lambda example: endings.append(check_one(*example)), examples=1000)
    assert min(map(endings.count, ("broken", "whole", "open"))) > 10
