"""Settings become the compiled values that exchanges use: names resolved, inheritance done, nothing left to parse."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.document import Document
from gateway.config.files import PEM_BEGINS
from gateway.config.load import Examined, examine, examine_text
from gateway.config.problem import ConfigError, Problem, Severity, in_order, without_echoes
from gateway.config.sources import Sources
from gateway.exchange.callers import Callers
from gateway.exchange.path import prefix_segments
from gateway.exchange.route import Forwarding, GatewayPlan, Route, Share, TlsToUpstream, Upstream
from gateway.exchange.target import parse_endpoint
from gateway.policy.concurrency import limit_of
from gateway.settings import Policies, Settings, UpstreamSettings
from gateway.settings.checks import check
from gateway.settings.policies import nearest
from gateway.settings.route_checks import hosts_of
from gateway.settings.routes import RouteSettings


@dataclass(frozen=True, slots=True)
class Checked:
    """A configuration without errors."""

    settings: Settings
    plan: GatewayPlan
    """What the settings compile to; its routes stand in the same order."""
    warnings: tuple[Problem, ...]
    sources: Sources
    """Where every value is written."""


def read(path: Path, *, files: set[str] | None = None) -> tuple[Settings, GatewayPlan, tuple[Problem, ...]]:
    """Return the settings in the file ``path``, what they compile to, and what is questionable about them.

    Every call reads everything anew, included files and references too. ``files`` gets the absolute path of all that
    was looked at, also where the reading failed: the file and those it includes, those that references and settings
    name, and the directories in which patterns looked. Who watches them sees every change that could matter.

    Raises `ConfigError` with everything that is wrong, of whatever kind, and the warnings among it.
    """
    found = read_checked(path, files=files)
    return found.settings, found.plan, found.warnings


def read_checked(path: Path, *, files: set[str] | None = None) -> Checked:
    """As `read`, with the sources."""
    return _checked(examine(path, Settings, files=files))


def read_text(
    text: str, name: str, *, directory: Path | None = None
) -> tuple[Settings, GatewayPlan, tuple[Problem, ...]]:
    """As `read`, for a text that messages call ``name``; relative file names in it start from ``directory``."""
    found = read_text_checked(text, name, directory=directory)
    return found.settings, found.plan, found.warnings


def read_text_checked(text: str, name: str, *, directory: Path | None = None) -> Checked:
    """As `read_text`, with the sources."""
    return _checked(examine_text(text, name, Settings, directory=directory))


def assemble(settings: Settings) -> GatewayPlan:
    """Return what ``settings`` made by a program compile to; raise `ConfigError` where they do not fit together."""
    sources = Sources(Document("settings", "", Path.cwd(), Settings))
    errors = [problem for problem in check(settings, sources) if problem.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)
    return _compile(settings, sources)


def _checked(examined: Examined[Settings]) -> Checked:
    problems = list(examined.problems)
    if examined.value is not None:
        problems += without_echoes(check(examined.value, examined.sources), problems)
    if examined.value is None or any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    return Checked(examined.value, _compile(examined.value, examined.sources), in_order(problems), examined.sources)


def _compile(settings: Settings, sources: Sources) -> GatewayPlan:
    forwarding = settings.forwarding.compiled()
    upstreams = {name: _upstream(name, upstream, settings.defaults) for name, upstream in settings.upstreams.items()}
    hidden = frozenset(index for index in range(len(settings.routes)) if sources.hides(("routes", index, "path")))
    names = route_names(settings.routes, hidden)
    callers = settings.callers.compiled()
    routes = (
        _route(name, route, settings, upstreams[route.upstream], forwarding, callers)
        for name, route in zip(names, settings.routes, strict=True)
    )
    return GatewayPlan(
        tuple(routes),
        upstreams,
        forwarding,
        admin=settings.admin.compiled(),
        callers=callers,
        shared=settings.shared.compiled(),
        tracing=settings.tracing.compiled(),
    )


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def certificate_digest(certificate: str | None, key: str | None) -> str:
    """Return what changes when the files of a certificate and its key (a path, or its text) do."""
    if certificate is None:
        return ""
    of_key = "" if key is None or key.lstrip().startswith(PEM_BEGINS) else _digest(key)
    return _digest(certificate) + of_key


def route_names(routes: tuple[RouteSettings, ...], hidden: frozenset[int] = frozenset()) -> list[str]:
    """Return a name for each route: its own, or one made from its path, numbered where that is taken.

    Names are logged, so that of the routes at the indexes ``hidden`` nothing is made of the path.
    """
    taken = {route.name for route in routes}
    names = []
    for index, route in enumerate(routes):
        name = route.name
        if name is None:
            segments = ("route",) if index in hidden else prefix_segments(route.path)
            made = "-".join(segment for segment in segments if segment) or "root"
            made = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "-" for char in made)
            name, number = made, 2
            while name in taken:
                name, number = f"{made}-{number}", number + 1
            taken.add(name)
        names.append(name)
    return names


def _route(
    name: str,
    route: RouteSettings,
    settings: Settings,
    upstream: Upstream,
    forwarding: Forwarding,
    callers: Callers,
) -> Route:
    layers = (route, settings.upstreams[route.upstream], settings.defaults)
    compiled: dict[str, Any] = {}
    for policy in Policies.model_fields:
        compiled |= nearest(*(getattr(layer, policy) for layer in layers)).compiled()
    return Route(
        limit=limit_of(route.limits),
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
        forwarding=forwarding,
        auth=nearest(*(layer.auth for layer in layers)).asked(callers),
        credentials=settings.upstreams[route.upstream].credentials_by(route.credentials),
        tracing=settings.tracing.rule(),
        **compiled,
    )


def _upstream(name: str, upstream: UpstreamSettings, defaults: Policies) -> Upstream:
    return Upstream(
        name=name,
        endpoints=tuple(parse_endpoint(each.url) for each in upstream.endpoints),
        keep_host=upstream.keep_host,
        keepalive_seconds=upstream.keepalive,
        max_idle_connections=upstream.max_idle_connections,
        tls=TlsToUpstream(
            ca=upstream.tls.ca,
            ca_digest=_digest(upstream.tls.ca) if upstream.tls.ca is not None else "",
            verify=upstream.tls.verify,
            server_name=upstream.tls.server_name,
            certificate=upstream.tls.certificate,
            key=upstream.tls.key,
            certificate_digest=certificate_digest(upstream.tls.certificate, upstream.tls.key),
            min_version=upstream.tls.min_version,
        ),
        shares=tuple(Share(each.weight, each.priority) for each in upstream.endpoints),
        balance=upstream.balance,
        hash_on=upstream.hash_on,
        breaker=upstream.breaker.rule() if upstream.breaker is not None else None,
        health=upstream.health.rule() if upstream.health is not None else None,
        slow_start_seconds=upstream.slow_start or 0.0,
        limit=limit_of(nearest(upstream.limits, defaults.limits)),
        allow_link_local=upstream.allow_link_local,
    )
