"""JSON to NDJSON and events: each element of an array the moment it is whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.conversions import Made, converted

from gateway.formats.conversion.converter import converter
from gateway.formats.conversion.fault import FRAME_LIMIT_BYTES, Why


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ("[]", ""),
        (" [ ] \n", ""),
        ("[1]", "1\n"),
        ("[1,2 , 3]", "1\n2\n3\n"),
        ('["a]","b\\"}","\\\\"]', '"a]"\n"b\\"}"\n"\\\\"\n'),
        ('[{"a": [1, {"b": "]"}]}, [[]], {}]', '{"a": [1, {"b": "]"}]}\n[[]]\n{}\n'),
        ("[true,false,null]", "true\nfalse\nnull\n"),
        ("[-0,1e400,1E+5,1.50,123456789012345678901234567890,0.1e-9999999999999999999]",
         "-0\n1e400\n1E+5\n1.50\n123456789012345678901234567890\n0.1e-9999999999999999999\n"),
        ('["\\ud800","\\u0000"]', '"\\ud800"\n"\\u0000"\n'),
        ('[\n  {\n    "a b": "c  d",\n    "e": [1, 2]\n  }\n]\n', '{"a b":"c  d","e":[1,2]}\n'),
        ('{"a": 1}', '{"a": 1}\n'),
        ('{\n"a": [1,\r\n2]}\n', '{"a":[1,2]}\n'),
        ("5", "5\n"),
        (" null ", "null\n"),
        ("\ufeff[1]", "1\n"),
        ('[{"a":1,"a":2}]', '{"a":1,"a":2}\n'),
    ],
)  # fmt: skip
def test_each_element_becomes_a_line(document: str, lines: str) -> None:
    """As it was written, but for line breaks and the blanks beside them; what is no array is one line."""
    assert converted("json", "ndjson", document.encode()) == Made(lines.encode())


def test_elements_become_events() -> None:
    """The same values, framed as SSE; an error is an event of that name."""
    made = converted("json", "sse", b'[1, {"error": "no"}, {"a": 2}]')

    assert made == Made(b'data: 1\n\nevent: error\ndata: {"error": "no"}\n\ndata: {"a": 2}\n\n')


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ([b'[{"a":1}', b",", b' {"b":2}'], [b'{"a":1}\n', b"", b'{"b":2}\n']),
        ([b'["a', b'"', b',"b"'], [b"", b'"a"\n', b'"b"\n']),
        ([b"[1", b"2", b","], [b"", b"", b"12\n"]),
        ([b"[[1]", b"]"], [b"[1]\n", b""]),
        ([b'["\\', b'"', b'"', b"]"], [b"", b"", b'"\\""\n', b""]),
    ],
)
def test_element_goes_out_with_its_last_octet(pieces: list[bytes], given: list[bytes]) -> None:
    """Not with the comma behind it; only a number's end is told by what follows."""
    found = converter("json", "ndjson")

    assert [found.feed(piece) for piece in pieces] == given


@pytest.mark.parametrize(
    ("document", "lines", "detail"),
    [
        (b"[1,,2]", b"1\n", "element 2: , where a value should begin"),
        (b"[1,]", b"1\n", "element 2: ] where a value should begin"),
        (b"[,1]", b"", "element 1: , where a value should begin"),
        (b"[1 2]", b"1\n", "element 2: neither a comma nor the array's end before it"),
        (b'[{"a":1}{"b":2}]', b'{"a":1}\n', "element 2: neither a comma nor the array's end before it"),
        (b"[1]]", b"1\n", "behind the array: further octets"),
        (b"[1] [2]", b"1\n", "behind the array: further octets"),
        (b"[1}", b"1\n", "element 2: neither a comma nor the array's end before it"),
        (b"[1,[2}]", b"1\n", "element 2: not JSON: expecting ',' delimiter at character 3"),
        (b"[NaN]", b"", "element 1: not JSON: NaN is no number"),
        (b"[1, tru]", b"1\n", "element 2: not JSON: expecting value at character 1"),
        (b"[01]", b"", "element 1: not JSON: extra data at character 2"),
        (b'["a\nb"]', b"", "element 1: not JSON: invalid control character at character 3"),
        (b'{"a":1} {"b":2}', b"", "element 1: not JSON: extra data at character 9"),
        (b'["\xff"]', b"", "element 1: not UTF-8"),
        (b" <html>", b"", "element 1: no JSON value begins like this"),
    ],
)
def test_broken_document_fails_at_its_place(document: bytes, lines: bytes, detail: str) -> None:
    """What was whole before it goes out."""
    made = converted("json", "ndjson", document)

    assert (made.octets, made.why) == (lines, Why.MALFORMED)
    assert made.detail == detail


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        (b"[1,2", b"1\n"),
        (b"[1,2,", b"1\n2\n"),
        (b"[1", b""),
        (b'[1,"a', b"1\n"),
        (b'[1,{"a":1', b"1\n"),
        (b"", b""),
        (b"  ", b""),
        (b"[", b""),
    ],
)
def test_document_without_end_is_unfinished(document: bytes, lines: bytes) -> None:
    """Half an element is never a line, and the end is no clean one."""
    made = converted("json", "ndjson", document)

    assert (made.octets, made.why) == (lines, Why.UNFINISHED)


@pytest.mark.parametrize("piece_bytes", [7, 4096, 10_000_000])
@pytest.mark.parametrize("opened", [b'["', b'[["', b"[1, 9", b'{"a":"'])
def test_element_above_the_limit_fails(opened: bytes, piece_bytes: int) -> None:
    """An element is held until it is whole, up to a bound; so is a document that is no array."""
    body = opened + b"9" * (FRAME_LIMIT_BYTES + 1)
    made = converted("json", "ndjson", *(body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)))

    assert made.why is Why.MALFORMED
    assert "longer than 1048576 octets" in made.detail


def test_blanks_between_elements_are_not_added_up() -> None:
    """An upstream that keeps the connection alive with blanks does not fill an element with them."""
    made = converted("json", "ndjson", b"[1,", *[b" " * 4096] * 300, b'"a"', *[b"\n" * 4096] * 300, b"]")

    assert made == Made(b'1\n"a"\n')


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_VALUES, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_lines_hold_what_the_array_held(values: list[object], indent: int | None, ascii: bool) -> None:
    """Any array, however it is laid out, comes back from its lines."""
    made = converted("json", "ndjson", json.dumps(values, indent=indent, ensure_ascii=ascii).encode("utf-8", "replace"))

    assert made.why is None
    assert [json.loads(line) for line in made.octets.split(b"\n")[:-1]] == values
