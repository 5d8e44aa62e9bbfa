"""What the gateway itself asks (for health, tokens, keys, checks, receivers) goes the same way as everybody's requests.

Nobody's exchange stands behind it, so nothing is watched: who asks has a deadline for the whole of it, which comes as
an exception thrown into the wait.
"""

from collections.abc import Callable

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, Reply, ReplyHead, RequestHead
from gateway.exchange.target import Endpoint
from gateway.upstream.opening import Opener


def answer_to(
    opener: Opener,
    asker: str,
    endpoint: Endpoint,
    target: str,
    fields: Fields,
    *,
    body: bytes | None = None,
    fresh: bool = True,
) -> Reply:
    """Return the answer to a GET with ``fields`` below Host, or to a POST of ``body``; its chunks are to be closed.

    ``fresh`` takes a new connection. Without it a kept one may have been closed by the other side just then: what was
    asked is asked once more, on a new one, so that a body that came twice must do no harm. ``asker`` is the id of the
    exchange that this is not. Raises ``FailureError`` where there is no answer.
    """
    method, length = ("GET", 0) if body is None else ("POST", len(body))
    head = RequestHead(method, target, (1, 1), [], endpoint.scheme, endpoint.authority, "", 0, length)
    lines = [("Host", endpoint.authority), *fields]
    for last in (fresh, True):
        attempt = Attempt(endpoint, target, lines, fresh=last)
        upload = None if body is None else _FixedUpload(body)
        try:
            return opener.open(Exchange(asker, head, 0.0, upload=upload), attempt, _Unwatched())
        except FailureError:
            if last or not attempt.reused or attempt.answered:
                raise
    raise AssertionError("the last attempt returns or raises")


class _Unwatched:
    """A `Watch` that arms nothing: whoever asks has a deadline for the whole of it."""

    def connecting(self) -> None:
        """Say nothing."""

    def connected(self) -> None:
        """Say nothing."""

    def sent(self) -> None:
        """Say nothing."""

    def answered(self) -> None:
        """Say nothing."""

    def informational(self, head: ReplyHead) -> None:
        """Say nothing."""


class _FixedUpload:
    """A body that is there as a whole: an ``Upload`` (see ``exchange.message``)."""

    replayable = True

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length: int | None = len(body)

    def start(self, write: Callable[[bytes], None], finish: Callable[[], None]) -> None:
        """Send all of it at once."""
        write(self._body)
        finish()

    def stop(self) -> None:
        """Do nothing: nothing runs."""

    @property
    def kept_bytes(self) -> int:
        """None of it was received from anybody."""
        return 0

    def collect(self, most: int) -> bytes | None:
        """Return all of it."""
        return self._body if len(self._body) <= most else None

    def settle(self) -> None:
        """Do nothing: it is small."""
