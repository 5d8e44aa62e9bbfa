"""What breaks inside the event loop fails the test: gevent would only print it."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest


@pytest.fixture(autouse=True)
def quiet_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail where a callback of the loop, or a greenlet, ended by an exception that nobody expected."""
    hub = gevent.get_hub()
    broken: list[Any] = []

    def handle_error(context: Any, kind: Any, value: Any, traceback: Any) -> None:
        if not issubclass(kind, hub.NOT_ERROR):
            broken.append((context, value))

    monkeypatch.setattr(hub, "handle_error", handle_error)
    yield
    gevent.sleep(0)
    assert broken == []
