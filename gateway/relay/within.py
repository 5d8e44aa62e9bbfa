"""A limit for something that waits in several places, or where libraries wait."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what takes longer, wherever it waits: raises TimeoutError."""
    timeout = gevent.Timeout(seconds)  # No OSError, which the libraries on the way would take for one of their own.
    timeout.start()
    try:
        yield
    except gevent.Timeout as error:
        if error is not timeout:
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    finally:
        timeout.close()
