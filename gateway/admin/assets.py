"""The files of the dashboard that browsers load: from the package, each under a name that changes with its content."""

import hashlib
from functools import cache
from pathlib import Path

import flask
import werkzeug.exceptions

_FOLDER = Path(__file__).parent / "assets"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_DIGEST_CHARACTERS = 12


def add_assets(app: flask.Flask) -> None:
    """Add ``/-/assets/NAME``. Under its own digest (``?v=``) a file may be kept for ever, otherwise it is asked for."""

    @app.get("/-/assets/<name>")
    def asset(name: str) -> flask.Response:
        if name not in names():
            raise werkzeug.exceptions.NotFound
        path = _FOLDER / name
        digest = digest_of(name)
        response = flask.Response(path.read_bytes(), content_type=TYPES[path.suffix])
        response.headers["Cache-Control"] = _FOR_EVER if flask.request.args.get("v") == digest else _ASK_AGAIN
        response.set_etag(digest)
        flask.g.own_fields = ("Cache-Control",)
        response.make_conditional(flask.request.environ)
        return response


@cache
def names() -> frozenset[str]:
    """Return the names of all files that there are: nothing else can be asked for."""
    return frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in TYPES)


@cache
def digest_of(name: str) -> str:
    """Return what changes when the content of a file does."""
    return hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest()[:_DIGEST_CHARACTERS]


def address(name: str) -> str:
    """Return where a page finds a file."""
    return f"/-/assets/{name}?v={digest_of(name)}"
