"""Large pieces of bodies: how a socket puts them into place, and who still has one."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any


def received_into(buffers: list[memoryview], recv: Callable[[int], bytes]) -> tuple[int, list[Any], int, None]:
    """Fill ``buffers`` one after the other by ``recv``, as a socket's ``recvmsg_into`` does."""
    filled = 0
    for buffer in buffers:
        some = recv(len(buffer))
        buffer[: len(some)] = some
        filled += len(some)
    return filled, [], 0, None


def three_pieces(octets: int, held: list[object]) -> Iterator[Any]:
    """Yield three memoryviews of ``octets`` each; put each that is still held into ``held`` when the next is asked for.

    None stands there for one that was let go of.
    """
    for _ in range(3):
        piece = memoryview(bytearray(octets))
        one = weakref.ref(piece)
        yield piece
        del piece
        held.append(one())
