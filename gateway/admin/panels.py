"""The parts of the dashboard as HTML, one after the other, each made when its turn comes."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import flask

from gateway import __version__
from gateway.admin import figures, words
from gateway.admin.all_streams import AllStreams, Busy
from gateway.admin.assets import address
from gateway.admin.attention import attention
from gateway.admin.overview import Overview
from gateway.admin.overview_pages import Configured, Routes, Setting
from gateway.admin.sight import Seen
from gateway.observe.history import quantile_ms

MOST_STREAMS = 50
MOST_ENDPOINTS = 60
MOST_ROUTES = 60
MOST_FAILURES = 40
MOST_SETTINGS = 500
SAID = {
    "ended": "The stream was ended.",
    "none": "It does not run any more: nothing was ended.",
    "unanswered": "A worker did not answer: whether the stream was ended is not known.",
}
_FILTERS: dict[str, Callable[..., str]] = {
    name: getattr(words, name) for name in ("duration", "milliseconds", "octets", "count", "clock")
}
_ANSWER_SECONDS = 1.0
"""What other workers get: the page comes again soon, and says who did not answer."""
_WRITTEN_NOWHERE = ("default", "made from path")

_log = logging.getLogger("gateway.admin")

Row = dict[str, Any]


class Panels:
    """Renders them."""

    def __init__(
        self, app: flask.Flask, overview: Overview, streams: AllStreams, routes: Routes, configured: Configured
    ) -> None:
        app.template_folder = "templates"
        app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
        self._app = app
        self._overview = overview
        self._streams = streams
        self._routes = routes
        self._configured = configured

    def page(self, sort: str, said: str, *, may_control: bool, top: Row) -> Iterator[str]:
        """Yield the whole page; the first piece needs nothing to be known."""
        yield self._rendered("top.html", sort=sort, said=said, version=__version__, **top)
        yield from self._parts(sort, may_control=may_control)
        yield "</div>\n"
        yield self._guarded(self._configuration)
        yield self._rendered("bottom.html")

    def live(self, sort: str, said: str, *, may_control: bool) -> Iterator[str]:
        """Yield what changes, and what came of a button."""
        if said:
            yield self._rendered("said.html", said=said)
        yield from self._parts(sort, may_control=may_control)

    def _parts(self, sort: str, *, may_control: bool) -> Iterator[str]:
        def streams() -> str:
            return self._open_streams(sort, may_control=may_control)

        try:
            seen = self._overview.look(seconds=_ANSWER_SECONDS)
        except Busy as busy:
            yield self._rendered("notice.html", text=f"All but the streams is missing: {busy}.")
            yield self._guarded(streams)
            return
        gently = self._overview.gently
        rows = gently(figures.upstreams(seen))
        routes = gently(figures.routes(self._routes(), seen, rows))
        yield self._guarded(lambda: self._now(seen, routes, rows))
        yield self._guarded(streams)
        yield self._guarded(lambda: self._upstreams(seen, rows))
        yield self._guarded(lambda: self._of_routes(routes))
        yield self._guarded(lambda: self._failures(seen))

    def _guarded(self, make: Callable[[], str]) -> str:
        """Return what ``make`` does; where it meets a defect the rest of the page comes all the same."""
        self._overview.breathe()  # A template that is used for the first time takes 10 ms.
        try:
            return make()
        except Busy as busy:
            return self._rendered("notice.html", text=f"This part is missing: {busy}.")
        except Exception:
            _log.exception("a part of the dashboard met a defect")
            return self._rendered("notice.html", text="This part could not be made; the gateway's log says why.")

    def _now(self, seen: Seen, routes: list[Row], upstreams: list[Row]) -> str:
        phases: dict[str, int] = {}
        for each in seen.open.values():
            for phase, number in each.items():
                phases[phase] = phases.get(phase, 0) + number
        lately, states = seen.lately, [each["state"] for upstream in upstreams for each in upstream["endpoints"]]
        worker = self._overview.worker
        return self._rendered(
            "now.html",
            seen=seen,
            attention=attention(seen, routes, upstreams),
            phases=sorted(phases.items(), key=lambda each: -each[1])[:3],
            lately=lately,
            p50=quantile_ms(lately.first_bytes, 0.5),
            p95=quantile_ms(lately.first_bytes, 0.95),
            endpoints=len(states),
            available=states.count("available"),
            upstreams=upstreams,
            minutes=figures.five_minutes(seen, worker.clock(), worker.wall_clock()),
        )

    def _open_streams(self, sort: str, *, may_control: bool) -> str:
        told = self._streams.tell([("by", sort), ("limit", str(MOST_STREAMS))], _ANSWER_SECONDS)
        return self._rendered(
            "streams.html",
            rows=[json.loads(row) for row in told.rows],
            total=told.head["total"],
            matching=told.head["matching"],
            sort=sort,
            may_control=may_control,
        )

    def _upstreams(self, seen: Seen, upstreams: list[Row]) -> str:
        pairs = [(upstream, each) for upstream in upstreams for each in upstream["endpoints"]]
        if len(pairs) > MOST_ENDPOINTS:
            pairs.sort(key=lambda pair: figures.WORST_FIRST.index(pair[1]["state"]))
        shown = pairs[:MOST_ENDPOINTS]
        return self._rendered(
            "upstreams.html", seen=seen, upstreams=upstreams, shown=shown, left_out=len(pairs) - len(shown)
        )

    def _of_routes(self, routes: list[Row]) -> str:
        shown = routes
        if len(routes) > MOST_ROUTES:
            busiest = sorted(routes, key=lambda each: (-each["failed"], -each["open"], -each["ended"]))
            shown = busiest[:MOST_ROUTES]
        return self._rendered("routes.html", shown=shown, left_out=len(routes) - len(shown))

    def _failures(self, seen: Seen) -> str:
        shown = figures.grouped(seen.failures)[:MOST_FAILURES]
        return self._rendered("failures.html", shown=shown, now=self._overview.worker.wall_clock())

    def _configuration(self) -> str:
        found = self._configured()
        tables = None if found is None else self._overview.gently(written(found))
        number = sum(len(settings) for _, settings in tables or ())
        return self._rendered("configuration.html", tables=tables, number=number, full=number >= MOST_SETTINGS)

    def _rendered(self, name: str, **context: object) -> str:
        # The environment, with all it needs, comes to be when the first page is asked for.
        environment = self._app.jinja_env
        if "octets" not in environment.filters:
            environment.filters.update(_FILTERS)
            environment.globals["asset"] = address
        return environment.get_template(name).render(**context)


def written(tables: Iterable[tuple[str, Iterator[Setting]]]) -> Iterator[tuple[str, list[Setting]]]:
    """Yield what somebody wrote, by its table, up to `MOST_SETTINGS`; tables of which nobody wrote anything are empty.

    What a table inherits is left out: it stands in the table that it comes from.
    """
    left = MOST_SETTINGS
    for header, settings in tables:
        own = [each for each in settings if each.origin not in _WRITTEN_NOWHERE and ", " not in each.origin][:left]
        left -= len(own)
        yield header, own
        if not left:
            return
