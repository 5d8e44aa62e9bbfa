"""Runs of large chunks that are read without being copied: the same octets as in any other way, or the same error."""

from collections.abc import Iterable
from itertools import cycle

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.exchange.chunked import ChunkedDecoder
from gateway.exchange.scattered import RunReader

LARGE = 16 * 1024
MOST = 64 * 1024
FILLING = bytes(range(251)) * 400
"""Of a length that no size divides: what lands in a wrong place differs."""


class Wire:
    """What comes over a connection, in reads of the sizes that are given in turn."""

    def __init__(self, octets: bytes, reads: Iterable[int] = (1 << 30,)) -> None:
        self.octets = octets
        self.at = 0
        self.run_reads = 0
        self._reads = cycle(reads)

    def receive(self, buffers: list[memoryview]) -> tuple[int, None, None, None]:
        began, room = self.at, next(self._reads)
        for buffer in buffers:
            some = self.octets[self.at : self.at + min(len(buffer), room)]
            buffer[: len(some)] = some
            self.at += len(some)
            room -= len(some)
        self.run_reads += 1
        return self.at - began, None, None, None

    def take(self, most: int) -> bytes:
        some = self.octets[self.at : self.at + min(most, next(self._reads))]
        self.at += len(some)
        return some


def decode(wire: Wire, most: int = MOST) -> tuple[bytes, ChunkedDecoder]:
    """Decode all that comes, in runs wherever there is one."""
    decoder = ChunkedDecoder()
    runs = RunReader(decoder, most)
    pieces = []
    while not decoder.over and wire.at < len(wire.octets):
        if runs.ready():
            came, content = runs.read(wire.receive)
            assert came
            pieces.append(content)
        else:
            pieces.append(decoder.feed(wire.take(most)))
    return b"".join(pieces), decoder


def decode_plainly(octets: bytes) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder()
    return decoder.feed(octets), decoder


def state(decoder: ChunkedDecoder) -> tuple[object, ...]:
    return decoder.over, decoder.whole, decoder.broken, decoder.place, decoder.left


def chunks(*sizes: int, write: str = "%x") -> bytes:
    return b"".join((write % size).encode() + b"\r\n" + FILLING[:size] + b"\r\n" for size in sizes)


END = b"0\r\n\r\n"
SIZES = st.sampled_from([LARGE, LARGE, LARGE, LARGE + 1, 3 * LARGE, MOST + 7, 5])
ENDS = st.sampled_from([END, b"0;x\r\nA: b\r\n\r\n", b"", b"4000", b"4000\r\nx\n", b"4000\rx", b"\r\n", b"g\r\n"])
CUTS = st.lists(st.one_of(st.integers(1, 12), st.integers(1000, 2 * MOST)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=300)
@given(sizes=st.lists(SIZES, max_size=8), end=ENDS, reads=CUTS)
@example(sizes=[LARGE] * 9, end=END, reads=[LARGE + 8])
@example(sizes=[LARGE] * 9, end=END, reads=[LARGE + 6, 1])
def test_every_octet_comes_as_in_any_other_way(sizes: list[int], end: bytes, reads: list[int]) -> None:
    """Whatever the chunks are and wherever reads end: the same content, the same end, and the same defect."""
    octets = chunks(*sizes) + end
    content, decoder = decode(Wire(octets, [*reads, LARGE]))
    plain_content, plain = decode_plainly(octets)

    assert content == plain_content
    assert state(decoder) == state(plain)


@pytest.mark.parametrize("write", ["%x", "%X", "000%x"])
def test_a_run_is_read_without_being_copied(write: str) -> None:
    """However the size is written: after the first chunk there is nothing that goes through the decoder."""
    wire = Wire(chunks(*[0xABCD] * 20, write=write))
    decoder = ChunkedDecoder()
    runs = RunReader(decoder, MOST)
    first = decoder.feed(wire.take(0xABCD + 20))

    pieces = whole_run(runs, wire)

    assert max(map(len, pieces)) == MOST
    assert first + b"".join(pieces) == FILLING[:0xABCD] * 20


def test_a_run_is_read_so_from_wherever_it_is_read() -> None:
    """Whoever sends chunk by chunk is read chunk by chunk: from the size line on, which is where they begin."""
    one = chunks(LARGE)
    wire = Wire(one * 9, reads=[len(one)])
    decoder = ChunkedDecoder()
    decoder.feed(wire.take(len(one)))

    assert whole_run(RunReader(decoder, MOST), wire) == [FILLING[:LARGE]] * 8


def test_another_size_is_another_run() -> None:
    """What was expected of one run is not expected of the next."""
    decoder = ChunkedDecoder()
    runs = RunReader(decoder, MOST)
    for size in (LARGE, 2 * LARGE, LARGE):
        wire = Wire(chunks(*[size] * 4))
        first = decoder.feed(wire.take(size))
        assert first + b"".join(whole_run(runs, wire)) == FILLING[:size] * 4


def whole_run(runs: RunReader, wire: Wire) -> list[bytes]:
    """Read all there is, where nothing of it may go through the decoder."""
    pieces = []
    while wire.at < len(wire.octets):
        assert runs.ready()
        pieces.append(runs.read(wire.receive)[1])
    assert all(isinstance(piece, memoryview) for piece in pieces)
    return pieces


def test_a_piece_stays_as_it_is_when_the_next_is_read() -> None:
    """Its memory is used for nothing else, for as long as somebody has it."""
    wire = Wire(chunks(LARGE, LARGE, LARGE, 3 * LARGE))
    decoder = ChunkedDecoder()
    runs = RunReader(decoder, LARGE)
    decoder.feed(wire.take(LARGE))

    kept = [runs.read(wire.receive)[1] for _ in range(3)]

    everything = FILLING[:LARGE] * 3 + FILLING[: 3 * LARGE]
    assert b"".join(kept) == everything[LARGE - len("4000\r\n") :][: 3 * LARGE]


@pytest.mark.parametrize(
    "behind",
    [b"4000\r\n", b"400\r\n\r\n", b"4000;a=b\r\n", b"\x004000\r\n", b"4000\n\r", b"00004000\r\n"],
)
def test_what_was_not_expected_goes_through_the_decoder(behind: bytes) -> None:
    """A guess that does not hold is no defect by itself, and hides none (RFC 9112 section 7.1)."""
    octets = chunks(LARGE, LARGE) + behind + FILLING[:LARGE] + b"\r\n" + chunks(LARGE) + END
    content, decoder = decode(Wire(octets))
    plain_content, plain = decode_plainly(octets)

    assert content == plain_content
    assert state(decoder) == state(plain)


def test_small_chunks_are_no_run() -> None:
    """Events are not guessed: they are nearly never of one size, and copying them costs next to nothing."""
    decoder = ChunkedDecoder()
    decoder.feed(chunks(LARGE, 100))

    assert not RunReader(decoder, MOST).ready()


@pytest.mark.parametrize("raises", [BlockingIOError, ConnectionResetError])
def test_a_read_that_fails_changes_nothing(raises: type[OSError]) -> None:
    """Where nothing was there yet the next read goes on."""
    decoder = ChunkedDecoder()
    decoder.feed(chunks(LARGE)[:-1000])
    runs = RunReader(decoder, MOST)
    left = decoder.left

    def fail(buffers: list[memoryview]) -> tuple[int, None, None, None]:
        raise raises

    with pytest.raises(raises):
        runs.read(fail)
    assert runs.ready()
    assert decoder.left == left
    assert runs.read(lambda buffers: (0, None, None, None)) == (0, b"")
    assert not decoder.over
