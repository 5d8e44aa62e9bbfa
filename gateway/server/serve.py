"""Serve a configuration: try the addresses, then run the master."""

import logging
import os
import resource
import sys

from gateway.server.binding import CannotBind, addresses, try_to_bind
from gateway.server.configuration import Configuration
from gateway.server.master import Application, Master, Source

CANNOT_BIND = 69
"""Exit status where an address cannot be bound (sysexits: EX_UNAVAILABLE)."""
_FILES_BESIDE_STREAMS = 128

_log = logging.getLogger("gateway.server")


def serve(configuration: Configuration, source: Source | None = None) -> None:
    """Serve until stopped; does not return. Leaves with ``CANNOT_BIND`` before anything is started."""
    try:
        for address in addresses(configuration.settings):
            try_to_bind(address)
    except CannotBind as error:
        sys.stderr.write(f"gateway: {error}\n")
        sys.exit(CANNOT_BIND)
    _allow_open_files(configuration.settings.server.max_connections)
    os.environ.pop("GUNICORN_CMD_ARGS", None)
    Master(Application(configuration, source)).run()


def _allow_open_files(max_connections: int) -> None:
    """Use all descriptors we may have: a stream needs one on each side."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    needed = 2 * max_connections + _FILES_BESIDE_STREAMS
    if most not in (resource.RLIM_INFINITY, -1) and most < needed:
        what = "server.max_connections = %d needs %d open files; the limit is %d (raise it: ulimit -Hn, LimitNOFILE=)"
        _log.warning(what, max_connections, needed, most)
