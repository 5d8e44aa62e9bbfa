"""A body that fails before its first octet."""

from collections.abc import Iterator

from gateway.exchange.failure import Failure, FailureError


class FailedChunks:
    """What there is to relay where the head went out, but no body will come: ``Chunks`` that raise ``failure``."""

    __slots__ = ("_failure",)

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def __iter__(self) -> Iterator[bytes]:
        """Raise ``FailureError`` where the first chunk is asked for."""
        yield from ()
        raise FailureError(self._failure)

    def ready(self) -> bool:
        """Say no: whoever takes the first chunk along with the head would meet the failure too soon."""
        return False

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
