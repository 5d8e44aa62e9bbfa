"""Whether a request's body asks for a stream, as those of the model APIs do: ``"stream": true``."""

import re

_ASKED = re.compile(rb'"stream"\s*:\s*true')
_OVERLAP_BYTES = 64


class AsksToStream:
    """Looks at a request's body as it passes. ``asked`` is set once it was found; the pieces may be of any size.

    It looks for the words, not for their place in the document: the same words as a member of something else count,
    too; those inside a string do not, for there the quotation marks are escaped.
    """

    __slots__ = ("_tail", "asked")

    def __init__(self) -> None:
        self.asked = False
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        """Take the next octets."""
        if self.asked:
            return
        octets = self._tail + piece
        self.asked = _ASKED.search(octets) is not None
        self._tail = octets[-_OVERLAP_BYTES:]
