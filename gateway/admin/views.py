"""Health, readiness, version and the state of upstreams, for orchestrators and people.

Nothing of it is reachable on the data listener.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import flask

from gateway import __version__
from gateway.admin.exchanges import add_exchanges
from gateway.admin.status import Status

if TYPE_CHECKING:
    from gateway.store.keeping import Store


def admin_app(
    status: Status,
    upstreams: Callable[[], list[dict[str, object]]],
    store: "Callable[[], Store | None]" = lambda: None,
) -> flask.Flask:
    """Return the application of the admin listener.

    ``/-/healthy`` says that the process serves; ``/-/ready`` whether it wants traffic: 503 once it drains, so that a
    balancer turns away while running streams end, and always which configuration counts; ``/-/version`` says what
    runs, and as which process; ``/-/upstreams`` what the worker that answers knows of every endpoint; ``/-/store`` and
    ``/-/exchanges.*`` are in `gateway.admin.exchanges`.
    """
    app = flask.Flask("gateway.admin", static_folder=None, template_folder=None)

    @app.get("/-/healthy")
    def healthy() -> flask.Response:
        return _answer({"healthy": True})

    @app.get("/-/ready")
    def ready() -> flask.Response:
        configuration = {"offered": status.configurations, "rejected": status.rejected}
        content = {"ready": True, "streams": status.streams(), "configuration": configuration, "worker": os.getpid()}
        if status.draining():
            return _answer(content | {"ready": False, "reason": "draining"}, 503)
        return _answer(content)

    @app.get("/-/version")
    def version() -> flask.Response:
        return _answer({"name": "slowgate", "version": __version__, "pid": os.getppid()})

    @app.get("/-/upstreams")
    def of_upstreams() -> flask.Response:
        return _answer({"worker": os.getpid(), "upstreams": upstreams()})

    add_exchanges(app, store)
    return app


def _answer(content: dict[str, object], status: int = 200) -> flask.Response:
    response = flask.jsonify(content)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
