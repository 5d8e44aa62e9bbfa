"""What the dashboard shows, for programs: routes, failures, traffic, upstreams of all workers, the configuration."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import flask

from gateway.admin import figures
from gateway.admin.all_streams import Busy
from gateway.admin.guard import Refusal, told
from gateway.admin.overview import Overview
from gateway.admin.sight import Seen
from gateway.exchange.route import Route

Routes = Callable[[], Iterable[Route]]


class Setting(Protocol):
    """One setting as it holds."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str | None:
        """As TOML, secrets masked; None where it is not set."""

    @property
    def origin(self) -> str:
        """Where it came from: a place in a file, or ``default``."""


Configured = Callable[[], "Iterator[tuple[str, Iterator[Setting]]] | None"]
"""Yields header and settings of each table; None where nobody knows where they came from."""


def add_overview(
    app: flask.Flask, overview: Overview, routes: Routes, configured: Configured, breathe: Callable[[], object]
) -> None:
    """Add ``/-/routes``, ``/-/failures``, ``/-/traffic`` and ``/-/upstreams/all``, over all workers; ``/-/config``.

    What a worker that did not answer knows is not part of a reply, which names it under ``unanswered``.
    """

    def reply(parts: Sequence[str], content: Callable[[Seen], dict[str, object]]) -> flask.Response:
        try:
            seen = overview.look(parts)
        except Busy as busy:
            response = told(Refusal(503, "Busy", str(busy)))
            response.headers["Retry-After"] = "1"
            return response
        whose = {"worker": os.getpid(), "workers": seen.workers, "unanswered": seen.silent}
        return flask.jsonify({**whose, **content(seen)})

    @app.get("/-/routes")
    def of_routes() -> flask.Response:
        def content(seen: Seen) -> dict[str, object]:
            known = overview.gently(figures.upstreams(seen))
            return {"routes": overview.gently(figures.routes(routes(), seen, known))}

        return reply(("routes", "upstreams"), content)

    @app.get("/-/failures")
    def of_failures() -> flask.Response:
        return reply(("failures",), lambda seen: {"failures": [each._asdict() for each in seen.failures]})

    @app.get("/-/traffic")
    def of_traffic() -> flask.Response:
        worker = overview.worker
        return reply(("traffic",), lambda seen: figures.traffic(seen, worker.clock(), worker.wall_clock()))

    @app.get("/-/upstreams/all")
    def of_upstreams_everywhere() -> flask.Response:
        return reply(("upstreams",), lambda seen: {"upstreams": overview.gently(figures.upstreams(seen))})

    @app.get("/-/config")
    def of_config() -> flask.Response:
        tables = configured()
        if tables is None:
            return told(Refusal(404, "No configuration", "where its values came from is not known"))
        return flask.Response(_pieces(tables, breathe), content_type="application/json")


def _pieces(tables: Iterator[tuple[str, Iterator[Setting]]], breathe: Callable[[], object]) -> Iterator[bytes]:
    yield json.dumps({"worker": os.getpid()}).encode()[:-1] + b', "tables": ['
    for number, (header, settings) in enumerate(tables):
        content = [{"name": each.name, "value": each.value, "origin": each.origin} for each in settings]
        yield (b",\n" if number else b"\n") + json.dumps({"table": header, "settings": content}).encode()
        breathe()
    yield b"\n]}\n"
