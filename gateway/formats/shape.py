"""Recognise frames that differ from one already understood only in texts and numbers that do not matter.

Deltas of one stream are alike but for a few values. One that was parsed and found plain leaves its shape: the octets
around those values. A frame of that shape holds valid JSON again, and means the same, so it need not be parsed.
"""

import re
from collections.abc import Callable
from typing import Final

_KEYS = b"content|text|delta|thinking|partial_json|arguments|reasoning|reasoning_content|refusal|obfuscation|signature"
# A key is what these words are between a quote that is no escaped one and a quote with a colon: within a JSON string
# no quote stands without a backslash. Empty texts stay part of the shape, for empty or not is a difference in meaning.
_HOLES: Final = re.compile(rb'(?<!\\)"(?:(?:' + _KEYS + rb')"[ ]?:[ ]?"(?!")|sequence_number"[ ]?:[ ]?(?=[0-9]))')
_TEXT: Final = re.compile(rb'(?!")[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+').match
_NUMBER: Final = re.compile(rb"(?:0|[1-9][0-9]{0,15})(?=[,}])").match
_Hole = Callable[[bytes, int], re.Match[bytes] | None]

MOST_SHAPES = 4
MOST_HOLES = 6
LARGEST_BYTES = 4096
MOST_MISSES = 32


class Shapes:
    """The shapes of one stream's plain frames, a few."""

    __slots__ = ("_misses", "_shapes")

    def __init__(self) -> None:
        self._shapes: list[tuple[bytes, tuple[tuple[_Hole, bytes], ...]]] = []
        self._misses = 0

    def fits(self, frame: bytes) -> bool:
        """Tell whether these octets have a shape that was learnt."""
        for first, holes in self._shapes:
            if frame.startswith(first):
                at = len(first)
                for hole, literal in holes:
                    found = hole(frame, at)
                    if found is None:
                        break
                    at = found.end()
                    if not frame.startswith(literal, at):
                        break
                    at += len(literal)
                else:
                    if at == len(frame):
                        self._misses = 0
                        return True
        return False

    def learn(self, frame: bytes) -> None:
        """Remember the shape of a plain frame: JSON that was parsed, with nothing in it but some of the answer.

        A stream whose frames keep having other shapes is left alone after a while.
        """
        if self._misses >= MOST_MISSES or len(frame) > LARGEST_BYTES:
            return
        self._misses += 1
        literals: list[bytes] = []
        holes: list[_Hole] = []
        at = 0
        for found in _HOLES.finditer(frame):
            hole = _TEXT if found.group().endswith(b'"') else _NUMBER
            value = hole(frame, found.end())
            if value is not None and len(holes) < MOST_HOLES:
                literals.append(frame[at : found.end()])
                holes.append(hole)
                at = value.end()
        if holes:
            shape = literals[0], tuple(zip(holes, [*literals[1:], frame[at:]], strict=True))
            self._shapes = [shape, *self._shapes[: MOST_SHAPES - 1]]
