"""The table of failures."""

import pytest

from gateway.exchange.failure import BODY_CUT, KINDS, Abort, Failure, FailureError, Interruption, Kind, Side


def test_codes_are_unique() -> None:
    """A code in a log names one kind."""
    assert len({kind.code for kind in KINDS}) == len(KINDS) > 30


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code)
def test_side_and_status_of_a_kind_agree(kind: Kind) -> None:
    """The client's mistakes are 4xx or "not supported", the upstream's 5xx; only upstreams can be unsent to."""
    if kind.status is not None and kind.side is Side.UPSTREAM:
        assert kind.status in (502, 504)
    if kind.status is not None and kind.side is Side.DOWNSTREAM:
        assert 400 <= kind.status < 500 or kind.status in (501, 505)
    assert kind.unsent is False or kind.side is Side.UPSTREAM


@pytest.mark.parametrize(
    ("failure", "text"), [(Failure(BODY_CUT), "body_cut"), (Failure(BODY_CUT, "5 of 9"), "body_cut: 5 of 9")]
)
def test_failure_prints_with_its_code_and_its_particulars(failure: Failure, text: str) -> None:
    """Errors carry the same words as the log."""
    assert str(failure) == str(FailureError(failure)) == str(Interruption(failure)) == text


def test_failure_on_its_way_is_no_os_error() -> None:
    """The server takes an OSError for the client's socket, and libraries swallow an Exception."""
    assert not issubclass(FailureError, OSError)
    assert not issubclass(Interruption, Exception)
    assert not issubclass(Abort, Exception)
