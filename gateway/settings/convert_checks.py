"""Conversions that cannot be made, or that nothing can be made from."""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.policy.conversion_choice import source_called, sources_of
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]


def nothing_is_offered_twice(settings: Settings, sources: Sources) -> Problems:
    """A format is offered once, and a column has a name of its own: readers of CSV tell columns apart by it."""
    for path, layer in _layers(settings):
        for key, severity in (("to", Severity.WARNING), ("columns", Severity.ERROR)):
            values: tuple[str, ...] = getattr(layer.convert, key)
            for place, value in enumerate(values):
                if value in values[:place]:
                    yield sources.problem((*path, "convert", key, place), "is there twice", severity=severity)


def conversions_can_act(settings: Settings, sources: Sources) -> Problems:
    """What is offered on a route can be made there; told once, at the table that says it."""
    told: set[Path] = set()
    for index, route in enumerate(settings.routes):
        upstream = settings.upstreams.get(route.upstream)
        if upstream is None:
            continue
        layers: tuple[tuple[Path, Policies], ...] = (
            (("routes", index), route),
            (("upstreams", route.upstream), upstream),
            (("defaults",), settings.defaults),
        )
        for problem_at, message, severity in _of_route(layers):
            if problem_at not in told:
                told.add(problem_at)
                yield sources.problem(problem_at, message, severity=severity)


def _of_route(layers: tuple[tuple[Path, Policies], ...]) -> Iterator[tuple[Path, str, Severity]]:
    convert = nearest(*(layer.convert for _, layer in layers))
    format = nearest(*(layer.stream for _, layer in layers)).format
    at = {
        key: next((path for path, layer in layers if key in layer.convert.model_fields_set), None)
        for key in ("to", "columns")
    }
    meant_for_it = at["columns"] in (layers[0][0], at["to"])  # What a wider table says may be meant for other routes.
    if convert.columns and "csv" not in convert.to and at["columns"] is not None and meant_for_it:
        yield (*at["columns"], "convert", "columns"), 'cannot act: to has no "csv"', Severity.WARNING
    if at["to"] is None:
        return
    for place, target in enumerate(convert.to):
        path = (*at["to"], "convert", "to", place)
        if target == "csv" and not convert.columns:
            yield path, 'CSV needs columns; write columns = ["id", "user.name"]', Severity.ERROR
        elif format is not None and format != "auto" and source_called(format) not in sources_of(target):
            made_from = " or ".join(f'"{source}"' for source in sources_of(target))
            message = f'cannot act: "{target}" is made from {made_from}, and stream.format is "{format}"'
            yield path, message, Severity.WARNING


def _layers(settings: Settings) -> Iterator[tuple[Path, Policies]]:
    yield ("defaults",), settings.defaults
    for name, upstream in settings.upstreams.items():
        yield ("upstreams", name), upstream
    for index, route in enumerate(settings.routes):
        yield ("routes", index), route
