"""Coding piece by piece: everything can be read at once, nothing is lost, and only a whole body gets its end."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.decoding import DECODERS
from support.exchanges import a_failure, an_exchange

from gateway.exchange.failure import BODY_CUT, FailureError
from gateway.policy.content_coding import CODINGS, PIECE_OCTETS, Coded, coder

EACH = pytest.mark.parametrize("coding", CODINGS)


class Body:
    """The chunks of a list, an exception among them raised in its turn."""

    def __init__(self, *steps: bytes | Exception) -> None:
        self.steps = steps
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            yield step

    def ready(self) -> bool:
        return bool(self.steps)

    def close(self) -> None:
        self.closed = True


@EACH
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_each_piece_can_be_read_when_it_is_out(coding: str, pieces: list[bytes]) -> None:
    """Behind each piece of the coded body a client has every octet that went in, and at its end a valid end."""
    made, read = coder(coding)(), DECODERS[coding]()
    for piece in pieces:
        assert read(made.encode(piece)) == piece
    assert not read.ended
    assert read(made.end()) == b"" and read.ended


@EACH
def test_each_chunk_is_one_coded_chunk_and_the_end_is_its_own(coding: str) -> None:
    """What comes together goes out together; the count of plain octets is there before the chunk is out."""
    exchange, read = an_exchange(), DECODERS[coding]()
    coded = iter(Coded(exchange, Body(b"first", b"second"), coder(coding)()))
    assert exchange.plain_bytes is None
    assert read(next(coded)) == b"first" and exchange.plain_bytes == 5
    assert read(next(coded)) == b"second" and exchange.plain_bytes == 11
    assert read(next(coded)) == b"" and read.ended
    assert list(coded) == []


@EACH
def test_chunk_that_made_nothing_is_nothing_in_a_coding(coding: str) -> None:
    """It says that the upstream is not silent; it costs the client no octet."""
    chunks = list(Coded(an_exchange(), Body(b"", b"a", b""), coder(coding)()))

    assert [not chunk for chunk in chunks] == [True, False, True, False]


@EACH
def test_empty_body_becomes_a_valid_one(coding: str) -> None:
    """A body that is known to be empty only when it ends is whole in its coding, too."""
    exchange, read = an_exchange(), DECODERS[coding]()
    (end,) = Coded(exchange, Body(), coder(coding)())
    assert read(end) == b"" and read.ended and exchange.plain_bytes == 0


@EACH
def test_large_chunk_goes_out_in_pieces(coding: str) -> None:
    """Nobody waits for the compression of more than a piece, and none is held twice."""
    chunk = bytes(range(256)) * 1024 + b"tail"
    exchange, read = an_exchange(), DECODERS[coding]()
    coded = [read(piece) for piece in Coded(exchange, Body(chunk), coder(coding)())]
    assert [len(piece) for piece in coded] == [PIECE_OCTETS] * 4 + [4, 0]
    assert b"".join(coded) == chunk and exchange.plain_bytes == len(chunk)


@EACH
def test_cut_body_gets_no_end(coding: str) -> None:
    """What breaks inside passes through, and the coding stays open: nobody takes it for a whole body."""
    read = DECODERS[coding]()
    coded = iter(Coded(an_exchange(), Body(b"half", a_failure(BODY_CUT)), coder(coding)()))
    assert read(next(coded)) == b"half"
    with pytest.raises(FailureError):
        next(coded)
    assert list(coded) == [] and not read.ended


def test_coded_chunks_keep_the_duties_of_chunks() -> None:
    """Readiness and release are those of the body inside."""
    inside = Body(b"x")
    coded = Coded(an_exchange(), inside, coder("gzip")())
    assert coded.ready() and not Coded(an_exchange(), Body(), coder("gzip")()).ready()
    coded.close()
    assert inside.closed


@EACH
def test_open_stream_costs_little(coding: str) -> None:
    """Whatever went through it, a stream holds no more memory for its coding than is documented."""
    program = f"""
import random, sys
from gateway.policy.content_coding import coder
make = coder({coding!r})
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4
rng = random.Random(1)
pieces = [bytes(rng.choices(b"abcdefghij ", k=300)) for _ in range(200)] + [rng.randbytes(65536), b"x" * 65536]
warm = [make() for _ in range(5)]
for each in warm:
    for piece in pieces:
        each.encode(piece)
before = resident()
streams = [make() for _ in range(100)]
for stream in streams:
    for piece in pieces:
        stream.encode(piece)
print((resident() - before) / len(streams))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # With bytecode: compiled anew the modules leave holes in the heap, which the streams fill first.
    assert float(done.stdout) < {"gzip": 80, "zstd": 145}[coding]
