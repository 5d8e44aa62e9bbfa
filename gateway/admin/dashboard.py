"""The dashboard at ``/-/``: one page, streamed piece by piece, that works with and without JavaScript.

The head of the page goes out before anything is asked; each part follows when it is known. With JavaScript all but the
configuration is asked for again every two seconds, as a fragment that the browser merges into the page.
"""

import logging
from collections.abc import Iterator, Mapping

import flask

from gateway.admin.all_streams import AllStreams
from gateway.admin.assets import add_assets
from gateway.admin.overview import Overview
from gateway.admin.overview_pages import Configured, Routes
from gateway.admin.panels import SAID, Panels
from gateway.admin.wanted import ORDERS, BadFilter
from gateway.exchange.access import CONTROL

REFRESHES = ("5", "10", "30", "60")
"""Seconds after which the page may be asked to load itself again, for browsers without JavaScript."""

_log = logging.getLogger("gateway.admin")


def add_dashboard(
    app: flask.Flask, overview: Overview, streams: AllStreams, routes: Routes, configured: Configured
) -> None:
    """Add ``GET /-/``, its fragment ``/-/live``, ``POST /-/end``, by which a button ends a stream, and the assets."""
    panels = Panels(app, overview, streams, routes, configured)
    add_assets(app)

    @app.get("/-/")
    def dashboard() -> flask.Response:
        refresh = flask.request.args.get("refresh", "")
        top = {"refresh": refresh if refresh in REFRESHES else None}
        return _html(panels.page(_sort(flask.request.args), _said(), may_control=_may_control(), top=top))

    @app.get("/-/live")
    def live() -> flask.Response:
        return _html(panels.live(_sort(flask.request.args), _said(), may_control=_may_control()))

    @app.post("/-/end")
    def end() -> flask.Response:
        # In the address, not in the form: our server hands bodies to the relay, and to nobody else.
        arguments = flask.request.args
        ended = _end(streams, arguments.get("id", ""))
        # The fragment for the script on the page, the page for a browser without one.
        page = "/-/live" if "HX-Request" in flask.request.headers else "/-/"
        response = flask.Response(status=303)
        response.headers["Location"] = f"{page}?sort={_sort(arguments)}&ended={ended}"
        return response


def _end(streams: AllStreams, exchange_id: str) -> str:
    """End one stream; return what came of it, a key of `SAID`."""
    try:
        content = streams.cancel([("id", exchange_id)])
    except BadFilter:
        return "none"
    if content["cancelled"]:
        _log.info("%s ends a stream on the dashboard", flask.g.caller.name)
        return "ended"
    return "unanswered" if content["unanswered"] else "none"


def _sort(arguments: Mapping[str, str]) -> str:
    wanted = arguments.get("sort", "")
    return wanted if wanted in ORDERS else ORDERS[0]


def _said() -> str:
    """Return what came of the last button, in words of ours: nothing of an address becomes a part of the page."""
    return SAID.get(flask.request.args.get("ended", ""), "")


def _may_control() -> bool:
    return CONTROL in flask.g.caller.rights


def _html(pieces: Iterator[str]) -> flask.Response:
    return flask.Response(pieces, content_type="text/html; charset=utf-8")
