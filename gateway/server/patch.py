"""Make the standard library cooperative. Must run before any other module imports ssl, socket or threading.

Where it comes later, modules keep the blocking originals: every HTTPS upstream then ends in a RecursionError.
"""

import gevent
from gevent import monkey


def patch() -> None:
    """Patch once; calling it again does nothing."""
    # Where each greenlet was begun, for a debugger: 0.5 KiB of every open stream.
    gevent.config.track_greenlet_tree = False
    if not monkey.is_module_patched("socket"):
        monkey.patch_all()
