"""The store on the admin listener: how it stands, and exports that stream out of it.

Before the head an error is a problem document; after it the export ends as any cut stream does: by its cut. No format
has an error of its own, for a line that is no exchange would be counted as one.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import flask

from gateway.exchange.failure import Abort

if TYPE_CHECKING:
    from gateway.store.keeping import RunningExport, Store  # not loaded where nothing is stored


def add_exchanges(app: flask.Flask, store: "Callable[[], Store | None]") -> None:
    """Add ``/-/store`` and ``/-/exchanges.csv``, ``.ndjson`` and ``.json``; ``store`` returns None for none."""

    @app.get("/-/store")
    def of_store() -> flask.Response:
        kept = store()
        if kept is None:
            return _none()
        response = flask.jsonify({"worker": os.getpid(), **kept.snapshot()})
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/-/exchanges.<any(csv,ndjson,json):form>")
    def exchanges(form: str) -> flask.Response:
        kept = store()
        return _none() if kept is None else _export(kept, form)


def _export(store: "Store", form: str) -> flask.Response:
    from gateway.delivery.courier import Away
    from gateway.store.export import ReaderGone
    from gateway.store.filters import BadFilter
    from gateway.store.keeping import TooMany

    sock = flask.request.environ.get("gunicorn.socket")
    try:
        running = store.export(form, list(flask.request.args.items(multi=True)), lambda: _has_left(sock))
    except BadFilter as bad:
        return _problem(400, "Bad filter", str(bad))
    except (Away, TooMany) as error:
        return _problem(503, "The store cannot be read", str(error))
    except ReaderGone:
        raise Abort from None
    response = flask.Response(_cut_where_it_fails(running), content_type=running.content_type)
    # A body that nobody asks for (HEAD) never begins, so its end comes from here.
    response.call_on_close(running.close)
    response.headers["Cache-Control"] = "no-store"
    return response


def _cut_where_it_fails(running: "RunningExport") -> Iterator[bytes]:
    try:
        yield from running.chunks()
    except Exception:
        raise Abort from None  # It is logged already.


def _has_left(sock: Any) -> bool:
    """Whether the other end of a connection is closed."""
    raw = getattr(sock, "_sock", sock)
    if raw is None:
        return False
    try:
        return bool(raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"")
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True


def _none() -> flask.Response:
    return _problem(404, "No store", "no [store] is configured")


def _problem(status: int, title: str, detail: str) -> flask.Response:
    """Return a problem document (RFC 9457)."""
    content = json.dumps({"title": title, "status": status, "detail": detail}) + "\n"
    response = flask.Response(content, status, content_type="application/problem+json")
    response.headers["Cache-Control"] = "no-store"
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response
