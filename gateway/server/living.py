"""Whether a process is there."""

import os


def lives(pid: int) -> bool:
    """Tell whether a process has this id, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
