"""What waits too long is ended."""

import gevent
import pytest

from gateway.relay.within import within


def test_what_waits_too_long_is_ended() -> None:
    """As a TimeoutError; another timeout around it stays what it is."""
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"), within(0.01):
        gevent.sleep(5)
    with within(1):
        pass
    outer = gevent.Timeout(0.01)
    with pytest.raises(gevent.Timeout) as caught, outer, within(5):
        gevent.sleep(5)
    assert caught.value is outer


def test_limit_is_no_error_of_the_operating_system_while_it_strikes() -> None:
    """Others, which look for theirs, would take it for one."""
    met: list[BaseException] = []
    with pytest.raises(TimeoutError), within(0.01):
        try:
            gevent.sleep(5)
        except BaseException as error:
            met.append(error)
            raise
    assert not isinstance(met[0], OSError)
