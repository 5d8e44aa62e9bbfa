"""What the probe says that frames take is what they take."""

import ctypes
import sys
from types import FrameType
from typing import Any

import gevent
import pytest
from support.frame_probe import IS_KNOWN, frame_octets

_FRAME_POINTER = 24
"""Where a frame object of CPython 3.11 says where its frame is (``f_frame``)."""


def address(frame: FrameType) -> int:
    return ctypes.c_size_t.from_address(id(frame) + _FRAME_POINTER).value


@pytest.mark.skipif(not IS_KNOWN, reason="frames of this Python are laid out in another way")
def test_sum_of_frames_is_the_memory_from_the_first_to_the_last() -> None:
    """With arguments of all kinds, variables of outer functions, and calls by way of C."""
    found: list[int] = []

    def leaf(first: int, *more: int, **named: int) -> int:
        outer = [first, *more, *named.values()]
        frames = []
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            frames.append(frame)
            frame = frame.f_back
        found.append(address(frames[0]) + frame_octets(frames[0].f_code) - address(frames[-1]))
        found.append(sum(frame_octets(frame.f_code) for frame in frames))
        found.append(address(frames[-1]) % 4096)
        return sum(each + first for each in outer)

    def between(depth: int) -> Any:
        def inner(depth: int, /, *, again: int) -> Any:
            return leaf(depth, again, named=depth)

        return inner(depth, again=depth) if depth == 0 else list(map(between, [depth - 1]))

    gevent.spawn_raw(between, 4)
    gevent.sleep(0)
    real, told, begin = found
    assert (told, begin) == (real, 32)
