"""Texts and brackets of JSON are followed through pieces as a reader who goes octet by octet would."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.formats.brackets import Nesting, Texts, reduced

JSON_LIKE = st.lists(st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]", b"a"]), max_size=40).map(b"".join)


def slowly(data: bytes) -> tuple[bytes, bool]:
    """Return what stands outside of texts, with a mark for each text, and whether the end is within one."""
    outside, inside, escaped = b"", False, False
    for octet in data:
        char = bytes([octet])
        if inside:
            if escaped or char == b"\\":
                escaped = not escaped
            elif char == b'"':
                inside = False
        else:
            outside += char
            inside = char == b'"'
    return outside, inside


@settings(max_examples=300)
@given(begins=st.sampled_from([b"", b'"']), pieces=st.lists(JSON_LIKE, max_size=4))
def test_texts_are_taken_out_as_octet_by_octet(begins: bytes, pieces: list[bytes]) -> None:
    """Escapes may be split between pieces. Outside of texts there are no backslashes in JSON."""
    pieces = [begins, *pieces]
    outside, inside = slowly(b"".join(pieces))
    if b"\\" in outside:
        return
    texts = Texts()
    assert b"".join(texts.without(piece) for piece in pieces) == outside
    assert texts.inside is inside


@pytest.mark.parametrize(
    ("brackets", "left"),
    [
        (b"", (b"", b"")),
        (b"{[]}{}", (b"", b"")),
        (b"}]{[", (b"}]", b"{[")),
        (b"}{}]{[]", (b"}]", b"{")),
        (b"{]", None),
        (b"[}{]", None),
        (b"[" * 100 + b"]" * 100, (b"", b"")),
        (b"}" + b"[" * 100 + b"]" * 99 + b"{", (b"}", b"[{")),
        (b"[" * 100 + b"{" + b"]" * 101, None),
        (b"[" * 100 + b"]" * 99 + b"}", None),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_pairs_are_taken_out_of_a_run_of_brackets(brackets: bytes, left: tuple[bytes, bytes] | None) -> None:
    """What is left closes what was open before, and opens what is open after. Deep nesting takes another way."""
    assert reduced(brackets) == left


def verdict(pieces: list[bytes]) -> tuple[str | None, bool]:
    """Return the first fault in a value of these pieces, and whether it ended."""
    nesting = Nesting(b"[")
    for piece in pieces:
        if nesting.ended:
            return ("something follows the end of the value", True) if piece else (None, True)
        fault = nesting.follow(piece)
        if fault is not None:
            return fault, "follows" in fault
    return None, nesting.ended


@settings(max_examples=300)
@given(data=st.text(alphabet="{}[]", max_size=30).map(str.encode))
def test_brackets_in_one_piece_are_judged_as_one_by_one(data: bytes) -> None:
    """The quick way over a whole piece finds what a slow one finds."""
    assert verdict([data]) == verdict([data[at : at + 1] for at in range(len(data))])
