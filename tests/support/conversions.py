"""Runs a converter over pieces of a body, and keeps all that it gave, also where it failed."""

import itertools
from dataclasses import dataclass

from gateway.formats.conversion.converter import converter
from gateway.formats.conversion.fault import UnconvertibleError, Why


@dataclass(frozen=True)
class Made:
    """What became of a body."""

    octets: bytes
    why: Why | None = None
    detail: str = ""


def converted(source: str, target: str, *pieces: bytes, columns: tuple[str, ...] = ()) -> Made:
    """Return what a fresh converter makes of ``pieces`` and their end."""
    found = converter(source, target, columns)
    made = b""
    try:
        for piece in pieces:
            made += found.feed(piece)
        return Made(made + found.end())
    except UnconvertibleError as error:
        return Made(made + error.before, error.why, error.detail)


def cut_at(body: bytes, places: list[int]) -> list[bytes]:
    """Return ``body`` in pieces that end at ``places``, those that lie outside left out."""
    ends = [0, *sorted({place for place in places if 0 < place < len(body)}), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(ends)]
