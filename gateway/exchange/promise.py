"""What a head that went out before the upstream's promises about the body, and whether an answer keeps it. Pure."""

from dataclasses import dataclass

from gateway.exchange.message import ReplyHead
from gateway.exchange.wire import Wire

_WITHOUT_THE_WHOLE = (204, 205, 206)
"""Statuses of success without a body, or with a part of one: under 200 either would pass for the whole."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the client was told already: a 200 with a body of a certain type, in no content coding."""

    wire: Wire
    media_types: frozenset[str]
    """Lower-case names of one and the same type."""

    def broken_by(self, head: ReplyHead) -> str | None:
        """Return why the body under ``head`` is not what was promised, in words; None where it is."""
        if not 200 <= head.status < 300 or head.status in _WITHOUT_THE_WHOLE:
            return f"answered {head.status}"
        media_type = (head.first("content-type") or "").partition(";")[0].strip(" \t").lower()
        if media_type not in self.media_types:
            return f"answered {head.status} with {media_type or 'no Content-Type'}"
        coding = (head.first("content-encoding") or "identity").strip(" \t").lower()
        return None if coding == "identity" else f"answered {head.status} in the content coding {coding}"
