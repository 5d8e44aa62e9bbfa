"""Stands before every page of the admin listener: who may ask, from where, and with which fields replies leave.

Browsers are the reason for most of it. A page from anywhere can make the browser of somebody on this machine ask a
loopback address; so names in `Host` must be ours (else a name of theirs could be turned to us, DNS rebinding), a page
of another origin gets nothing, and what controls must be a request that no page can send without asking first.
"""

import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import flask

from gateway.exchange.access import CONTROL, READ, Access, Caller, caller, certificate_names

OPEN_PATHS = frozenset({"/-/healthy", "/-/ready"})
"""Answered to everybody, in one word, for orchestrators: with more only to those who may read."""
REPLY_FIELDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # With none the forms of our own page would come from the origin "null".
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LOG_SECONDS = 10.0

_log = logging.getLogger("gateway.admin")


@dataclass(frozen=True, slots=True)
class Question:
    """What the guard looks at in a request. Fields are None where they did not come."""

    method: str
    path: str
    host: str | None = None
    authorization: str | None = None
    origin: str | None = None
    fetch_site: str | None = None
    fetch_mode: str | None = None
    content_type: str | None = None
    requested_with: str | None = None
    names: frozenset[str] | None = None
    """Names of the verified client certificate."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request gets nothing."""

    status: int
    title: str
    detail: str


def ruling(access: Access, question: Question) -> Caller | Refusal:
    """Return who asks, if they may, or why not. Pure: what is asked in, verdict out.

    An open path is never refused: who may not have more gets a caller without rights.
    """
    asks = caller(access, question.authorization, question.names)
    refusal = _foreign(access, question) or _unentitled(access, question, asks)
    if refusal is not None and question.path in OPEN_PATHS and question.method in _READING:
        return Caller("", frozenset())
    return refusal or asks


def _foreign(access: Access, question: Question) -> Refusal | None:
    """Return why a request that a page of somebody else may have caused is refused."""
    if not is_own_host(access, question.host):
        detail = "this name is not known here: ask for the address, or add the name to [admin] hosts"
        return Refusal(421, "Misdirected request", detail)
    site, origin = question.fetch_site, question.origin
    navigates = question.fetch_mode == "navigate" and question.method in _READING
    if site not in (None, "same-origin", "none") and not navigates:
        return Refusal(403, "Cross-site request", "a page of another origin asks")
    if origin is not None and not _is_of(origin, question.host):
        return Refusal(403, "Cross-site request", "a page of another origin asks")
    own = site == "same-origin" or (site is None and origin is not None)
    if question.method not in _READING and not own and not _cannot_be_sent_by_a_form(question):
        detail = "what controls must come from our own page, or with a bearer token, an X-Requested-With or"
        detail += " Content-Type: application/json"
        return Refusal(403, "Control needs a field of its own", detail)
    return None


def _unentitled(access: Access, question: Question, asks: Caller) -> Refusal | None:
    if not asks.rights:
        what = "the token is not known" if question.authorization is not None else "a bearer token is needed"
        return Refusal(401, "Who asks?", what)
    right = READ if question.method in _READING else CONTROL
    if right not in asks.rights:
        return Refusal(403, "Not allowed", f"this needs the right to {right}")
    return None


def is_own_host(access: Access, host: str | None) -> bool:
    """Say whether ``Host`` names us: an address (no name can be turned to another), localhost, or a configured name."""
    if access.hosts is None:
        return True
    if not host:
        return False
    name = host.lower()
    if name.startswith("["):
        name, bracket, rest = name[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return False
    elif ":" in name:
        name = name.rpartition(":")[0]
    name = name.removesuffix(".")
    if name == "localhost" or name in access.hosts:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_of(origin: str, host: str | None) -> bool:
    """Say whether ``Origin`` is that of our own pages. Not by its scheme: something in front may speak TLS for us."""
    scheme, _, authority = origin.lower().partition("://")
    return bool(host and authority) and scheme in ("http", "https") and authority == (host or "").lower()


def _cannot_be_sent_by_a_form(question: Question) -> bool:
    """Whether a page of another origin would have to ask first (Fetch section 2.2.2: no CORS-safelisted request)."""
    media_type = (question.content_type or "").partition(";")[0].strip().lower()
    # Not any Authorization: a browser that was given a password adds it to the requests of every page.
    bearer = (question.authorization or "").partition(" ")[0].lower() == "bearer"
    return media_type == "application/json" or bearer or question.requested_with is not None


class Refused:
    """Tells refusals at a bounded rate: the first one at once, what follows within some seconds as a number."""

    def __init__(self, clock: Callable[[], float], write: Callable[..., None] = _log.warning) -> None:
        self._clock = clock
        self._write = write
        self._quiet_until = float("-inf")
        self._untold = 0

    def note(self, peer: str, refusal: Refusal) -> None:
        """Log that ``peer`` was refused; nothing that it sent is part of the line."""
        now = self._clock()
        if now < self._quiet_until:
            self._untold += 1
            return
        more = f"; {self._untold} more were refused since the last such line" if self._untold else ""
        self._quiet_until, self._untold = now + _LOG_SECONDS, 0
        who = peer or "a unix socket"
        self._write("the admin listener refused %s (%d): %s%s", who, refusal.status, refusal.detail, more)


def install(app: flask.Flask, access: Callable[[], Access]) -> None:
    """Let nothing of ``app`` be asked but through the guard, by what ``access`` says at the moment."""
    refused = Refused(time.monotonic)

    @app.before_request
    def before() -> flask.Response | None:
        found = ruling(access(), question_of(flask.request.environ))
        if isinstance(found, Caller):
            flask.g.caller = found
            return None
        refused.note(flask.request.environ.get("REMOTE_ADDR", ""), found)
        return told(found)

    @app.after_request
    def after(response: flask.Response) -> flask.Response:
        for name, value in REPLY_FIELDS.items():
            if name not in flask.g.get("own_fields", ()):
                response.headers[name] = value
        return response


def told(refusal: Refusal) -> flask.Response:
    """Return the refusal as a problem document (RFC 9457)."""
    response = flask.jsonify(title=refusal.title, status=refusal.status, detail=refusal.detail)
    response.status_code, response.mimetype = refusal.status, "application/problem+json"
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="slowgate admin"'
        if "text/html" in flask.request.headers.get("Accept", ""):
            # A browser then asks for a password; the token is one. Programs are not offered what they need not know.
            response.headers.add("WWW-Authenticate", 'Basic realm="slowgate admin", charset="UTF-8"')
    return response


def question_of(environ: dict[str, Any]) -> Question:
    """Return what the guard looks at in a WSGI environment of our server's."""
    sock = environ.get("gunicorn.socket")
    certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    return Question(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        host=environ.get("HTTP_HOST"),
        authorization=environ.get("HTTP_AUTHORIZATION"),
        origin=environ.get("HTTP_ORIGIN"),
        fetch_site=environ.get("HTTP_SEC_FETCH_SITE"),
        fetch_mode=environ.get("HTTP_SEC_FETCH_MODE"),
        content_type=environ.get("HTTP_CONTENT_TYPE", environ.get("CONTENT_TYPE")),
        requested_with=environ.get("HTTP_X_REQUESTED_WITH"),
        names=certificate_names(certificate),
    )
