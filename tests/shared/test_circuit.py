"""When a store that does not answer is asked again."""

from gateway.shared.circuit import FAILURES_TO_OPEN, OPEN_SECONDS, Circuit


def test_store_is_left_alone_after_failures_in_a_row_and_tried_out_by_one() -> None:
    """One success closes it, at whatever time."""
    circuit = Circuit()
    told = [circuit.failed(10.0) for _ in range(FAILURES_TO_OPEN)]
    assert told == [False, False, True]
    assert not circuit.admits(10.0 + OPEN_SECONDS * 0.9)
    assert [circuit.admits(10.0 + OPEN_SECONDS) for _ in range(3)] == [True, False, False]
    assert not circuit.failed(11.0)
    assert circuit.open
    assert circuit.succeeded()
    assert circuit.admits(11.0)


def test_success_forgets_the_failures_before_it() -> None:
    """What fails now and then is not gone."""
    circuit = Circuit()
    for _ in range(3 * FAILURES_TO_OPEN):
        assert not circuit.failed(1.0)
        assert not circuit.succeeded()
        assert circuit.admits(1.0)
