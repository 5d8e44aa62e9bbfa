"""Fuzzing with a bound: a fixed set of examples in every run, and new ones for FUZZ_SECONDS where that is set.

The octets are made from a grammar of messages that are mostly valid, and then damaged where readers are known to
differ: line ends, spaces, framing, names, sizes.
"""

import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")

_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "get", "X-ODD~"]
_TARGETS = ["/a", "/", "/a?b=c", "/a%2fb//c", "/x;y=z?", "/first"]
_NAMES = [
    "X-A", "x-b", "Accept", "Cookie", "Content-Length", "Transfer-Encoding", "Connection", "Host", "Expect",
    "TE", "Trailer", "Upgrade", "Content_Length", "Transfer-Encoding ", "\tX-C", "", "X[D]",
]  # fmt: skip
_VALUES = [
    "1", "a b", "", "5", "05", "+5", "5, 5", "0", "18446744073709551621", "chunked", "Chunked", "identity",
    "gzip, chunked", "chunked, chunked", "\vchunked", "close", "keep-alive", "Content-Length", "100-continue",
    "gateway.test", "evil.test", "\xe9\xff", "a\0b", "a\rb", "a\nb", "a\r\n b",
]  # fmt: skip
_ODD = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\0", b" ", b"\t", b":", b",", b";", b"\xff", b"0", b"5", b"\r\n ",
    b"\x0b", b"\x7f", b"chunked", b"#", b"-", b"0\r\n\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 ", b"GET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n",
]  # fmt: skip
_STATUSES = [
    "200 OK",
    "200",
    "404 Not Found",
    "204 No Content",
    "304 Not Modified",
    "500 ",
    "100 Continue",
    "103 Hints",
]

_line_end = st.sampled_from(["\r\n"] * 40 + ["\n", "\r", "\r\r\n"])
_sizes = st.sampled_from(["5", "05", "5;a=b", "5 ;a", "5;a\n", "0x5", "+5", "4", "6", "5 ", "fffffffffffffffb", ""])


def fuzz(examples_of: st.SearchStrategy[T], check: Callable[[T], None], examples: int = 200) -> None:
    """Call ``check`` with ``examples`` examples, the same ones each time; then with others until FUZZ_SECONDS are over.

    Hypothesis names the smallest example that fails.
    """
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "0"))
    number = 0
    while True:

        @seed(number)
        @settings(
            max_examples=examples,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(examples_of)
        def one_round(example: T) -> None:
            check(example)

        one_round()
        if time.monotonic() >= until:
            return
        number = time.time_ns()


@st.composite
def _body(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Return framing lines, and a body that mostly fits them."""
    kind = draw(st.sampled_from(["none", "length", "length", "chunked", "chunked", "odd"]))
    if kind == "none":
        return [], b""
    if kind == "length":
        return ["Content-Length: 5"], b"hello"
    if kind == "chunked":
        size = draw(st.one_of(st.just("5"), _sizes))
        trailer = draw(st.sampled_from(["", "", "", "X-T: 1\r\n", "X-T : 1\r\n", "Host: evil\r\n", "bad\r\n"]))
        return ["Transfer-Encoding: chunked"], f"{size}\r\nhello\r\n0\r\n{trailer}\r\n".encode()
    return draw(st.sampled_from(_FRAMINGS)), b"5\r\nhello\r\n0\r\n\r\n"


_FRAMINGS = [
    ["Content-Length: 50"],
    ["Content-Length: 20"],
    ["Content-Length: 5", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 15"],
    ["Content-Length: 5", "Content-Length: 5"],
    ["Content-Length: 5", "Content-Length: 15"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: identity", "Content-Length: 15"],
]


@st.composite
def _message(draw: st.DrawFn, first_lines: st.SearchStrategy[str], always: list[str]) -> bytes:
    framing, body = draw(_body())
    odd = draw(st.lists(st.builds("{}: {}".format, st.sampled_from(_NAMES), st.sampled_from(_VALUES)), max_size=2))
    plain = draw(st.lists(st.sampled_from(["X-A: 1", "Accept: */*", "x_y: z", "Empty:"]), max_size=2))
    lines = draw(st.permutations([*always, *framing, *plain, *(odd if draw(st.booleans()) else [])]))
    head = "".join(line + draw(_line_end) for line in [draw(first_lines), *lines, ""])
    return head.encode("latin-1") + body


@st.composite
def _damaged(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    octets = draw(messages)
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2, 3]))):
        at = draw(st.integers(0, len(octets)))
        taken = draw(st.sampled_from([0, 0, 0, 1, 2, 10, 5000]))
        put = draw(st.one_of(st.sampled_from(_ODD), st.binary(max_size=3)))
        octets = octets[:at] + put + octets[at + taken :]
    return octets


def _joined(parts: list[bytes]) -> bytes:
    return b"".join(parts)


def requests() -> st.SearchStrategy[bytes]:
    """Return octets that are one request or a few, most of them damaged."""
    line = st.builds(
        "{} {} {}".format,
        st.sampled_from(_METHODS),
        st.sampled_from(_TARGETS),
        st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/1.2"]),
    )
    return st.lists(_damaged(_message(line, ["Host: gateway.test"])), min_size=1, max_size=3).map(_joined)


def responses() -> st.SearchStrategy[bytes]:
    """Return octets that are one answer, perhaps behind interim ones, most of them damaged."""
    line = st.builds(
        "{} {}".format, st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/2"]), st.sampled_from(_STATUSES)
    )
    return st.lists(_damaged(_message(line, [])), min_size=1, max_size=2).map(_joined)


def cuts() -> st.SearchStrategy[list[int]]:
    """Return places to cut octets at; see `pieces`."""
    return st.lists(st.integers(0, 2000), max_size=12)


def pieces(octets: bytes, at: list[int]) -> list[bytes]:
    """Return ``octets`` cut at the places ``at``, each taken modulo the length; none of them is empty."""
    edges = sorted({0, len(octets), *(place % (len(octets) + 1) for place in at)})
    return [octets[start:end] for start, end in pairwise(edges)]
