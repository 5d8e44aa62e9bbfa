"""The page that Prometheus reads."""

from collections.abc import Callable, Iterator

import flask

Page = Callable[[str], tuple[str, Iterator[str]]]
"""From ``Accept`` to the type of the page and its text in pieces."""


def add_metrics(app: flask.Flask, page: Page) -> None:
    """Add ``/-/metrics``: what all workers have counted and how they stand, in either format of Prometheus."""

    @app.get("/-/metrics")
    def metrics() -> flask.Response:
        content_type, pieces = page(flask.request.headers.get("Accept", ""))
        response = flask.Response("".join(pieces), content_type=content_type)
        response.headers["Vary"] = "Accept"
        return response
