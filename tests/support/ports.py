"""Free ports on loopback. None is given twice in one test run, nor to two runs side by side."""

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

_LOWEST, _BLOCK_PORTS = 10_000, 250
_DYNAMIC_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")

_lock = threading.Lock()
_claims: list[socket.socket] = []


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 nobody listens on, and that no connection gets by itself."""
    with _lock:
        return next(_ports)


def _free_ports() -> Iterator[int]:
    """Yield the free ports of blocks that belong to this process alone, then any that the kernel finds.

    The blocks lie below the ports that the kernel gives to connections: one of those could be taken by anybody between
    this call and the start of who shall listen on it.
    """
    mixed = random.SystemRandom().sample(blocks(), len(blocks()))
    for block in filter(claimed, mixed):
        yield from filter(_is_free, range(block, block + _BLOCK_PORTS))
    given: set[int] = set()
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in given:
            given.add(port)
            yield port


def blocks() -> range:
    """Return the first port of each block; none where the kernel does not say which ports it gives away."""
    try:
        end = int(_DYNAMIC_RANGE.read_text().split()[0])
    except OSError:
        end = 0
    return range(_LOWEST, end - _BLOCK_PORTS + 1, _BLOCK_PORTS)


def block_of(port: int) -> int:
    """Return the first port of the block that ``port`` is in."""
    return _LOWEST + (port - _LOWEST) // _BLOCK_PORTS * _BLOCK_PORTS


def claimed(block: int) -> bool:
    """Take a block for this process if nobody has it: a name in the kernel, which one socket has at a time."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0slowgate-test-ports-{block}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_ports = _free_ports()
