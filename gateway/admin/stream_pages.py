"""``/-/streams`` on the admin listener: what runs in all workers, and how some of it is ended."""

import logging

import flask

from gateway.admin.all_streams import AllStreams, Busy
from gateway.admin.guard import Refusal, told
from gateway.admin.wanted import BadFilter, Parameters

_log = logging.getLogger("gateway.admin")


def add_streams(app: flask.Flask, streams: AllStreams) -> None:
    """Add GET and DELETE of ``/-/streams``, and DELETE of ``/-/streams/ID``.

    What a worker that did not answer runs is not part of a reply, which names it under ``unanswered``.
    """

    @app.get("/-/streams")
    def of_streams() -> flask.Response:
        try:
            found = streams.tell(_parameters())
        except BadFilter as bad:
            return told(Refusal(400, "Bad filter", str(bad)))
        except Busy as busy:
            response = told(Refusal(503, "Busy", str(busy)))
            response.headers["Retry-After"] = "1"
            return response
        return flask.Response(found.pieces(), content_type="application/json")

    @app.delete("/-/streams")
    def end_streams() -> flask.Response:
        return _ended(streams, _parameters())

    @app.delete("/-/streams/<exchange_id>")
    def end_stream(exchange_id: str) -> flask.Response:
        if flask.request.args:
            return told(Refusal(400, "Bad filter", "with an id there is nothing to filter"))
        return _ended(streams, [("id", exchange_id)])


def _ended(streams: AllStreams, parameters: Parameters) -> flask.Response:
    try:
        content = streams.cancel(parameters)
    except BadFilter as bad:
        return told(Refusal(400, "Bad filter", str(bad)))
    if content["cancelled"]:
        # By what was chosen, not by which values: one that matches nothing may be anything, also a secret.
        by = ", ".join(sorted({name for name, _ in parameters}))
        _log.info("%s cancels streams by %s: %s ended", flask.g.caller.name, by, content["cancelled"])
    if content["unanswered"]:
        detail = f"{content['cancelled']} were ended, but not every worker answered"
        return _problem(504, "Not every worker answered", detail, content)
    if not content["cancelled"]:
        return _problem(404, "No such stream", "none like this runs in any worker", content)
    return flask.jsonify(content)


def _problem(status: int, title: str, detail: str, content: dict[str, object]) -> flask.Response:
    """Return a problem document (RFC 9457) that has what was done, too."""
    response = flask.jsonify(title=title, status=status, detail=detail, **content)
    response.status_code, response.mimetype = status, "application/problem+json"
    return response


def _parameters() -> Parameters:
    return list(flask.request.args.items(multi=True))
