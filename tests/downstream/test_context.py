"""Flask's contexts without their detours: what can be read in them, and that nothing of one is left in the next."""

import flask
from flask import stream_with_context
from support.wsgi import ServedRequest, environ_of

from gateway.downstream.context import LeanRequestContext

APP = flask.Flask("gateway")


def context(**request: object) -> LeanRequestContext:
    return LeanRequestContext(APP, environ_of(ServedRequest(**request)))  # type: ignore[arg-type]


def test_request_can_be_read_as_flask_knows_it() -> None:
    """Method, path, query, fields, address, application and session."""
    with context(method="POST", uri="/a/b?c=d&c=e"):
        request = flask.request
        assert (request.method, request.path, request.args.getlist("c")) == ("POST", "/a/b", ["d", "e"])
        assert (request.remote_addr, request.scheme, request.host) == ("192.0.2.7", "http", "127.0.0.1:8080")
        assert request.url == "http://127.0.0.1:8080/a/b?c=d&c=e"
        assert (request.endpoint, request.view_args, dict(flask.session)) == ("relay", None, {})
        assert flask.current_app._get_current_object() is APP  # type: ignore[attr-defined]
    assert not flask.has_request_context()
    assert not flask.has_app_context()


def test_each_request_has_globals_of_its_own() -> None:
    """Nothing that one wrote down is read by another."""
    with context():
        flask.g.exchange = "first"
    with context():
        assert "exchange" not in flask.g


def test_stream_reads_its_own_request_to_its_end_though_others_come_and_go() -> None:
    """Streams are read in turns, each within its own context."""

    def told() -> object:
        for _ in range(3):
            yield f"{flask.request.path} {flask.g.name}"

    streams = []
    for name in ("a", "b"):
        with context(uri=f"/{name}"):
            flask.g.name = name
            streams.append(stream_with_context(told()))  # type: ignore[call-overload]
    assert not flask.has_request_context()
    assert [*streams[0]] == ["/a a"] * 3
    with context(uri="/c"):
        assert [*streams[1]] == ["/b b"] * 3
        assert flask.request.path == "/c"
    assert not flask.has_app_context()


def test_failure_within_leaves_nothing_bound() -> None:
    """The next request of the same greenlet begins anew."""
    try:
        with context():
            raise ValueError
    except ValueError:
        assert not flask.has_request_context()
