"""What a model cannot see in one value of a route: matches that rival each other, rewrites and timeouts without effect.

Each check yields problems; an error where exchanges would go wrong, a warning where something is without effect. Their
order does not matter.
"""

from collections.abc import Iterator, Mapping

from gateway.config.document import Document
from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity, quoted
from gateway.config.sources import Sources
from gateway.config.translate import closest
from gateway.config.units import format_duration
from gateway.exchange.path import prefix_segments
from gateway.settings import Settings
from gateway.settings.policies import Policies
from gateway.settings.routes import RouteSettings

_LISTED_NAMES = 12
Problems = Iterator[Problem]
_Fields = Mapping[str, str | bool]
"""Conditions on fields by lower-case name."""


def hosts_of(route: RouteSettings) -> tuple[str, ...]:
    """Return the hosts a route is for, however they were written; none for all."""
    return (*((route.host,) if route.host is not None else ()), *route.hosts)


def upstreams_exist(settings: Settings, sources: Sources) -> Problems:
    """Each route names an upstream that there is."""
    if sources.incomplete:
        return  # What is missing may be in the file that could not be read.
    names = sorted({*settings.upstreams, *sources.keys("upstreams")})
    for index, route in enumerate(settings.routes):
        if route.upstream not in names:
            yield _no_upstream(sources, ("routes", index, "upstream"), route.upstream, names)
    # Something else was wrong with these, which must not hide that their upstream is wrong too.
    for document, at, route_as_written in sources.left_out("routes"):
        name = route_as_written.get("upstream")
        if isinstance(name, str) and name not in names:
            yield _no_upstream(document, (*at, "upstream"), name, names)


def _no_upstream(written: Sources | Document, path: Path, name: str, names: list[str]) -> Problem:
    listed = ", ".join(names[:_LISTED_NAMES]) + (", …" if len(names) > _LISTED_NAMES else "")
    there_are = f"there are: {listed}" if names else "there are none; write [upstreams.NAME] with endpoints"
    return written.problem(
        path,
        f"no upstream {written.shown(name, path)}; {there_are}",
        suggestion=None if written.hides(path) else closest(name, names),
    )


def names_are_unique(settings: Settings, sources: Sources) -> Problems:
    """No two routes have the same name."""
    first: dict[str, int] = {}
    for index, route in enumerate(settings.routes):
        if route.name is not None and first.setdefault(route.name, index) != index:
            path: Path = ("routes", index, "name")
            other = sources.beside(("routes", first[route.name], "name"), path)
            yield sources.problem(path, f"another route has this name{other}")


def matches_differ(settings: Settings, sources: Sources) -> Problems:
    """Of routes with the same path, host and fields the first one gets a request; a later one may get none at all.

    Of routes with equally many fields the first in the file is tried first, so that one which asks for the presence of
    a field also takes all that a later one with an exact value would.
    """
    taken: dict[tuple[object, ...], list[tuple[_Fields, int]]] = {}
    for index, route in enumerate(settings.routes):
        fields = {name.lower(): value for name, value in route.headers.items()}
        claims = {
            (prefix_segments(route.path), host, len(route.headers), method): method or host or route.path
            for host in hosts_of(route) or ("",)
            for method in route.methods or ("",)
        }
        rivals = {
            claim: rival for claim in claims if (rival := _first_to_cover(fields, taken.get(claim, []))) is not None
        }
        if rivals:
            whole, rival = len(rivals) == len(claims), min(rivals.values())
            lost = ", ".join(sorted({claims[claim] for claim in rivals}))
            ahead = f"{_route_label(sources, rival)}{sources.beside(('routes', rival, 'path'), ('routes', index))}"
            message = f"never matches: {ahead} takes the same requests" if whole else f"{ahead} already takes {lost}"
            severity = Severity.ERROR if whole else Severity.WARNING
            yield sources.problem(("routes", index, "path"), message, severity=severity)
        for claim in claims:
            taken.setdefault(claim, []).append((fields, index))


def _first_to_cover(fields: _Fields, earlier: list[tuple[_Fields, int]]) -> int | None:
    """Return the first of the ``earlier`` routes whose conditions hold wherever ``fields`` do."""
    for conditions, index in earlier:
        if all(name in fields and value in (True, fields[name]) for name, value in conditions.items()):
            return index
    return None


