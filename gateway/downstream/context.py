"""Flask's contexts for an application without sessions, signals, URL matching and teardown functions.

``flask.request``, ``flask.g`` and ``flask.current_app`` are what they always are, also within `stream_with_context`.
What Flask would find out for each request, though it is the same for all of them here, is left out: it was a twelfth
of a small request's time.
"""

from typing import Any

import flask
from flask.ctx import AppContext, RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import NullSession
from werkzeug.datastructures import EnvironHeaders, Headers
from werkzeug.routing import Rule

_NO_SESSION = NullSession()
"""Sessions are none of a gateway's business: no cookie is read or written, one empty session is everybody's."""


def _variable(name: str) -> Any:
    """Return an attribute that is the variable ``name`` of the environment."""
    return property(lambda request: request.environ[name])


class LeanRequest(flask.Request):
    """A request as Flask knows it. The environment comes from our server, so nothing in it needs mending."""

    url_rule = Rule("/", endpoint="relay")
    view_args: dict[str, Any] | None = None
    root_path = ""
    shallow = False

    def __init__(self, environ: dict[str, Any]) -> None:
        # Werkzeug's own __init__ looks everything up that is found below when somebody asks.
        self.environ = environ

    method = _variable("REQUEST_METHOD")
    scheme = _variable("wsgi.url_scheme")
    path = _variable("PATH_INFO")
    remote_addr = _variable("REMOTE_ADDR")

    @property
    def query_string(self) -> bytes:  # type: ignore[override]
        """What stands behind the question mark."""
        query: str = self.environ["QUERY_STRING"]
        return query.encode("latin-1")

    @property
    def headers(self) -> Headers:  # type: ignore[override]
        """The fields as WSGI knows them."""
        return EnvironHeaders(self.environ)

    @property
    def server(self) -> tuple[str, int | None]:  # type: ignore[override]
        """Name or address of the listener, and its port."""
        port = self.environ["SERVER_PORT"]
        return self.environ["SERVER_NAME"], int(port) if port else None

    def close(self) -> None:
        """Do nothing: bodies are relayed, so there are no files of forms to close."""


class LeanAppContext(AppContext):
    """An application context that tells nobody of its coming and going."""

    def __init__(self, app: flask.Flask) -> None:
        self.app = app
        self.url_adapter = None
        self.g = app.app_ctx_globals_class()
        self._cv_tokens = []

    def push(self) -> None:
        """Bind the context."""
        self._cv_tokens.append(_cv_app.set(self))

    def pop(self, exc: BaseException | None = None) -> None:
        """Unbind it."""
        _cv_app.reset(self._cv_tokens.pop())


class LeanRequestContext(RequestContext):
    """A request context that matches no URL, opens no session and runs no teardown functions."""

    def __init__(self, app: flask.Flask, environ: dict[str, Any]) -> None:
        self.app = app
        self.request = LeanRequest(environ)
        self.request.json_module = app.json
        self.url_adapter = None
        self.flashes = None
        self._session = _NO_SESSION
        self._after_request_functions = []
        self._cv_tokens = []

    def push(self) -> None:
        """Bind the context, with the application's where that is not bound yet."""
        app_ctx: AppContext | None = _cv_app.get(None)
        if app_ctx is None or app_ctx.app is not self.app:
            app_ctx = LeanAppContext(self.app)
            app_ctx.push()
        else:
            app_ctx = None
        self._cv_tokens.append((_cv_request.set(self), app_ctx))

    def pop(self, exc: BaseException | None = None) -> None:
        """Unbind both."""
        token, app_ctx = self._cv_tokens.pop()
        _cv_request.reset(token)
        if app_ctx is not None:
            app_ctx.pop()
