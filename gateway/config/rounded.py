"""Durations and sizes for people who compare them, in a table of the terminal or of a page: rounded.

Written as in the configuration (`gateway.config.units`), without a space: a cell is one word, also for programs that
read the table. Pure.
"""


def duration(seconds: float) -> str:
    """Return ``0.4s``, ``31s``, ``4m12s``, ``2h05m``, ``3d04h``; what is below zero is zero."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def milliseconds(number: float) -> str:
    """Return ``7.2ms``, ``340ms``, ``1.42s``, ``31.0s``, ``310s``: what is told of short waits."""
    if number < 999.5:
        return f"{number:.0f}ms" if number >= 9.95 else f"{number:.1f}ms"
    seconds = number / 1000
    return f"{seconds:.2f}s" if seconds < 9.995 else f"{seconds:.1f}s" if seconds < 99.95 else f"{seconds:.0f}s"


def octets(number: float) -> str:
    """Return ``0B``, ``812B``, ``1.8KB``, ``41MB``: powers of 1,000."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if number < 999.5 or unit == "TB":
            return f"{number:.0f}{unit}" if unit == "B" or number >= 99.5 else f"{number:.3g}{unit}"
        number /= 1000
    raise AssertionError("unreachable")
