"""The reader of answers and octets made by chance: typed failures only, however they are cut, as h11 reads them."""

import re
from collections.abc import Iterable

from hypothesis import strategies as st
from support import h11_readings
from support.fuzzing import cuts, fuzz, pieces, responses

from gateway.exchange.failure import FailureError
from gateway.exchange.message import ReplyHead
from gateway.upstream.bodies import decoder
from gateway.upstream.head import HeadReader

_H11_REFUSES = re.compile(rb"[ \t];")
"""White space before a chunk extension, which RFC 9112 section 7.1.1 wants to be accepted."""


def answer_in(octets: Iterable[bytes]) -> tuple[str, ReplyHead | None, bytes, list[ReplyHead]]:
    """Read one answer to a GET; return how it ended, its head, its body and the interim heads before it."""
    told: list[ReplyHead] = []
    reader = HeadReader("GET", told.append)
    rest = iter(octets)
    try:
        framed = next((framed for piece in rest if (framed := reader.feed(piece)) is not None), None)
    except FailureError as error:
        return error.failure.kind.code, None, b"", told
    if framed is None:
        return "no head", None, b"", told
    of_body = decoder(framed)
    body = b""
    for piece in (framed.rest, *rest):
        if of_body.over:
            break
        if piece:
            body += of_body.feed(piece)
    if not of_body.over:
        of_body.close()
    return "whole" if of_body.failure is None else of_body.failure.kind.code, framed.head, body, told


def check_one(octets: bytes, at: list[int]) -> str:
    """Compare the readings of ``octets`` whole, cut and octet by octet, and h11's; return how they end."""
    reading = answer_in([octets])
    assert answer_in(pieces(octets, at)) == reading
    assert answer_in([octets[index : index + 1] for index in range(len(octets))]) == reading
    end, head, body, _ = reading
    if end == "whole" and head is not None:
        theirs = h11_readings.answer_in(octets)
        assert theirs == (head.status, body, True) or (theirs is None and _H11_REFUSES.search(octets))
    return end


def test_octets_by_chance_have_one_reading_however_they_are_cut() -> None:
    """What is accepted, h11 reads as the same answer; nothing but a typed failure ever comes out."""
    ends: list[str] = []
    fuzz(st.tuples(responses(), cuts()), lambda example: ends.append(check_one(*example)), examples=400)
    assert {"whole", "no head", "head_invalid", "body_cut", "body_invalid"} <= set(ends)
