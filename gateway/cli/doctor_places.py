"""Where ``gateway doctor`` looks: the listener and the endpoints that a file configures, and what a route is asked."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.asking_admin import trusting_only
from gateway.cli.masking import Masking
from gateway.cli.reading import read_checked
from gateway.cli.request import given_request

if TYPE_CHECKING:
    from gateway.assemble import Checked
    from gateway.doctor.probing import Asking, Place
    from gateway.exchange.message import RequestHead
    from gateway.exchange.route import Route, Upstream
    from gateway.exchange.target import Endpoint


@dataclass(frozen=True, slots=True)
class Asked:
    """The request to make to a route; None for what the route itself suggests."""

    method: str | None
    target: str | None
    fields: tuple[tuple[str, str], ...]
    body: bytes | None
    patience_seconds: float


def field(header: str) -> tuple[str, str]:
    """Return name and value of ``Name: value``."""
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{header!r} has no colon", param_hint="-H")
    return name.strip(), value.strip()


def context(*, ca: str | None = None, verify: bool = True) -> ssl.SSLContext:
    """Return the context with which the gateway, too, would verify a server."""
    from gateway.exchange.route import TlsToUpstream
    from gateway.upstream.dialing import tls_context

    try:
        return tls_context(TlsToUpstream(ca=ca, verify=verify))
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def endpoints(path: Path) -> list["Place"]:
    """Return every endpoint in the file."""
    found = read_checked(path)
    upstreams = found.plan.upstreams.values()
    return [_endpoint(found, upstream, number) for upstream in upstreams for number in range(len(upstream.endpoints))]


def listener(path: Path, name: str) -> tuple["Place", str]:
    """Return the gateway's own listener, and the path of the route ``name``."""
    found = read_checked(path)
    route = _route(found, name)
    return _listener(found, _host(route)), route.path


def requests(path: Path, name: str, asked: Asked) -> tuple[tuple["Place", "Asking"], list[tuple["Place", "Asking"]]]:
    """Return the request to the route ``name`` as a client makes it, and as the gateway makes it to each endpoint."""
    from gateway.doctor.probing import Asking

    found = read_checked(path)
    route = _route(found, name)
    method = asked.method or ("GET" if not route.methods or "GET" in route.methods else min(route.methods))
    host = next((value for name, value in asked.fields if name.lower() == "host"), _host(route))
    place = _listener(found, host)
    target = asked.target or route.path
    lines = tuple(f"{name}: {value}" for name, value in asked.fields)
    request = given_request(method, target, (*lines, f"Host: {host or place.authority}"))
    _must_match(found, route, request)
    fields = tuple((name, value) for name, value in asked.fields if name.lower() != "host")
    through = Asking(target, method, fields, asked.body, patience_seconds=asked.patience_seconds)
    direct = []
    for number, endpoint in enumerate(route.upstream.endpoints):
        sent_target, sent_fields = _prepared(route, endpoint, request)
        asking = Asking(sent_target, method, sent_fields, asked.body, patience_seconds=asked.patience_seconds)
        direct.append((_endpoint(found, route.upstream, number), asking))
    return (place, through), direct


def _prepared(route: "Route", endpoint: "Endpoint", request: "RequestHead") -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return what the policies make of the request for ``endpoint``: as ``gateway explain`` does, without any I/O."""
    from gateway.exchange.attempt import Attempt
    from gateway.exchange.exchange import Exchange
    from gateway.exchange.fields import request_fields
    from gateway.policy import ORDER

    exchange = Exchange("-", request, 0.0)
    exchange.route = route
    attempt = Attempt(endpoint, fields=request_fields(request.fields))
    for build in ORDER:
        prepare = build(route).prepare
        if prepare is not None:
            prepare(exchange, attempt)
    return attempt.target, tuple(attempt.fields or ())


def _route(found: "Checked", name: str) -> "Route":
    route = next((each for each in found.plan.routes if each.name == name), None)
    if route is None:
        raise click.BadParameter(f"no route is called {name!r}; `gateway routes` lists them", param_hint="ROUTE")
    return route


def _must_match(found: "Checked", route: "Route", request: "RequestHead") -> None:
    from gateway.exchange.failure import FailureError
    from gateway.policy.routing import RouteTable

    try:
        matched = RouteTable(found.plan.routes).match(request).route
    except FailureError:
        matched = None
    if matched is not route:
        served = "no route" if matched is None else Masking(found)(matched.name)
        raise click.UsageError(
            f"that request is served by {served}; give --path, --method or -H that lead to {route.name}"
        )


def _host(route: "Route") -> str:
    """Return a host that the route serves; empty where it serves any."""
    return next(iter(route.hosts), "").replace("*", "doctor")


def _listener(found: "Checked", host: str) -> "Place":
    from gateway.doctor.probing import Place

    server = found.settings.server
    if server.proxy_protocol != "off" or (server.tls is not None and server.tls.client_ca is not None):
        raise click.ClickException(
            "the gateway's listener wants a PROXY header or a client certificate: give the URL that clients use instead"
        )
    listen = server.listen[0]
    tls = None if server.tls is None else trusting_only(server.tls.certificate)
    if listen.startswith("unix:"):
        return Place(listen, listen.removeprefix("unix:"), authority=host or "localhost", unix=True, context=tls)
    address, _, port = listen.rpartition(":")
    address = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(address, address)  # noqa: S104 - compared, not bound
    name = f"{'http' if tls is None else 'https'}://{address}:{port}"
    return Place(name, address.strip("[]"), int(port), host or f"{address}:{port}", context=tls)


def _endpoint(found: "Checked", upstream: "Upstream", number: int) -> "Place":
    """Return an endpoint; one that a reference brought is called by its number alone."""
    from gateway.doctor.probing import Place

    endpoint = upstream.endpoints[number]
    at = ("upstreams", upstream.name, "endpoints", number)
    hidden = found.sources.hides(at) or found.sources.hides((*at, "url"))
    secure = endpoint.scheme == "https"
    return Place(
        name=f"endpoint {number + 1} of {upstream.name}" if hidden else str(endpoint),
        host=endpoint.host,
        port=endpoint.port,
        authority=endpoint.authority,
        unix=endpoint.unix,
        context=context(ca=upstream.tls.ca, verify=upstream.tls.verify) if secure else None,
        server_name=upstream.tls.server_name or "",
        discreet=hidden,
    )
