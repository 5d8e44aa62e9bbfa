"""Bodies that fail before they begin."""

import pytest

from gateway.exchange.failed_chunks import FailedChunks
from gateway.exchange.failure import CONNECT_REFUSED, Failure, FailureError


def test_failure_is_raised_where_the_first_chunk_is_asked_for() -> None:
    """Not before: making an iterator of them, or asking whether one is ready, is no reading."""
    failure = Failure(CONNECT_REFUSED, "x")
    chunks = FailedChunks(failure)
    rest = iter(chunks)
    assert not chunks.ready()

    with pytest.raises(FailureError) as raised:
        next(rest)

    assert raised.value.failure is failure
    chunks.close()
