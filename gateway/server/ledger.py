"""What each worker has counted, in memory that outlives it: one sheet for each, written by it and read by all.

A worker that dies takes nothing along but the last second: who follows it goes on with its sheet, and until then the
others read it there. Nothing grows, nothing has a name in any file system, and nobody asks another process anything.

A sheet has two halves that are written in turn, so that one is whole whatever moment its writer dies at. Who has a
sheet holds a lock on it, which the kernel gives back when the process ends. Made before the fork, like `Bulletin`.
"""

import fcntl
import logging
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.server.bulletin import nameless_memory
from gateway.server.living import lives

MOST_SHEETS = 512
HALF_BYTES = 8 * 1024 * 1024
"""Room, not memory: only what is written takes any."""

_HEAD = struct.Struct("<QQII")
"""Number, process id, octets and checksum of what was written."""
_LOOKS = 3

_log = logging.getLogger("gateway.server")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a worker wrote last."""

    content: bytes
    alive: bool
    """Whether it still runs: what it counted counts in any case, what it said of its state does not."""


@dataclass(frozen=True, slots=True)
class _Written:
    number: int
    pid: int
    content: bytes


class Ledger:
    """All sheets, and the one of this process once it has claimed one."""

    def __init__(self) -> None:
        self._fd = nameless_memory()
        self._mine: int | None = None
        self._number = 0
        self._unwritten: bytes | None = None
        """What could not be written, so that at least its own worker tells it."""

    def claim(self) -> bytes | None:
        """Take a sheet that belongs to nobody; return what its last owner left there, None for a new one."""
        for index in range(MOST_SHEETS):
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
            except OSError:
                continue
            self._mine = index
            found = self._newest(index)
            self._number = found.number if found is not None else 0
            return found.content if found is not None else None
        _log.warning("more than %d workers: what this one counts is told by itself only", MOST_SHEETS)
        return None

    def write(self, content: bytes) -> None:
        """Put ``content`` in the place of what was written before."""
        if self._mine is None or len(content) > HALF_BYTES - _HEAD.size:
            self._unwritten = content
            return
        self._unwritten = None
        self._number += 1
        at = (2 * self._mine + self._number % 2) * HALF_BYTES
        head = _HEAD.pack(self._number, os.getpid(), len(content), _sum(self._number, content))
        os.pwrite(self._fd, content, at + _HEAD.size)
        os.pwrite(self._fd, head, at)

    def read(self) -> Iterator[Sheet]:
        """Yield what each worker wrote last, past ones included."""
        written = os.fstat(self._fd).st_size // (2 * HALF_BYTES) + 1
        for index in range(min(written, MOST_SHEETS)):
            if index == self._mine and self._unwritten is not None:
                continue
            found = self._newest(index)
            if found is not None:
                yield Sheet(found.content, lives(found.pid))
        if self._unwritten is not None:
            yield Sheet(self._unwritten, alive=True)

    def _newest(self, index: int) -> _Written | None:
        for _ in range(_LOOKS):
            halves = [self._half(index, half) for half in (0, 1)]
            whole = [each for each in halves if isinstance(each, _Written)]
            # Where one is being written at this moment the other may be older than what somebody has read already.
            if "torn" not in halves:
                break
        return max(whole, key=lambda each: each.number, default=None)

    def _half(self, index: int, half: int) -> "_Written | str | None":
        at = (2 * index + half) * HALF_BYTES
        head = os.pread(self._fd, _HEAD.size, at)
        if len(head) < _HEAD.size:
            return None
        number, pid, length, checksum = _HEAD.unpack(head)
        if not number:
            return None
        content = os.pread(self._fd, length, at + _HEAD.size)
        return _Written(number, pid, content) if _sum(number, content) == checksum else "torn"


def _sum(number: int, content: bytes) -> int:
    return zlib.crc32(content, number & 0xFFFF)
