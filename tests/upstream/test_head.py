"""Response heads: what is understood, what is refused, and that the network's cuts change neither."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.failure import FailureError
from gateway.exchange.message import ReplyHead
from gateway.upstream.head import (
    MAX_FIELDS,
    MAX_HEAD_OCTETS,
    MAX_INTERIM_HEADS,
    FramedHead,
    Framing,
    HeadReader,
)


def nobody(head: ReplyHead) -> None:
    """Ignore an interim head."""


def read(octets: bytes, method: str = "GET", informational: Callable[[ReplyHead], None] = nobody) -> FramedHead:
    """Return the final head in ``octets``, which hold it whole."""
    framed = HeadReader(method, informational).feed(octets)
    assert framed is not None
    return framed


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    """Return the octets of a head."""
    return "".join(f"{line}\r\n" for line in (status, *lines, "")).encode("latin-1")


def refusal(octets: bytes, cut: int | None = None) -> str:
    """Return the code of the failure for ``octets``, fed in one piece, or cut in two, or as single octets."""
    reader = HeadReader("GET", nobody)
    pieces = [octets] if cut is None else [octets[:cut], octets[cut:]]
    with pytest.raises(FailureError) as caught:
        for piece in pieces:
            reader.feed(piece)
    return caught.value.failure.kind.code


def test_head_keeps_its_fields_in_order_case_and_repetition() -> None:
    """Nothing is joined, sorted, folded or dropped; only the white space around a value goes."""
    framed = read(
        head("Set-Cookie: a=1; Path=/", "x_Odd-NAME:  v \t", "Set-Cookie: b=2", "Empty:", "Content-Length: 0")
    )

    assert framed.head == ReplyHead(
        200,
        "OK",
        [
            ("Set-Cookie", "a=1; Path=/"),
            ("x_Odd-NAME", "v"),
            ("Set-Cookie", "b=2"),
            ("Empty", ""),
            ("Content-Length", "0"),
        ],
    )


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.0 299 Many Words, (all) kept", 299, "Many Words, (all) kept"),
        ("HTTP/1.1 404 ", 404, ""),
        ("HTTP/1.1 599", 599, ""),
        ("HTTP/1.1 999 \xe4\xff", 999, "\xe4\xff"),
    ],
)
def test_status_line_gives_status_and_reason(line: str, status: int, reason: str) -> None:
    """Unusual codes and reasons pass as they are; a reason may be missing."""
    framed = read(head(status=line))

    assert (framed.head.status, framed.head.reason) == (status, reason)


def test_value_with_octets_above_ascii_is_kept() -> None:
    """obs-text is relayed octet for octet (RFC 9110 section 5.5)."""
    framed = read(b"HTTP/1.1 200 OK\r\nX: \x80\xff\xc3\xa4\r\n\r\n")

    assert framed.head.fields[0][1].encode("latin-1") == b"\x80\xff\xc3\xa4"


REFUSED = {
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "body without a head": b"<html></html>\r\n\r\n",
    "version 2": b"HTTP/2.0 200 OK\r\n\r\n",
    "version 1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "version in lower case": b"http/1.1 200 OK\r\n\r\n",
    "empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "tab before the status": b"HTTP/1.1\t200 OK\r\n\r\n",
    "two spaces before the status": b"HTTP/1.1  200 OK\r\n\r\n",
    "control octet in the reason": b"HTTP/1.1 200 O\x07K\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare line feed in a value": b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 5\r\n\r\n",
    "bare carriage return": b"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 5\r\n\r\n",
    "space before the colon": head("Content-Length : 5"),
    "line without a colon": head("whatever", "Content-Length: 5"),
    "folded line": head("A: b", " c"),
    "space before the first field": head(" A: b"),
    "empty name": head(": b"),
    "name outside the token set": head("A(b): c"),
    "name above ASCII": head("\xc4: c"),
    "NUL in a value": head("A: b\x00c"),
    "escape in a value": head("A: \x1b[2J"),
    "DEL in a value": head("A: \x7f"),
    "vertical tab in a value": head("A: \x0b"),
    "differing lengths": head("Content-Length: 5", "Content-Length: 6"),
    "signed length": head("Content-Length: +5"),
    "negative length": head("Content-Length: -5"),
    "listed length": head("Content-Length: 5, 5"),
    "length in hex": head("Content-Length: 0x5"),
    "empty length": head("Content-Length:"),
    "length in odd digits": head("Content-Length: \xb2"),
    "length beyond any number": head("Content-Length: " + "9" * 40),
    "unknown coding": head("Transfer-Encoding: gzip"),
    "chunked not alone": head("Transfer-Encoding: gzip, chunked"),
    "chunked not last": head("Transfer-Encoding: chunked, gzip"),
    "chunked twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "mangled chunked": head("Transfer-Encoding: xchunked"),
    "empty coding": head("Transfer-Encoding:"),
    "coding in HTTP/1.0": head("Transfer-Encoding: chunked", status="HTTP/1.0 200 OK"),
}


@pytest.mark.parametrize("octets", REFUSED.values(), ids=REFUSED.keys())
def test_head_that_could_be_read_in_two_ways_is_refused(octets: bytes) -> None:
    """What another reader might take for something else goes no further, however it was cut on the way."""
    assert refusal(octets) == "head_invalid"
    assert {refusal(octets, cut) for cut in range(len(octets))} == {"head_invalid"}


def test_refusal_names_the_line_but_not_its_content() -> None:
    """The operator finds the bad line; a secret in it stays out of the log."""
    with pytest.raises(FailureError) as caught:
        read(head("Good: 1", "Authorization secret", "Good: 2"))

    assert "field line 2 has no colon" in caught.value.failure.detail
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (" folded", "field line 1 is folded or begins with a space"),
        ("A: b\x00", "field line 1 has a control octet in its value"),
        ("A : b", "the name in field line 1 is not a token"),
        ("A: b\rC", "a carriage return or a line feed stands alone"),
    ],
)
def test_refusal_says_what_is_wrong(line: str, why: str) -> None:
    """Each kind of bad line has its own sentence."""
    with pytest.raises(FailureError) as caught:
        read(head(line))

    assert why in caught.value.failure.detail


def test_garbage_is_refused_at_its_first_octets() -> None:
    """Nobody waits for the end of a head that is none."""
    with pytest.raises(FailureError):
        HeadReader("GET", nobody).feed(b"220 smtp")


@pytest.mark.parametrize(
    "octets",
    [
        head("A: " + "b" * MAX_HEAD_OCTETS),
        head(*(f"A{number}: b" for number in range(MAX_FIELDS + 1))),
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * MAX_HEAD_OCTETS,
    ],
    ids=["octets", "fields", "no end"],
)
def test_head_beyond_the_bounds_is_too_large(octets: bytes) -> None:
    """Memory is bounded, and the failure says which bound it was."""
    assert refusal(octets) == "head_too_large"
    assert refusal(octets, MAX_HEAD_OCTETS // 2) == "head_too_large"


def test_head_just_within_the_bounds_passes() -> None:
    """The bounds are what they say."""
    many = head(*("A: b" for _ in range(MAX_FIELDS)))
    start = b"HTTP/1.1 200 OK\r\nA: "
    long = start + b"b" * (MAX_HEAD_OCTETS - len(start) - 2) + b"\r\n\r\n"

    assert len(read(many).head.fields) == MAX_FIELDS
    assert read(long).head.status == 200


@pytest.mark.parametrize(
    ("octets", "method", "framing", "length", "persistent"),
    [
        (head("Content-Length: 5"), "GET", Framing.LENGTH, 5, True),
        (head("Content-Length: 0"), "GET", Framing.LENGTH, 0, True),
        (head("Content-Length: 007", "content-length: 007"), "GET", Framing.LENGTH, 7, True),
        (head("Transfer-Encoding: Chunked"), "GET", Framing.CHUNKED, 0, True),
        (head("Content-Length: 5", "Transfer-Encoding: chunked"), "GET", Framing.CHUNKED, 0, False),
        (head(), "GET", Framing.CLOSE, 0, False),
        (head("Connection: keep-alive"), "GET", Framing.CLOSE, 0, False),
        (head("Content-Length: 5"), "HEAD", Framing.NONE, 0, True),
        (head("Transfer-Encoding: chunked"), "HEAD", Framing.NONE, 0, True),
        (head(status="HTTP/1.1 204 No Content"), "GET", Framing.NONE, 0, True),
        (head("Content-Length: 0", status="HTTP/1.1 204 No Content"), "GET", Framing.NONE, 0, True),
        (head("Content-Length: 5", status="HTTP/1.1 204 No Content"), "GET", Framing.NONE, 0, False),
        (head("Transfer-Encoding: chunked", status="HTTP/1.1 204 No Content"), "GET", Framing.NONE, 0, False),
        (head("Content-Length: 5", status="HTTP/1.1 304 Not Modified"), "GET", Framing.NONE, 0, True),
        (head("Content-Length: 5", "Connection: Close"), "GET", Framing.LENGTH, 5, False),
        (head("Content-Length: 5", "Connection: x , ,close"), "GET", Framing.LENGTH, 5, False),
        (head("Content-Length: 5", "Connection: x", "Connection: close"), "GET", Framing.LENGTH, 5, False),
        (head("Content-Length: 5", status="HTTP/1.0 200 OK"), "GET", Framing.LENGTH, 5, False),
        (head("Content-Length: 5", "Connection: Keep-Alive", status="HTTP/1.0 200 OK"), "GET", Framing.LENGTH, 5, True),
    ],
)
def test_head_decides_how_its_body_ends(
    octets: bytes, method: str, framing: Framing, length: int, persistent: bool
) -> None:
    """RFC 9112 section 6.3, and section 9.3 for whether the connection lives on."""
    framed = read(octets, method)

    assert (framed.framing, framed.length, framed.persistent) == (framing, length, persistent)


@pytest.mark.parametrize(
    ("lines", "status", "method", "left"),
    [
        (["Content-Length: 5"], "200 OK", "GET", ["5"]),
        (["Content-Length: 5", "X: y", "Content-Length: 5"], "200 OK", "GET", ["5"]),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], "200 OK", "GET", []),
        (["Content-Length: 010"], "200 OK", "GET", ["10"]),
        (["Content-Length: 010", "X: y", "Content-Length: 010"], "200 OK", "HEAD", ["10"]),
        (["Content-Length: 00"], "304 Not Modified", "GET", ["0"]),
        (["Content-Length: 5"], "200 OK", "HEAD", ["5"]),
        (["Content-Length: 5"], "304 Not Modified", "GET", ["5"]),
        (["Content-Length: 5"], "204 No Content", "GET", []),
    ],
)
def test_content_length_stays_once_where_it_is_true(
    lines: list[str], status: str, method: str, left: list[str]
) -> None:
    """Also for HEAD and 304, where it describes a body that is not sent (RFC 9110 section 8.6); never as octal."""
    framed = read(head("Transfer: kept", *lines, status=f"HTTP/1.1 {status}"), method)

    assert [value for name, value in framed.head.fields if name == "Content-Length"] == left
    assert "Transfer-Encoding" not in dict(framed.head.fields)
    assert framed.head.first("transfer") == "kept"


def test_octets_behind_the_head_are_handed_over() -> None:
    """The body's beginning is not lost."""
    assert read(head("Content-Length: 5") + b"hel").rest == b"hel"


