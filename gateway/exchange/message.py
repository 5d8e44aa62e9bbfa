"""The heads and bodies of an exchange: plain values that every room may hold.

Field lines are ``(name, value)`` pairs of latin-1 text as they stood on the wire: order, case and repetition are kept
(RFC 9110 section 5.3). Nothing here parses; bytes are parsed once, at the edges.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Fields = list[tuple[str, str]]
"""Field lines in wire order. Names keep their case; compare them with ``name.lower()``."""


class Source(Enum):
    """Who wrote a reply."""

    UPSTREAM = "upstream"
    LOCAL = "local"


class Chunks(Protocol):
    """A body as it arrives: an iterable with a duty.

    ``close`` gives back what the body holds (its connection) and may be called at any time, also twice, also when
    iteration never began. Iterating raises ``FailureError`` where the body does not come whole. A large chunk may be a
    memoryview where the route looks into no bodies (`Route.looks_into_bodies`), to be measured, sliced, joined or sent.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def ready(self) -> bool:
        """Whether the next chunk (or the end) can be had without waiting."""

    def close(self) -> None: ...


class Upload(Protocol):
    """The request's body on its way up, pulled from the client while it is pushed to the upstream."""

    length: int | None
    """Octets announced by the client's Content-Length; None for a chunked body."""

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        """Begin to move pieces through ``write``, then call ``finish`` once, only if the body came whole.

        Large pieces may be memoryviews, see `Chunks`.
        Returns as soon as the rest goes on in the background. A client that fails to deliver interrupts the exchange;
        an upstream that stops reading ends the upload quietly, for it may already have answered (RFC 9112 9.3).
        """

    def stop(self) -> None:
        """End the movement now, without ``finish``. After it, `start` may begin anew where `replayable`."""

    @property
    def replayable(self) -> bool:
        """Whether every octet that was taken from the client can still be sent: none was, or all are kept."""

    @property
    def kept_bytes(self) -> int:
        """Octets that are kept to be sent again."""

    def collect(self, most: int) -> bytes | None:
        """Return the whole body, read before any of it is sent; None where it has more than ``most`` octets.

        It is sent from what was read by the `start` that follows. Raises ``FailureError`` where it does not come whole.
        """

    def settle(self) -> None:
        """There will be no further attempt: keep nothing for one."""


class FixedChunks:
    """A body that is there as a whole: one chunk, or none if it is empty. It holds nothing to give back."""

    __slots__ = ("_body",)

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._body,) if self._body else ())

    def ready(self) -> bool:
        """Say yes: it is all there."""
        return True

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@dataclass(slots=True)
class RequestHead:
    """What the client asked: the request line and the field lines, as they came."""

    method: str
    target: str
    """The request target as sent, for example ``/a%2Fb?x=1``; for absolute-form only its path and query."""
    version: tuple[int, int]
    fields: Fields
    scheme: str
    """``http`` or ``https``: how the client reached us."""
    authority: str
    """The Host field, or the authority of an absolute-form target, which wins (RFC 9112 section 3.2.2)."""
    peer: str
    """Address of the connection's other end; empty on a unix socket."""
    peer_port: int
    body_length: int | None
    """Octets of the body; 0 without one; None if it is chunked."""

    @property
    def has_body(self) -> bool:
        """Whether body octets may follow."""
        return self.body_length != 0

    def first(self, name: str) -> str | None:
        """Return the first value of the field ``name`` (lower case), or None."""
        return first_value(self.fields, name)


@dataclass(slots=True)
class ReplyHead:
    """A status line and its field lines."""

    status: int
    reason: str
    fields: Fields

    def first(self, name: str) -> str | None:
        """Return the first value of the field ``name`` (lower case), or None."""
        return first_value(self.fields, name)


@dataclass(slots=True)
class Reply:
    """What goes downstream: a head, its chunks and who wrote it."""

    head: ReplyHead
    chunks: Chunks
    source: Source
    length: int | None = None
    """Octets of the body where they are known; None for a body whose end only its framing or its close tells."""


def first_value(fields: Fields, name: str) -> str | None:
    """Return the value of the first field line called ``name`` (lower case), or None."""
    for field, value in fields:
        if field.lower() == name:
            return value
    return None
