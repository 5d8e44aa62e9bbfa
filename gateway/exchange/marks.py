"""What was seen in a stream: counted and noted by who watches it, read by everybody else. Pure values."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Usage:
    """Tokens that an answer says it has cost so far; None where it did not say."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class InBandError:
    """An error that the upstream told inside a stream that began well."""

    code: str
    """The upstream's own word for it, at most 64 visible characters: for people, never for a decision."""
    status: int
    """The status that it would have been, from 400 to 599."""
    body: bytes
    """The JSON document that tells it, as the upstream wrote it, at most 64 KiB; empty where it was longer."""


@dataclass(slots=True)
class Marks:
    """What a format has found in the octets of one body so far."""

    format: str
    """Name of the format: ``sse``, ``openai``, ``anthropic``, ``ndjson``, ``json``, ``csv`` or ``opaque``."""
    frames: int = 0
    """Whole frames: events, lines, records. What only keeps a connection alive (comments, blank lines) is none."""
    meaningful: int = 0
    """Frames that carry some of the answer itself."""
    progress_bytes: int = 0
    """Octets that were not sent merely to keep the connection alive."""
    boundary: bool = True
    """Whether the octets so far end between two frames, where others may be put in."""
    terminal: bool = False
    """Whether the answer has said by its own means that it is whole."""
    error: InBandError | None = None
    malformed: str | None = None
    """The first thing that the format does not allow, in words; None while there is none."""
    usage: Usage | None = None
    unwatched: str | None = None
    """Why the rest of the body could not be watched, in words: then `Format.end` says that it may not be whole."""


class Format(Protocol):
    """Watches one body: octets in, marks out, whatever the pieces are."""

    marks: Marks

    def feed(self, data: bytes) -> None:
        """Take the next octets, in pieces of any size; never raises."""

    def end(self) -> str | None:
        """The octets end here: return what is missing of a whole answer, in words, None where nothing is."""
