"""Health, readiness, version, upstreams and running streams, for orchestrators and people; reload and cancel.

Nothing of it is reachable on the data listener. Who may ask for what is decided by the guard before any of these runs.
"""

import logging
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import flask

from gateway import __version__
from gateway.admin.all_streams import AllStreams
from gateway.admin.exchanges import add_exchanges
from gateway.admin.guard import Refusal, told
from gateway.admin.status import Status
from gateway.admin.stream_pages import add_streams
from gateway.exchange.access import READ

_log = logging.getLogger("gateway.admin")

if TYPE_CHECKING:
    from gateway.store.keeping import Store


def admin_app(
    status: Status,
    upstreams: Callable[[], Iterable[dict[str, object]]],
    streams: AllStreams,
    read_again: Callable[[], bool | None] | None,
    store: "Callable[[], Store | None]" = lambda: None,
) -> flask.Flask:
    """Return the application of the admin listener, without its guard (`gateway.admin.guard.install`).

    ``/-/healthy`` says that the process serves; ``/-/ready`` whether it wants traffic: 503 once it drains, so that a
    balancer turns away while running streams end, and to those who may read which configuration counts; ``/-/version``
    says what runs, and as which process; ``/-/upstreams`` what the worker that answers knows of every endpoint;
    ``/-/streams``, in `gateway.admin.stream_pages`, is about all workers; ``/-/store`` and ``/-/exchanges.*`` are in
    `gateway.admin.exchanges`. ``POST /-/reload`` calls ``read_again``: True where the configuration was adopted, False
    where it was refused, None where nothing came of it in time.
    """
    app = flask.Flask("gateway.admin", static_folder=None, template_folder=None)
    _add_health(app, status)
    _add_pages(app, upstreams)
    _add_control(app, status, read_again)
    add_streams(app, streams)
    add_exchanges(app, store)
    return app


def _add_health(app: flask.Flask, status: Status) -> None:
    @app.get("/-/healthy")
    def healthy() -> flask.Response:
        return _answer({"healthy": True})

    @app.get("/-/ready")
    def ready() -> flask.Response:
        content: dict[str, object] = {"ready": not status.draining()}
        if status.draining():
            content["reason"] = "draining"
        if READ in flask.g.caller.rights:
            content |= {"streams": status.streams(), "configuration": _configuration(status), "worker": os.getpid()}
        return _answer(content, 200 if content["ready"] else 503)


def _add_pages(app: flask.Flask, upstreams: Callable[[], Iterable[dict[str, object]]]) -> None:
    @app.get("/-/version")
    def version() -> flask.Response:
        return _answer({"name": "slowgate", "version": __version__, "pid": os.getppid()})

    @app.get("/-/upstreams")
    def of_upstreams() -> flask.Response:
        return _answer({"worker": os.getpid(), "upstreams": list(upstreams())})


def _add_control(app: flask.Flask, status: Status, read_again: Callable[[], bool | None] | None) -> None:
    @app.post("/-/reload")
    def reload() -> flask.Response:
        if read_again is None:
            return told(Refusal(409, "Nothing to read", "this gateway was started without a file"))
        _log.info("%s asks for a reload", flask.g.caller.name)
        adopted = read_again()
        if adopted is None:
            return told(Refusal(504, "No answer", "nothing came of it in time; see the gateway's log"))
        content = {"adopted": adopted, "configuration": _configuration(status), "worker": os.getpid()}
        return _answer(content, 200 if adopted else 422)


def _configuration(status: Status) -> dict[str, object]:
    told: dict[str, object] = {"offered": status.configurations, "rejected": status.rejected}
    return {**told, "needs_restart": list(status.needs_restart)} if status.needs_restart else told


def _answer(content: dict[str, object], status: int = 200) -> flask.Response:
    response = flask.jsonify(content)
    response.status_code = status
    return response
