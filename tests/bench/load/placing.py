"""Which processors a target and what is around it run on."""

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator

from bench.load import accounting
from bench.load.target import Target


@contextlib.contextmanager
def apart(target: Target, upstream: Target) -> Iterator[None]:
    """Keep ``target`` on a processor of its own, ``upstream`` and this process on the others; afterwards all on all.

    To wake a process costs whoever wakes it more or less, by where it last ran and whether that processor sleeps; left
    to the scheduler it is luck who pays. Does nothing where there is one processor, or target and upstream are one.
    """
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2 or target == upstream:
        yield
        return
    own = {max(everywhere)}
    around = (upstream.pid, os.getpid())
    try:
        _keep(accounting.tree(target.pid), own)
        _keep(around, everywhere - own)
        yield
    finally:
        _keep((*accounting.tree(target.pid), *around), everywhere)


def _keep(pids: Iterable[int], processors: set[int]) -> None:
    """Let every thread of ``pids`` run on ``processors`` only. What has ended by now has none."""
    for pid in pids:
        for thread in glob.iglob(f"/proc/{pid}/task/*"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(int(os.path.basename(thread)), processors)
