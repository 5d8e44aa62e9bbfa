"""Where log records go: exchange lines to stdout, everything else to stderr, nothing by gunicorn's own rules."""

import logging
import sys
from typing import Any

from gunicorn.glogging import Logger

from gateway.observe.line import LineHandler


def configure(level: str) -> None:
    """Set up logging for this process; calling it again changes only the level."""
    # A log line that cannot be written must not print the record's arguments: they may hold what nobody should read.
    logging.raiseExceptions = False
    lines = logging.getLogger("gateway.exchange")
    if not lines.handlers:
        lines.addHandler(LineHandler(sys.stdout))
        lines.propagate = False
        for name in ("gateway", "gunicorn.error"):
            logger = logging.getLogger(name)
            logger.handlers = [_handler(sys.stderr, "%(asctime)s %(levelname)s %(message)s")]
            logger.propagate = False
    lines.setLevel(logging.INFO)
    for name in ("gateway", "gunicorn.error"):
        logging.getLogger(name).setLevel(level.upper())


def _handler(stream: Any, text: str) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(text))
    return handler


class ServerLog(Logger):
    """gunicorn's logger, using the handlers above; its access log (F13) stays off."""

    def setup(self, cfg: Any) -> None:
        """Keep what `configure` set up."""
        self.loglevel = logging.getLogger("gunicorn.error").level

    def info(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        """Leave out what `Master.start` says better."""
        if not str(msg).startswith("Listening at"):
            super().info(msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: Any, request_time: Any) -> None:
        """Write nothing: an exchange has one line of its own."""

    def reopen_files(self) -> None:
        """Nothing to reopen: logs go to the standard streams."""
