"""Errors told inside a stream: whose they are."""

import pytest

from gateway.exchange.marks import InBandError


@pytest.mark.parametrize(
    ("status", "blames"),
    [(400, True), (401, True), (404, True), (408, False), (422, True), (429, False), (500, False), (529, False)],
)
def test_error_blames_the_request_as_its_status_does(status: int, blames: bool) -> None:
    """Too much, too slow and all of the server's own faults may go well elsewhere; the rest would not."""
    assert InBandError("x", status, b"").of_the_request is blames
