"""What machine it is, and how busy."""

import os
import platform
import resource
from pathlib import Path
from time import monotonic


def facts() -> dict[str, str | int | float]:
    """Return what figures depend on, in words and numbers. Names of the machine itself are not among them."""
    return {
        "cores": os.cpu_count() or 0,
        "cpu": _cpu(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": " ".join((platform.system(), platform.release().partition("-")[0])),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


class Elsewhere:
    """Tells how many cores were busy, on average, with what is not ours since this was made."""

    def __init__(self) -> None:
        self._began, self._busy, self._ours = monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float:
        """Return it; all that we started must have ended."""
        others = _busy_seconds() - self._busy - (_own_seconds() - self._ours)
        return round(max(0.0, others) / (monotonic() - self._began), 2)


def _busy_seconds() -> float:
    """Return what all cores together have worked since the machine was started; nothing where no kernel says so."""
    try:
        user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    except (OSError, ValueError):
        return 0.0
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return what this process and all that it started, and waited for, have used."""
    both = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
