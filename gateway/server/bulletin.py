"""A notice board in memory: the master pins what it read, every worker sees the newest notice and when it changed.

One reader of the file and one value for all: workers never read it themselves, so they cannot differ, and a file that
is replaced meanwhile cannot be seen half. A worker that is forked later finds the newest notice too. The memory has no
name in any file system, for a notice holds secrets.
"""

import os
import pickle
import struct
import tempfile
import zlib
from typing import Any

_HEAD = struct.Struct("<QQI")
"""Number, octets and checksum of the notice."""


class Bulletin:
    """Holds the newest notice. Made before the fork; the master pins, workers look."""

    def __init__(self) -> None:
        self._fd = nameless_memory()
        self._seen = 0
        self._pinned = 0

    def pin(self, notice: Any) -> None:
        """Put ``notice`` in the place of the one before."""
        octets = pickle.dumps(notice)
        self._pinned += 1
        os.pwrite(self._fd, octets, _HEAD.size)
        os.pwrite(self._fd, _HEAD.pack(self._pinned, len(octets), zlib.crc32(octets)), 0)

    def changed(self) -> Any | None:
        """Return a notice not seen before, or None. Costs one small read where there is none."""
        head = os.pread(self._fd, _HEAD.size, 0)
        if len(head) < _HEAD.size:
            return None
        number, length, checksum = _HEAD.unpack(head)
        if number == self._seen:
            return None
        octets = os.pread(self._fd, length, _HEAD.size)
        if zlib.crc32(octets) != checksum:
            return None  # It is being pinned at this moment; the next look finds it whole.
        self._seen = number
        return pickle.loads(octets)  # noqa: S301 - memory without a name, written by our own master only


def nameless_memory() -> int:
    """Return a descriptor of memory that processes share and that has no name in any file system."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("slowgate")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
