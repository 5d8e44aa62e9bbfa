"""What machine it is, and how busy."""

import os
import platform
from pathlib import Path


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


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
