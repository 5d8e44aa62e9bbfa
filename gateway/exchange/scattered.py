"""Runs of equal chunks, read with their data side by side: it need not be copied then to be in one piece.

Bulk in the chunked coding nearly always comes in chunks of one size. So it can be guessed where the next size lines
will stand, and one read puts them aside and the data between them into one piece of memory (scatter input). What was
put aside is compared with what was expected, octet for octet; where it differs, all that was read takes the ordinary
way through the decoder.
"""

from collections.abc import Callable
from typing import Any, cast

from gateway.exchange.chunked import ChunkedDecoder

Receive = Callable[[list[memoryview]], tuple[int, Any, Any, Any]]
"""A socket's ``recvmsg_into``: fills the buffers one after the other, and tells first how many octets came."""


class RunReader:
    """Reads what one decoder is to decode, where that is in a run; up to ``most`` octets of data at once."""

    __slots__ = ("_decoder", "_expected", "_line", "_lines", "_most", "_put_aside", "_run", "_size")

    def __init__(self, decoder: ChunkedDecoder, most: int) -> None:
        self._decoder = decoder
        self._most = most
        self._run = b""

    def ready(self) -> bool:
        """Whether the decoder stands in a run: only then may be read."""
        return self._decoder.in_run()

    def read(self, receive: Receive) -> tuple[int, bytes]:
        """Read once. Return how many octets came, none at the connection's end, and the content among them.

        That is a memoryview, which can be measured, sliced, joined and sent like bytes, of memory that is used for
        nothing else. The decoder then stands behind it. What ``receive`` raises passes, and changes nothing.
        """
        decoder, most = self._decoder, self._most
        if decoder.run != self._run:
            self._expect(decoder.run)
        size, line = self._size, len(self._line)
        begun = min(max(decoder.left - 2, 0), most)
        passed = 0 if decoder.left else 2  # The CRLF before a size line belongs to the chunk before it.
        content = memoryview(bytearray(most))
        buffers = [content[:begun]]
        for aside, at in zip(self._lines, range(begun, most, size), strict=False):
            buffers += aside, content[at : at + size]
        if passed:
            buffers[1] = buffers[1][passed:]
        came = receive(buffers)[0]
        if came <= begun:
            if came:
                decoder.go_on(decoder.left - came)
            return came, cast(bytes, content[:came])
        # From the first CRLF on: so many whole chunks with the lines before them, and a part of one more.
        chunks, part = divmod(came - begun + passed, line + size)
        lined = chunks * line + min(part, line)
        if self._put_aside[passed:lined] != self._expected[passed:lined]:
            return came, decoder.feed(b"".join(buffers)[:came])
        if part < line:
            decoder.go_on(2, self._line[:part])
        else:
            decoder.go_on(2 + size + line - part)
        return came, cast(bytes, content[: came - (lined - passed)])

    def _expect(self, run: bytes) -> None:
        """Prepare for chunks whose size is written like ``run``."""
        self._run = run
        self._size = int(run, 16)
        self._line = b"\r\n%b\r\n" % run
        self._expected = self._line * (self._most // self._size + 1)
        self._put_aside = memoryview(bytearray(len(self._expected)))
        step = len(self._line)
        self._lines = [self._put_aside[at : at + step] for at in range(0, len(self._expected), step)]
