"""The demo upstream as a Flask application: its endpoints, its index and its errors."""

import inspect

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from gateway.demo import completions, download, echo, events, faults, lines, messages, responses
from gateway.demo.connection import Gone, UploadCut
from gateway.demo.parameters import BadParameter

_PARTS = (lines, events, completions, messages, responses, download, faults, echo)
"""In the order of the index, which is made of the docstrings of these modules."""

_PREFACE = (
    "A slow upstream. Each endpoint is steered by its query; times are in milliseconds where not said otherwise.\n\n"
)


def create_app() -> Flask:
    """Return the application. It needs the server of ``serve.py``, which lends it the connection."""
    app = Flask(__name__)
    app.url_map.merge_slashes = False
    for part in _PARTS:
        app.register_blueprint(part.pages)
    echo.add_echo(app)
    app.add_url_rule("/", view_func=index)
    app.register_error_handler(BadParameter, _refuse)
    app.register_error_handler(UploadCut, _refuse)
    app.register_error_handler(HTTPException, _plain)
    app.register_error_handler(Gone, _leave)
    return app


def index() -> Response:
    """What there is, with lines to try."""
    text = "\n\n".join(inspect.cleandoc(part.__doc__ or "") for part in _PARTS)
    return Response(_PREFACE + text.replace("{base}", request.host_url.rstrip("/")) + "\n", mimetype="text/plain")


def _refuse(error: Exception) -> Response:
    response = Response(f"{error}\nSee / for what each endpoint takes.\n", 400, mimetype="text/plain")
    if isinstance(error, UploadCut):
        response.headers["Connection"] = "close"
    return response


def _plain(error: HTTPException) -> Response:
    response = Response(f"{error.code} {error.name}\nSee / for the endpoints.\n", error.code, mimetype="text/plain")
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers.add(name, value)
    return response


def _leave(error: Exception) -> Response:
    """The client left before there was a head: there is nobody to answer."""

    def nothing() -> bytes:
        raise error

    return Response(nothing() for _ in range(1))
