"""Numbers as people read them in a table. Pure; None is a dash."""

import datetime

NOTHING = "\N{EN DASH}"


def duration(seconds: float | None) -> str:
    """Return ``0.4s``, ``31s``, ``4m 12s``, ``2h 05m``, ``3d 04h``."""
    if seconds is None:
        return NOTHING
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def milliseconds(number: float | None) -> str:
    """Return ``7 ms``, ``340 ms``, ``1.42 s``, ``31 s``."""
    if number is None:
        return NOTHING
    if number < 999.5:
        return f"{number:.0f} ms" if number >= 9.95 else f"{number:.1f} ms"
    seconds = number / 1000
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s" if seconds < 99.95 else f"{seconds:.0f} s"


def octets(number: float | None) -> str:
    """Return ``0 B``, ``812 B``, ``1.8 KB``, ``41 MB``: powers of 1,000."""
    if number is None:
        return NOTHING
    for unit in ("B", "KB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def count(number: float | None) -> str:
    """Return whole numbers with a comma between thousands."""
    return NOTHING if number is None else f"{number:,.0f}"


def clock(moment: float) -> str:
    """Return the time of day of ``moment``, seconds since 1970, in UTC."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%H:%M:%S")
