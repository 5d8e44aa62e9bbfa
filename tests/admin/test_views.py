"""The pages of the admin listener, behind their guard, in an application without a server."""

from collections.abc import Callable

import flask
import pytest

from gateway.admin import guard
from gateway.admin.all_streams import AllStreams, Alone
from gateway.admin.status import Status
from gateway.admin.views import admin_app
from gateway.exchange.access import Access
from gateway.relay.live import Live

JSON = {"Content-Type": "application/json"}


def an_app(read_again: Callable[[], bool | None] | None = None, *, draining: bool = False) -> flask.Flask:
    """Return the application for callers who may do all."""
    app = admin_app(
        Status(lambda: draining, lambda: 3), lambda: [], AllStreams(Live(), lambda: 0.0, Alone()), read_again
    )
    guard.install(app, Access)
    return app


@pytest.mark.parametrize(
    ("read_again", "status"),
    [(None, 409), (lambda: True, 200), (lambda: False, 422), (lambda: None, 504)],
)
def test_a_reload_says_what_came_of_it(read_again: Callable[[], bool | None] | None, status: int) -> None:
    """Adopted, refused, no answer in time, or nothing to read: each has a status of its own."""
    assert an_app(read_again).test_client().post("/-/reload", headers=JSON).status_code == status


def test_reading_a_page_that_controls_does_nothing() -> None:
    """A link or a prefetch cannot reload."""
    calls: list[int] = []
    client = an_app(lambda: bool(calls.append(1))).test_client()

    assert [client.get("/-/reload").status_code, client.head("/-/reload").status_code] == [405, 405]
    assert client.get("/-/streams/x").status_code == 405
    assert calls == []


def test_readiness_turns_503_while_it_drains() -> None:
    """A balancer turns away, and whoever may read sees how many streams still run."""
    before, after = (an_app(draining=each).test_client().get("/-/ready") for each in (False, True))

    assert (before.status_code, before.get_json()["ready"]) == (200, True)
    assert (after.status_code, after.get_json()["reason"], after.get_json()["streams"]) == (503, "draining", 3)
