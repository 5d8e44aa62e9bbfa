"""Recognise frames that differ from one already understood only in texts and numbers that do not matter.

Deltas of one stream are alike but for a few values. One that was parsed and found plain leaves its shape: the octets
around those values. A frame of that shape is valid JSON again, and means the same, so it need not be parsed.
"""

import re
from collections.abc import Callable
from typing import Final

_KEYS = b"content|text|delta|thinking|partial_json|arguments|reasoning|reasoning_content|refusal|obfuscation|signature"
# A key is what these words are between a quote that is no escaped one and a quote with a colon: within a JSON string
# no quote stands without a backslash. Empty texts stay part of the shape, for empty or not is a difference in meaning.
_HOLES: Final = re.compile(
    rb'(?<!\\)"(?:(?:' + _KEYS + rb')"[ ]?:[ ]?"(?!")|(?:sequence_number|created)"[ ]?:[ ]?(?=[0-9]))'
)
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
        self._shapes: list[tuple[bytes, tuple[tuple[bytes, _Hole], ...], bytes]] = []
        self._misses = 0

    def fits(self, name: bytes, data: bytes) -> bool:
        """Tell whether ``data``, under an event ``name``, has a shape that was learnt."""
        for known, holes, last in self._shapes:
            if known == name and data.endswith(last):
                at = 0
                for literal, hole in holes:
                    if not data.startswith(literal, at):
                        break
                    found = hole(data, at + len(literal))
                    if found is None:
                        break
                    at = found.end()
                else:
                    if at + len(last) == len(data):
                        self._misses = 0
                        return True
        return False

    def learn(self, name: bytes, data: bytes) -> None:
        """Remember the shape of a plain frame: valid JSON, with nothing in it to act on but that it carries text.

        A stream whose frames keep having other shapes is left alone after a while.
        """
        if self._misses >= MOST_MISSES or len(data) > LARGEST_BYTES:
            return
        self._misses += 1
        holes: list[tuple[bytes, _Hole]] = []
        at = 0
        for found in _HOLES.finditer(data):
            hole = _TEXT if found.group().endswith(b'"') else _NUMBER
            value = hole(data, found.end())
            if found.start() < at or value is None or len(holes) == MOST_HOLES:
                continue
            holes.append((data[at : found.end()], hole))
            at = value.end()
        if holes:
            self._shapes = [(name, tuple(holes), data[at:]), *self._shapes[: MOST_SHAPES - 1]]
