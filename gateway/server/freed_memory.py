"""What the C library does with memory that was freed: keep a little of it, for the next large piece of a body.

By default glibc gives the end of the heap back to the system as soon as some hundred KiB of it are free, and asks for
it again for the next piece: bulk then spends more on new pages than on moving octets.
"""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
KEPT_BYTES = 4 * 1024 * 1024
"""More than the pieces that one turn of the loop has in its hands; a worker's memory may stay larger by that much."""
_MAPPED_FROM_BYTES = 2 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Let the C library keep up to ``KEPT_BYTES`` at the end of its heap; False where it knows no such setting."""
    try:
        import ctypes  # A Python that was built without libffi has none.

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, AttributeError):
        return False  # musl, for one, has its own ways.
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES)) and bool(mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES))
