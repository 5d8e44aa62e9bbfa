"""What a model cannot see in one value: settings that do not fit each other, or cannot act.

Each check yields problems; an error where exchanges would go wrong, a warning where something is without effect or
more open than it looks. Their order does not matter.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

from gateway.config.document import Document
from gateway.config.files import PEM_BEGINS
from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity, quoted
from gateway.config.translate import closest
from gateway.config.units import format_duration
from gateway.exchange.path import prefix_segments
from gateway.settings import Settings
from gateway.settings.addresses import parse_listen, parse_network
from gateway.settings.policies import TimeoutsSettings
from gateway.settings.routes import RouteSettings
from gateway.settings.tls_files import authorities_fault, certificate_fault, readable_by_all

_LISTED_NAMES = 12
Problems = Iterator[Problem]


def check(settings: Settings, document: Document) -> list[Problem]:
    """Return all that is wrong with ``settings`` beyond single values; ``document`` tells where it stands.

    Of a partial document only what does not follow from the missing parts is told.
    """
    checks = _CHECKS if document.partial else (*_CHECKS, *_CHECKS_OF_WHOLE)
    return [problem for each in checks for problem in each(settings, document)]


def hosts_of(route: RouteSettings) -> tuple[str, ...]:
    """Return the hosts a route is for, however they were written; none for all."""
    return (*((route.host,) if route.host is not None else ()), *route.hosts)


def _upstreams_exist(settings: Settings, document: Document) -> Problems:
    in_file = document.data.get("upstreams")
    names = sorted({*settings.upstreams, *(in_file if isinstance(in_file, dict) else ())})
    for index, route in enumerate(settings.routes):
        if route.upstream not in names:
            path: Path = ("routes", index, "upstream")
            listed = ", ".join(names[:_LISTED_NAMES]) + (", …" if len(names) > _LISTED_NAMES else "")
            there_are = f"there are: {listed}" if names else "there are none; write [upstreams.NAME] with endpoints"
            hidden = document.hides(document.in_file(path))
            yield document.problem(
                path,
                f"no upstream {document.shown(route.upstream, path)}; {there_are}",
                suggestion=None if hidden else closest(route.upstream, names),
            )


def _upstreams_have_endpoints(settings: Settings, document: Document) -> Problems:
    for name, upstream in settings.upstreams.items():
        if not upstream.endpoints:
            path = ("upstreams", name, *(("endpoints",) if "endpoints" in upstream.model_fields_set else ()))
            message = 'no endpoints; write endpoints = ["http://HOST:PORT"]'
            yield document.problem(path, message, at="key")


def _names_are_unique(settings: Settings, document: Document) -> Problems:
    first: dict[str, int] = {}
    for index, route in enumerate(settings.routes):
        if route.name is not None and first.setdefault(route.name, index) != index:
            path = ("routes", index, "name")
            message = f"another route has this name{_on_line(document, ('routes', first[route.name], 'name'))}"
            yield document.problem(path, message)


def _matches_differ(settings: Settings, document: Document) -> Problems:
    """Of routes with the same path, host and fields the first one gets a request; a later one may get none at all."""
    taken: dict[tuple[object, ...], int] = {}
    for index, route in enumerate(settings.routes):
        fields = frozenset((name.lower(), value) for name, value in route.headers.items())
        claims = {
            (prefix_segments(route.path), host, fields, method): method or host or route.path
            for host in hosts_of(route) or ("",)
            for method in route.methods or ("",)
        }
        rivals = [taken[claim] for claim in claims if claim in taken]
        if rivals:
            whole = len(rivals) == len(claims)
            lost = ", ".join(sorted({text for claim, text in claims.items() if claim in taken}))
            ahead = f"{_route_label(document, rivals[0])}{_on_line(document, ('routes', rivals[0], 'path'))}"
            message = f"never matches: {ahead} takes the same requests" if whole else f"{ahead} already takes {lost}"
            severity = Severity.ERROR if whole else Severity.WARNING
            yield document.problem(("routes", index, "path"), message, severity=severity)
        for claim in claims:
            taken.setdefault(claim, index)


def _routes_are_consistent(settings: Settings, document: Document) -> Problems:
    for index, route in enumerate(settings.routes):
        at: Path = ("routes", index)
        if route.host is not None and route.hosts:
            yield document.problem((*at, "host"), "stands beside hosts; write all of them in hosts", at="key")
        if route.strip_prefix is not None:
            wanted, have = prefix_segments(route.strip_prefix), prefix_segments(route.path)
            if have[: len(wanted)] != wanted:
                path = (*at, "strip_prefix")
                found = document.shown(route.strip_prefix, path)
                expected = f"whole segments from the beginning of path {document.shown(route.path, (*at, 'path'))}"
                yield document.problem(path, expected=expected, found=found)
        elif route.rewrite is not None:
            yield document.problem((*at, "rewrite"), "cannot act without strip_prefix, whose place it takes", at="key")


def _timeouts_can_act(settings: Settings, document: Document) -> Problems:
    tables: list[tuple[Path, TimeoutsSettings]] = [(("defaults",), settings.defaults.timeouts)]
    tables += [(("upstreams", name), upstream.timeouts) for name, upstream in settings.upstreams.items()]
    tables += [(("routes", index), route.timeouts) for index, route in enumerate(settings.routes)]
    for at, timeouts in tables:
        if timeouts.total is None:
            continue
        for key in sorted(timeouts.model_fields_set - {"total"}):
            seconds = getattr(timeouts, key)
            if seconds is not None and seconds >= timeouts.total:
                total = document.shown(format_duration(timeouts.total), (*at, "timeouts", "total"))
                message = f"cannot act: total ends the exchange after {total}"
                yield document.problem((*at, "timeouts", key), message, severity=Severity.WARNING)


def _server_tls_files_fit(settings: Settings, document: Document) -> Problems:
    tls = settings.server.tls
    if tls is None:
        return
    at = ("server", "tls")
    if (fault := certificate_fault(tls.certificate, tls.key)) is not None:
        yield document.problem((*at, "certificate"), fault)
    elif not tls.key.lstrip().startswith(PEM_BEGINS) and readable_by_all(tls.key):
        message = "every user of this machine can read this file; let only its owner and group read it"
        yield document.problem((*at, "key"), message, severity=Severity.WARNING)
    if tls.client_ca is not None and (fault := authorities_fault(tls.client_ca)) is not None:
        yield document.problem((*at, "client_ca"), fault)


def _upstream_tls_can_act(settings: Settings, document: Document) -> Problems:
    for name, upstream in settings.upstreams.items():
        at, tls = ("upstreams", name, "tls"), upstream.tls
        if tls.ca is not None and (fault := authorities_fault(tls.ca)) is not None:
            yield document.problem((*at, "ca"), fault)
        if tls.ca is not None and not tls.verify:
            message = "cannot act: verify = false lets every certificate pass"
            yield document.problem((*at, "ca"), message, severity=Severity.WARNING)
        if tls.model_fields_set and not any(each.lower().startswith("https:") for each in upstream.endpoints):
            message = "cannot act: no endpoint of this upstream is https"
            yield document.problem(at, message, at="key", severity=Severity.WARNING)


def _listeners_are_apart(settings: Settings, document: Document) -> Problems:
    listeners: list[tuple[Path, str]] = [
        (("server", "listen", i), text) for i, text in enumerate(settings.server.listen)
    ]
    if settings.admin.listen is not None:
        listeners.append((("admin", "listen"), settings.admin.listen))
    for (first_path, first), (path, text) in combinations(listeners, 2):
        if parse_listen(first).collides_with(parse_listen(text)):
            # One of both may be built in; what the file says is what can be changed.
            if document.positions.of_value(document.in_file(path)) is None:
                path, first_path, text, first = first_path, path, first, text
            other = f"{document.label(document.in_file(first_path))} ({document.shown(first, first_path)})"
            yield document.problem(path, f"collides with {other}")


def _nothing_is_open_by_mistake(settings: Settings, document: Document) -> Problems:
    admin = settings.admin.listen
    if admin is not None and not parse_listen(admin).is_local:
        message = "other machines can reach the admin listener, which asks nobody who they are"
        yield document.problem(("admin", "listen"), message, severity=Severity.WARNING)
    for index, peer in enumerate(settings.forwarding.trusted_peers):
        path: Path = ("forwarding", "trusted_peers", index)
        if peer == "unix":
            if not any(parse_listen(text).is_unix for text in settings.server.listen):
                message = "cannot act: no listener is a unix socket"
                yield document.problem(path, message, severity=Severity.WARNING)
        elif parse_network(peer).prefixlen == 0:
            message = "believes everyone: any client can claim to be any other"
            yield document.problem(path, message, severity=Severity.WARNING)


def _there_are_routes(settings: Settings, document: Document) -> Problems:
    if not settings.routes:
        yield document.problem(("routes",), "there are no routes; write [[routes]] with path and upstream")


def _upstreams_are_used(settings: Settings, document: Document) -> Problems:
    used = {route.upstream for route in settings.routes}
    if not used or not used <= settings.upstreams.keys():
        return  # The missing use is probably the misspelt one.
    for name in settings.upstreams:
        if name not in used:
            yield document.problem(("upstreams", name), "no route uses it", at="key", severity=Severity.WARNING)


def _route_label(document: Document, index: int) -> str:
    label = document.label(document.in_file(("routes", index)))
    return f"the route {quoted(label.removeprefix('routes.'))}" if label.startswith("routes.") else label


def _on_line(document: Document, path: Path) -> str:
    place = document.positions.of_value(document.in_file(path))
    return f" on line {place.line}" if place is not None else ""


_CHECKS: tuple[Callable[[Settings, Document], Problems], ...] = (
    _upstreams_exist,
    _upstreams_have_endpoints,
    _names_are_unique,
    _matches_differ,
    _routes_are_consistent,
    _timeouts_can_act,
    _server_tls_files_fit,
    _upstream_tls_can_act,
    _listeners_are_apart,
    _nothing_is_open_by_mistake,
)
_CHECKS_OF_WHOLE: tuple[Callable[[Settings, Document], Problems], ...] = (_there_are_routes, _upstreams_are_used)
