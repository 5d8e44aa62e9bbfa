"""Response bodies: octets in, content out, for each way a body's end is known (RFC 9112 section 6.3). Pure.

A decoder's ``feed`` returns the content in what it was given, as it is, joined to one piece. When ``over`` is set the
body has ended: well, or with ``failure`` set, and then everything that came before the break was returned first.
"""

from typing import Protocol

from gateway.exchange.chunked import ChunkedDecoder
from gateway.exchange.failure import BODY_CUT, BODY_INVALID, Failure
from gateway.upstream.head import FramedHead, Framing


class Decoder(Protocol):
    """Takes what arrives after a head and finds the end."""

    over: bool

    @property
    def surplus(self) -> bool:
        """Whether octets came after the end of the body."""

    @property
    def failure(self) -> Failure | None:
        """Why the end is not a good one, once ``over``."""

    def feed(self, data: bytes) -> bytes:
        """Take octets as they arrived; return the content among them, perhaps none. Not to be called once over."""

    def close(self) -> None:
        """The upstream will send nothing more: set ``over``, and ``failure`` if that is too early."""


def decoder(framed: FramedHead) -> Decoder:
    """Return the decoder for the body after a head. It may be over already."""
    if framed.framing is Framing.CHUNKED:
        return ChunkedBody()
    if framed.framing is Framing.CLOSE:
        return CloseDecoder()
    made = LengthDecoder(framed.length)
    made.surplus = made.over and bool(framed.rest)
    return made


class LengthDecoder:
    """A body of ``length`` octets."""

    __slots__ = ("_left", "failure", "over", "surplus")

    def __init__(self, length: int) -> None:
        self._left = length
        self.over = length == 0
        self.surplus = False
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> bytes:
        """See `Decoder`."""
        self._left = left = self._left - len(data)
        if left > 0:
            return data
        self.over = True
        if left < 0:
            self.surplus = True
            return data[:left]
        return data

    def close(self) -> None:
        """See `Decoder`."""
        self.over = True
        self.failure = Failure(BODY_CUT, f"{self._left} octets of its Content-Length are missing")


class CloseDecoder:
    """A body that ends where the connection does."""

    __slots__ = ("failure", "over", "surplus")

    def __init__(self) -> None:
        self.over = False
        self.surplus = False
        self.failure: Failure | None = None

    def feed(self, data: bytes) -> bytes:
        """See `Decoder`."""
        return data

    def close(self) -> None:
        """See `Decoder`."""
        self.over = True


class ChunkedBody(ChunkedDecoder):
    """A body in the chunked coding."""

    __slots__ = ("_cut",)

    def __init__(self) -> None:
        super().__init__()
        self._cut: Failure | None = None

    @property
    def surplus(self) -> bool:
        """See `Decoder`."""
        return bool(self.rest)

    @property
    def failure(self) -> Failure | None:
        """See `Decoder`."""
        return Failure(BODY_INVALID, self.broken) if self.broken is not None else self._cut

    def close(self) -> None:
        """See `Decoder`."""
        self.over = True
        self._cut = Failure(BODY_CUT, self.place)
