"""/echo     what the upstream was asked, as JSON: method, target, field lines in order, body length and SHA-256
    any method; any path below /echo/
    curl -X PATCH -d hello '{base}/echo/a%2Fb?x=1'

/upload   counts and hashes octets as they come (POST, PUT)
    delay=0 ms before each 64 KiB taken
    curl -T bigfile '{base}/upload'

/headers  an answer with repeated, empty and unusual fields
    curl -i '{base}/headers'
"""

import hashlib

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.routing import BaseConverter, Rule

from gateway.demo.connection import UploadCut, connection
from gateway.demo.parameters import parameters

pages = Blueprint("echo", __name__)

_READ_OCTETS = 65_536


class AnyPath(BaseConverter):
    """The rest of a path, whatever it is; ``path`` of Werkzeug's own takes no leading slash."""

    regex = ".*"
    part_isolating = False


def measure_body(seconds: float = 0) -> dict[str, object]:
    """Read the request's body to its end, keeping none of it; return its length and SHA-256. Raises UploadCut."""
    wire, digest, octets = connection(), hashlib.sha256(), 0
    try:
        while piece := request.stream.read(_READ_OCTETS):
            digest.update(piece)
            octets += len(piece)
            if seconds:
                wire.pause(seconds)
    except OSError as error:
        raise UploadCut(f"the body ended after {octets} octets") from error
    return {"length": octets, "sha256": digest.hexdigest()}


def echo(rest: str = "") -> Response:
    """What was asked, as the upstream sees it."""
    wire = connection()
    return jsonify(
        method=request.environ["REQUEST_METHOD"],
        target=wire.target,
        version=request.environ["SERVER_PROTOCOL"],
        fields=wire.fields,
        body=measure_body(),
    )


def add_echo(app: Flask) -> None:
    """Route ``/echo``: a rule without methods takes any, which Flask's own registration cannot say."""
    app.url_map.converters["any_path"] = AnyPath
    for path in ("/echo", "/echo/<any_path:rest>"):
        app.url_map.add(Rule(path, endpoint="echo"))
    app.view_functions["echo"] = echo


@pages.route("/upload", methods=["POST", "PUT"])
def upload() -> Response:
    """Take an upload of any size, at the pace asked for."""
    with parameters() as asked:
        seconds = asked.seconds("delay", 0)
    return jsonify(measure_body(seconds))


@pages.get("/headers")
def headers() -> Response:
    """Fields that intermediaries like to change."""
    with parameters():
        response = Response("look at the header fields\n", mimetype="text/plain")
    for value in (
        "session=abc123; Path=/; HttpOnly",
        "theme=dark; Expires=Wed, 21 Oct 2037 07:28:00 GMT",
        "empty=",
    ):
        response.headers.add("Set-Cookie", value)
    for name, value in (
        ("Vary", "Accept"),
        ("Vary", "Accept-Encoding"),
        ("Link", '</style.css>; rel="preload"'),
        ("Link", "</next>; rel=next"),
        ("X-Empty", ""),
        ("x-MiXeD-cAsE", "kept"),
        ("X_Under_Score", "kept"),
        ("X-Latin", "caf\xe9"),
        ("X-Long", "x" * 4000),
        ("X-Repeated", "one"),
        ("X-Repeated", "two"),
    ):
        response.headers.add(name, value)
    return response