def matches_can_happen(settings: Settings, sources: Sources) -> Problems:
    """No condition of a route contradicts another one, or is there twice."""
    for index, route in enumerate(settings.routes):
        at: Path = ("routes", index)
        if route.host is not None and route.hosts:
            yield sources.problem((*at, "host"), "stands beside hosts; write all of them in hosts", at="key")
        for key, values in (("methods", route.methods), ("hosts", route.hosts)):
            for place, value in enumerate(values):
                if value in values[:place]:
                    yield sources.problem((*at, key, place), "is there twice", severity=Severity.WARNING)
        first: dict[str, str] = {}
        for name in route.headers:
            path = (*at, "headers", name)
            other = first.setdefault(name.lower(), name)
            if other != name:
                message = f"is the same field as {quoted(other)}, for names of fields have no case; write it once"
                yield sources.problem(path, message, at="key")
            elif name.lower() == "host":
                message = "routes find their host by host or hosts, which also know targets that bring their own"
                yield sources.problem(path, message, at="key", severity=Severity.WARNING)


def rewrites_can_act(settings: Settings, sources: Sources) -> Problems:
    """What is taken off a path is at its beginning, and what takes its place is something else."""
    for index, route in enumerate(settings.routes):
        at: Path = ("routes", index)
        if route.strip_prefix is None:
            if route.rewrite is not None:
                message = "cannot act without strip_prefix, whose place it takes"
                yield sources.problem((*at, "rewrite"), message, at="key")
            continue
        wanted, have = prefix_segments(route.strip_prefix), prefix_segments(route.path)
        into = prefix_segments(route.rewrite) if route.rewrite is not None else ()
        if have[: len(wanted)] != wanted:
            path = (*at, "strip_prefix")
            found = sources.shown(route.strip_prefix, path)
            expected = f"whole segments from the beginning of path {sources.shown(route.path, (*at, 'path'))}"
            yield sources.problem(path, expected=expected, found=found)
        elif wanted == into:
            key = "strip_prefix" if route.rewrite is None else "rewrite"
            message = "cannot act: it has no segments to take off" if not wanted else "cannot act: it is strip_prefix"
            yield sources.problem((*at, key), message, severity=Severity.WARNING)
        elif route.rewrite is not None and not into:
            message = "cannot act: without it, nothing takes the place of strip_prefix already"
            yield sources.problem((*at, "rewrite"), message, severity=Severity.WARNING)


def timeouts_can_act(settings: Settings, sources: Sources) -> Problems:
    """No part of an exchange may take longer than `total` lets the whole of it.

    Told where the part is set, and only if `total` stands in the same table or one that it inherits from: a route in a
    hurry does not make the patience of `[defaults]` a mistake.
    """
    defaults: Path = ("defaults",)
    chains: list[tuple[Path, ...]] = [(defaults,)]
    chains += [(("upstreams", name), defaults) for name in settings.upstreams]
    for index, route in enumerate(settings.routes):
        own: Path = ("routes", index)
        known = route.upstream in settings.upstreams
        chains.append((own, ("upstreams", route.upstream), defaults) if known else (own, defaults))
    for chain in chains:
        tables = [_layer(settings, at).timeouts for at in chain]
        saying = next((number for number, each in enumerate(tables) if "total" in each.model_fields_set), None)
        total = None if saying is None else tables[saying].total
        if saying is None or total is None:
            continue
        total_path = (*chain[saying], "timeouts", "total")
        for key in sorted(tables[0].model_fields_set - {"total"}):
            limit = getattr(tables[0], key)
            seconds = limit[1] if isinstance(limit, tuple) else limit  # A rate has a window.
            if seconds is not None and seconds >= total:
                path = (*chain[0], "timeouts", key)
                where = "" if saying == 0 else sources.beside(total_path, path)
                after = sources.shown(format_duration(total), total_path)
                message = f"cannot act: total{where} ends the exchange after {after}"
                yield sources.problem(path, message, severity=Severity.WARNING)


def _layer(settings: Settings, at: Path) -> Policies:
    if at[0] == "routes":
        return settings.routes[int(at[1])]
    return settings.defaults if at[0] == "defaults" else settings.upstreams[str(at[1])]


def there_are_routes(settings: Settings, sources: Sources) -> Problems:
    """A gateway without routes serves nothing."""
    if not settings.routes:
        yield sources.problem(("routes",), "there are no routes; write [[routes]] with path and upstream")


def _route_label(sources: Sources, index: int) -> str:
    label = sources.label(("routes", index))
    return f"the route {quoted(label.removeprefix('routes.'))}" if label.startswith("routes.") else label
