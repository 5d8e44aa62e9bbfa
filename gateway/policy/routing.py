"""Which route serves a request: the most specific one that matches it, found at a cost that routes do not add to.

Most specific is decided in this order: the longer path prefix; an exact host before a wildcard (the longer wildcard
first) before none; methods named before none; more header conditions; and last the order in the file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.exchange.failure import (
    BAD_REQUEST,
    METHOD_NOT_ALLOWED,
    METHOD_UNSUPPORTED,
    NO_ROUTE,
    TARGET_REFUSED,
    Failure,
    FailureError,
)
from gateway.exchange.message import RequestHead
from gateway.exchange.path import prefix_segments, resolutions, segments_for_match, split_query
from gateway.exchange.route import Route
from gateway.policy.cors import preflight_for

_ANY_HOST = ""
_Place = tuple[tuple[str, ...], str]
"""Prefix and host pattern: what routes are looked up by."""


@dataclass(frozen=True, slots=True)
class Match:
    """The route that serves a request."""

    route: Route


class Explanation(NamedTuple):
    """What became of one route for one request."""

    route: Route
    matched: bool
    why: str


class RouteTable:
    """All routes, arranged for looking up. It never changes: a reload makes a new one.

    A request costs one lookup for each prefix length and host pattern in use that it could have; only routes that
    share both prefix and host are tried one after the other.
    """

    def __init__(self, routes: tuple[Route, ...] | list[Route]) -> None:
        self._places: dict[_Place, list[Route]] = {}
        self._order = {id(route): index for index, route in enumerate(routes)}
        self.routes = tuple(routes)
        for route in routes:
            for host in map(bare_host, route.hosts or (_ANY_HOST,)):
                self._places.setdefault((prefix_segments(route.path), host), []).append(route)
        for shared in self._places.values():
            shared.sort(key=lambda route: (not route.methods, -len(route.headers)))
        self._lengths = sorted({len(segments) for segments, _ in self._places}, reverse=True)
        wildcards = {host.count(".") for _, host in self._places if host.startswith("*.")}
        self._wildcard_labels = sorted(wildcards, reverse=True)

    def match(self, request: RequestHead) -> Match:
        """Return the route that serves ``request``.

        Raises FailureError: NO_ROUTE; METHOD_NOT_ALLOWED, with Allow, where another method would have matched;
        METHOD_UNSUPPORTED for CONNECT, and for TRACE unless a route names it; BAD_REQUEST for a target that is no
        path; TARGET_REFUSED where dot segments would lead some readers from the route into another one.
        """
        path = _routable_path(request)
        host = bare_host(request.authority)
        allow: set[str] = set()
        route = self._find(request, path, host, allow)
        if route is None:
            raise FailureError(_refusal(request.method, allow))
        for resolved in resolutions(path):
            if self._find(request, resolved, host, set()) is not route:
                raise FailureError(Failure(TARGET_REFUSED, "dot segments lead from one route to another"))
        return Match(route)

    def explain(self, request: RequestHead) -> list[Explanation]:
        """Return every route, the more specific ones first, with whether it matches ``request`` and why (not).

        The first that matches is the one that serves. Raises FailureError as ``match`` does, but for a target or
        method that no route could serve only.
        """
        segments = segments_for_match(_routable_path(request))
        host = bare_host(request.authority)
        explanations = [self._explain(route, request, segments, host) for route in self.routes]
        explanations.sort(key=lambda item: self._rank(item.route, host))
        served = next((index for index, item in enumerate(explanations) if item.matched), None)
        return [
            item._replace(why="serves it" if index == served else "matches, but a more specific one serves it")
            if item.matched
            else item
            for index, item in enumerate(explanations)
        ]

    def _find(self, request: RequestHead, path: str, host: str, allow: set[str]) -> Route | None:
        """Return the most specific matching route; add to ``allow`` the methods with which another would match."""
        segments = segments_for_match(path)
        patterns = list(self._host_patterns(host))
        for length in self._lengths:
            if length > len(segments):
                continue
            prefix = segments[:length]
            for pattern in patterns:
                for route in self._places.get((prefix, pattern), ()):
                    if route.headers and not _headers_match(route, request):
                        continue
                    if _takes(route, request):
                        return route
                    allow |= route.methods
        return None

    def _host_patterns(self, host: str) -> Iterator[str]:
        """Yield the patterns in use that ``host`` could match, the most specific first."""
        if host:
            yield host
        for labels in self._wildcard_labels:
            suffix = host.rsplit(".", labels)
            if len(suffix) > labels and suffix[0]:
                yield "*." + ".".join(suffix[1:])
        yield _ANY_HOST

    def _rank(self, route: Route, host: str) -> tuple[int, int, bool, int, int]:
        """Return a key by which the most specific route comes first."""
        patterns = list(self._host_patterns(host))
        own = [patterns.index(pattern) for pattern in _patterns(route) if pattern in patterns]
        return (
            -len(prefix_segments(route.path)),
            min(own, default=len(patterns)),
            not route.methods,
            -len(route.headers),
            self._order[id(route)],
        )

    def _explain(self, route: Route, request: RequestHead, segments: tuple[str, ...], host: str) -> Explanation:
        prefix = prefix_segments(route.path)
        if segments[: len(prefix)] != prefix:
            return Explanation(route, False, f"the path is not below {route.path}")
        if not set(_patterns(route)) & set(self._host_patterns(host)):
            return Explanation(route, False, f"the host is none of {', '.join(route.hosts)}")
        if not _headers_match(route, request):
            return Explanation(route, False, f"needs the fields {', '.join(name for name, _ in route.headers)}")
        if not _takes(route, request):
            served = ", ".join(sorted(route.methods)) or "every method but TRACE"
            return Explanation(route, False, f"serves {served}")
        return Explanation(route, True, "")


def bare_host(authority: str) -> str:
    """Return the host of an authority as hosts are compared: lower case, without port and without a last dot."""
    host = authority.lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        if colon and not port.strip("0123456789"):
            host = name
    return host.removesuffix(".")


def _patterns(route: Route) -> tuple[str, ...]:
    return tuple(map(bare_host, route.hosts)) or (_ANY_HOST,)


def _routable_path(request: RequestHead) -> str:
    """Return the path by which to look up ``request``; OPTIONS * is for a route of everything."""
    if request.method == "CONNECT":
        raise FailureError(Failure(METHOD_UNSUPPORTED, "this is no tunnel: CONNECT is not served"))
    path, _ = split_query(request.target)
    if path == "*" and request.method == "OPTIONS" and path == request.target:
        return "/"
    if not path.startswith("/"):
        raise FailureError(Failure(BAD_REQUEST, "the request target does not begin with /"))
    return path


def _serves(route: Route, method: str) -> bool:
    """Say whether ``route`` serves ``method``: TRACE, which sends credentials back, only if it is named."""
    return method in route.methods if route.methods else method != "TRACE"


def _takes(route: Route, request: RequestHead) -> bool:
    """Say whether ``route`` serves the method, or answers the preflight for a method that it serves."""
    if _serves(route, request.method):
        return True
    asked = preflight_for(request) if route.cors is not None else None
    return asked is not None and _serves(route, asked)


def _headers_match(route: Route, request: RequestHead) -> bool:
    return all(
        any(name.lower() == wanted and value in (None, found) for name, found in request.fields)
        for wanted, value in route.headers
    )


def _refusal(method: str, allow: set[str]) -> Failure:
    if method == "TRACE":
        return Failure(METHOD_UNSUPPORTED, "TRACE is served only where a route names it")
    if allow:
        listed = ", ".join(sorted(allow))
        return Failure(METHOD_NOT_ALLOWED, f"this path serves {listed}", (("Allow", listed),))
    return Failure(NO_ROUTE, "no route matches the path and host of this request")
