"""What the kernel has booked for a process and all below it: CPU time in nanoseconds, memory (Linux)."""

import contextlib
import time
from pathlib import Path

from support import processes

_CPU_CLOCK_OF_PROCESS = 2
"""CPUCLOCK_SCHED in linux/posix-timers_types.h: the scheduler's own sum, all threads, also those that have ended."""


def tree(pid: int) -> list[int]:
    """Return ``pid`` and the ids of all living processes below it."""
    return [pid, *(one for child in processes.children(pid) for one in tree(child))]


def cpu_seconds(pid: int) -> float:
    """Return what the tree of ``pid`` has used so far, in user and kernel mode. Not in ticks of 10 ms, as in stat."""
    return sum(map(_one_cpu_seconds, tree(pid)))


def _one_cpu_seconds(pid: int) -> float:
    with contextlib.suppress(OSError):  # it ended just now
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)
    return 0.0


def pss_kib(pid: int) -> int:
    """Return the proportional memory of the tree of ``pid``; what the kernel keeps for sockets is not in it."""
    return sum(map(_one_pss_kib, tree(pid)))


def _one_pss_kib(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
