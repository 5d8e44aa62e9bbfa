"""The page of metrics, in an application without a server."""

import flask

from gateway.admin import guard
from gateway.admin.metrics import add_metrics
from gateway.exchange.access import READ, Access, AdminToken


def an_app(access: Access) -> flask.Flask:
    """Return an application with nothing but the page."""
    app = flask.Flask("test")
    add_metrics(app, lambda accept: (f"text/plain; asked={len(accept)}", iter(["one 1\n", "two 2\n"])))
    guard.install(app, lambda: access)
    return app


def test_the_page_is_whole_and_of_the_type_that_was_chosen() -> None:
    """By what the asker accepts; a cache must know that."""
    answer = an_app(Access()).test_client().get("/-/metrics", headers={"Accept": "text/plain"})
    assert (answer.status_code, answer.text) == (200, "one 1\ntwo 2\n")
    assert (answer.content_type, answer.headers["Vary"]) == ("text/plain; asked=10", "Accept")


def test_metrics_are_for_those_who_may_read() -> None:
    """They name routes and endpoints, which are nobody's business."""
    access = Access((AdminToken("someone", b"\0" * 32, frozenset({READ})),))
    assert an_app(access).test_client().get("/-/metrics").status_code == 401
