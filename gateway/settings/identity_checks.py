"""Settings that take for granted that somebody knows who asks, on routes that ask nobody.

Each check yields warnings: what is more open than it looks, or has nothing to go by.
"""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.exchange.callers import ANONYMOUS
from gateway.grammar.addresses import parse_listen
from gateway.grammar.templates import parse_template
from gateway.policy.credential_settings import CredentialsSettings
from gateway.policy.header_rules import RequestHeadersSettings
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]
_OF_WHO_ASKS = frozenset({"principal", "claim", "scope"})


def credentials_are_not_lent_to_all(settings: Settings, sources: Sources) -> Problems:
    """Who may connect from elsewhere does not spend what the gateway shows to an upstream without being asked."""
    server = settings.server
    certified = (
        server.tls is not None and server.tls.client_ca is not None and server.tls.client_certificates == "required"
    )
    if certified or server.addresses.allow is not None or all(parse_listen(text).is_local for text in server.listen):
        return
    for index in range(len(settings.routes)):
        tables = [table for _, table in _layers(settings, index)]
        if nearest(*(table.auth for table in tables)).any or nearest(*(table.addresses for table in tables)).allow:
            continue
        if any(table.compiled() is not None for _, table in _credentials(settings, index)):
            message = (
                "whoever can connect, and that is not only this machine, uses the gateway's credentials:"
                ' nobody is asked; say auth = { any = ["keys"] }'
            )
            yield sources.warning(("routes", index), message, at="key")


def callers_with_credentials_are_asked(settings: Settings, sources: Sources) -> Problems:
    """A credential of one caller's needs somebody to say who calls."""
    told = set[Path]()
    for index in range(len(settings.routes)):
        if _asks(settings, index):
            continue
        for at, table in _credentials(settings, index):
            if table.by_principal and at not in told:
                told.add(at)
                fate = "refused" if table.otherwise == "refuse" else "given what stands beside it"
                message = f"cannot act: {sources.label(('routes', index))} asks nobody who they are, all are {fate}"
                yield sources.warning((*at, "by_principal"), message, at="key")


def header_rules_know_who_asks(settings: Settings, sources: Sources) -> Problems:
    """A value that speaks of who asks stands on some route that asks."""
    nobody, somebody = dict[Path, str](), set[Path]()
    for index in range(len(settings.routes)):
        asks = _asks(settings, index)
        for path, placeholder in _speaking_of_callers(settings, index):
            if asks:
                somebody.add(path)
            else:
                nobody.setdefault(path, placeholder)
    for path, placeholder in nobody.items():
        if path not in somebody:
            yield sources.warning(
                path, f"cannot act: nobody is asked who they are, {{{placeholder}}} says nothing", at="key"
            )


def _speaking_of_callers(settings: Settings, index: int) -> Iterator[tuple[Path, str]]:
    layers = _layers(settings, index)
    for direction in ("request_headers", "response_headers"):
        for key in ("set", "add"):
            for at, table in layers:
                rules: RequestHeadersSettings = getattr(table, direction)
                if key in rules.model_fields_set:
                    for name, value in getattr(rules, key).items():
                        parts = (part for part in parse_template(value) if not isinstance(part, str))
                        if (found := next((part[0] for part in parts if part[0] in _OF_WHO_ASKS), None)) is not None:
                            yield (*at, direction, key, name), found
                    break  # The nearest table that has the key counts.


def _asks(settings: Settings, index: int) -> bool:
    auth = nearest(*(table.auth for _, table in _layers(settings, index)))
    return bool(auth.any) and set(auth.any or ()) != {ANONYMOUS}


def _layers(settings: Settings, index: int) -> list[tuple[Path, Policies]]:
    """Return the tables that a route takes its policies from, the nearest first."""
    route = settings.routes[index]
    found: list[tuple[Path, Policies]] = [(("routes", index), route)]
    if route.upstream in settings.upstreams:
        found.append((("upstreams", route.upstream), settings.upstreams[route.upstream]))
    return [*found, (("defaults",), settings.defaults)]


def _credentials(settings: Settings, index: int) -> Iterator[tuple[Path, CredentialsSettings]]:
    """Yield the tables of credentials that requests of a route may carry, with their places."""
    route = settings.routes[index]
    upstream = settings.upstreams.get(route.upstream)
    if upstream is None:
        return
    general: list[tuple[Path, CredentialsSettings | None]] = [
        (("routes", index, "credentials"), route.credentials),
        (("upstreams", route.upstream, "credentials"), upstream.credentials),
    ]
    nearest_one = next(((at, table) for at, table in general if table is not None), None)
    for number, endpoint in enumerate(upstream.endpoints):
        if endpoint.credentials is not None:
            yield ("upstreams", route.upstream, "endpoints", number, "credentials"), endpoint.credentials
    if nearest_one is not None and any(each.credentials is None for each in upstream.endpoints):
        yield nearest_one