def test_interim_heads_are_reported_and_skipped() -> None:
    """100 is a matter between the two of us; 102 and 103 are told; none is the answer (RFC 9110 section 15.2)."""
    told: list[ReplyHead] = []
    interim = [head(status="HTTP/1.1 100 Continue"), head("Link: </a>", status="HTTP/1.1 103 Early Hints")]
    reader = HeadReader("GET", told.append)

    framed = reader.feed(b"".join(interim) + head("Content-Length: 2") + b"ok")

    assert framed is not None
    assert (framed.head.status, framed.rest) == (200, b"ok")
    assert told == [ReplyHead(103, "Early Hints", [("Link", "</a>")])]
    assert reader.continued


def test_switching_protocols_is_refused() -> None:
    """Nobody asked for it, and what follows would not be HTTP."""
    assert refusal(head("Upgrade: websocket", status="HTTP/1.1 101 Switching Protocols")) == "upgrade_refused"


def test_interim_heads_without_end_are_refused() -> None:
    """An upstream cannot keep us busy for ever with answers that are none."""
    endless = head(status="HTTP/1.1 102 Processing") * (MAX_INTERIM_HEADS + 1)

    assert refusal(endless) == "head_invalid"


GOOD_LINES = ["A: b", "C: \xe4", "Content-Length: 3", "Transfer-Encoding: chunked", "Connection: close", "E:  "]
BAD_LINES = ["bad", "A : b", "A: \x01", "Content-Length: x", "A: b\n", "A: b\r"]
LINES = st.lists(st.sampled_from(GOOD_LINES + BAD_LINES), max_size=5)


def outcome(octets: bytes, cuts: list[int]) -> object:
    """Return what a reader makes of ``octets`` cut at ``cuts``: the head and all that is behind it, or a code."""
    told: list[ReplyHead] = []
    reader = HeadReader("GET", told.append)
    edges = [0, *sorted(cut % (len(octets) + 1) for cut in cuts), len(octets)]
    try:
        for start, end in pairwise(edges):
            framed = reader.feed(octets[start:end])
            if framed is not None:
                framed.rest += octets[end:]
                return framed, told
    except FailureError as error:
        return error.failure.kind.code
    return None


@given(
    interim=st.lists(st.sampled_from(["100 Continue", "103 Early Hints", "101 No", "1x"]), max_size=2),
    lines=LINES,
    rest=st.binary(max_size=6),
    cuts=st.lists(st.integers(0, 400), max_size=40),
)
def test_any_cuts_give_the_same_verdict(interim: list[str], lines: list[str], rest: bytes, cuts: list[int]) -> None:
    """The verdict is about the octets, not about the packets they came in."""
    octets = b"".join(head(status=f"HTTP/1.1 {line}") for line in interim) + head(*lines) + rest

    assert outcome(octets, cuts) == outcome(octets, [])
