"""Settings become the compiled values that exchanges use: names resolved, inheritance done, nothing left to parse."""

from pathlib import Path

from gateway.config.document import Document
from gateway.config.load import Examined, examine, examine_text
from gateway.config.problem import ConfigError, Problem, Severity, in_order, without_echoes
from gateway.exchange.path import prefix_segments
from gateway.exchange.route import Forwarding, GatewayPlan, Route, Timeouts, TlsToUpstream, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.settings import ForwardingSettings, Settings, UpstreamSettings
from gateway.settings.addresses import parse_network
from gateway.settings.checks import check, hosts_of
from gateway.settings.policies import nearest
from gateway.settings.routes import RouteSettings


def read(path: Path) -> tuple[Settings, GatewayPlan, tuple[Problem, ...]]:
    """Return the settings in the file ``path``, what they compile to, and what is questionable about them.

    Raises `ConfigError` with everything that is wrong, of whatever kind, and the warnings among it.
    """
    return _checked(examine(path, Settings))


def read_text(
    text: str, name: str, *, directory: Path | None = None
) -> tuple[Settings, GatewayPlan, tuple[Problem, ...]]:
    """As `read`, for a text that messages call ``name``; relative file names in it start from ``directory``."""
    return _checked(examine_text(text, name, Settings, directory=directory))


def assemble(settings: Settings, document: Document | None = None) -> GatewayPlan:
    """Return what ``settings`` compile to; raise `ConfigError` where they do not fit together.

    ``document`` is where they were read, for the places in messages; settings made by a program have none.
    """
    document = Document("settings", "", Path.cwd(), Settings) if document is None else document
    errors = [problem for problem in check(settings, document) if problem.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)
    return _compile(settings)


def _checked(examined: Examined[Settings]) -> tuple[Settings, GatewayPlan, tuple[Problem, ...]]:
    problems = list(examined.problems)
    if examined.value is not None:
        problems += without_echoes(check(examined.value, examined.document), problems)
    if examined.value is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    return examined.value, _compile(examined.value), in_order(problems)


def _compile(settings: Settings) -> GatewayPlan:
    forwarding = _forwarding(settings.forwarding)
    upstreams = {name: _upstream(name, upstream) for name, upstream in settings.upstreams.items()}
    names = route_names(settings.routes)
    routes = (
        _route(name, route, settings, upstreams[route.upstream], forwarding)
        for name, route in zip(names, settings.routes, strict=True)
    )
    return GatewayPlan(tuple(routes), upstreams, forwarding)


def route_names(routes: tuple[RouteSettings, ...]) -> list[str]:
    """Return a name for each route: its own, or one made from its path, numbered where that is taken."""
    taken = {route.name for route in routes}
    names = []
    for route in routes:
        name = route.name
        if name is None:
            made = "-".join(segment for segment in prefix_segments(route.path) if segment) or "root"
            made = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in made)
            name, number = made, 2
            while name in taken:
                name, number = f"{made}-{number}", number + 1
            taken.add(name)
        names.append(name)
    return names


def _route(name: str, route: RouteSettings, settings: Settings, upstream: Upstream, forwarding: Forwarding) -> Route:
    layers = (route, settings.upstreams[route.upstream], settings.defaults)
    timeouts = nearest(*(layer.timeouts for layer in layers))
    limits = nearest(*(layer.limits for layer in layers))
    return Route(
        name=name,
        path=route.path,
        upstream=upstream,
        hosts=hosts_of(route),
        methods=frozenset(route.methods),
        headers=tuple(
            (field.lower(), value if isinstance(value, str) else None) for field, value in route.headers.items()
        ),
        strip_prefix=route.strip_prefix or "",
        rewrite=route.rewrite,
        timeouts=Timeouts(
            connect=timeouts.connect,
            first_byte=timeouts.first_byte,
            idle=timeouts.idle,
            total=timeouts.total,
            write=timeouts.write,
            upload=timeouts.upload,
        ),
        max_request_body=limits.max_request_body,
        forwarding=forwarding,
    )


def _upstream(name: str, upstream: UpstreamSettings) -> Upstream:
    return Upstream(
        name=name,
        endpoints=tuple(parse_endpoint(url) for url in upstream.endpoints),
        keep_host=upstream.keep_host,
        keepalive_seconds=upstream.keepalive,
        max_idle_connections=upstream.max_idle_connections,
        tls=TlsToUpstream(ca=upstream.tls.ca, verify=upstream.tls.verify, server_name=upstream.tls.server_name),
    )


def _forwarding(settings: ForwardingSettings) -> Forwarding:
    return Forwarding(
        trusted_peers=tuple(parse_network(peer) for peer in settings.trusted_peers if peer != "unix"),
        trust_unix="unix" in settings.trusted_peers,
        via=settings.via,
        forwarded=settings.forwarded,
        x_forwarded=settings.x_forwarded,
        request_id_header=settings.request_id_header,
    )
