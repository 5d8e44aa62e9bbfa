"""Health, readiness and version, for orchestrators and people. Nothing of it is reachable on the data listener."""

from collections.abc import Callable

import flask

from gateway import __version__


def admin_app(is_draining: Callable[[], bool], live_count: Callable[[], int]) -> flask.Flask:
    """Return the application of the admin listener.

    ``/-/healthy`` says that the process serves; ``/-/ready`` whether it wants traffic: 503 once it drains, so that a
    balancer turns away while running streams end; ``/-/version`` says what runs.
    """
    app = flask.Flask("gateway.admin", static_folder=None, template_folder=None)

    @app.get("/-/healthy")
    def healthy() -> flask.Response:
        return _answer({"healthy": True})

    @app.get("/-/ready")
    def ready() -> flask.Response:
        if is_draining():
            return _answer({"ready": False, "reason": "draining", "streams": live_count()}, 503)
        return _answer({"ready": True, "streams": live_count()})

    @app.get("/-/version")
    def version() -> flask.Response:
        return _answer({"name": "slowgate", "version": __version__})

    return app


def _answer(content: dict[str, object], status: int = 200) -> flask.Response:
    response = flask.jsonify(content)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
