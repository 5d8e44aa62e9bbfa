"""What a model cannot see in one value about header rules: rules about the same field, and rules that others undo."""

from collections.abc import Callable, Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.exchange.fields import plain
from gateway.exchange.route import Stream
from gateway.policy.header_rules import RequestHeadersSettings
from gateway.policy.plain_coding import needs_plain
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest
from gateway.settings.routes import RouteSettings

Problems = Iterator[Problem]
Reason = Callable[[str, str], str | None]
"""Says why a rule cannot act, by its key and the name of the field that it leaves or takes out, as `plain` has it."""

_DIRECTIONS = ("request_headers", "response_headers")
_KEYS = ("set", "add", "remove", "rename")


def header_rules_can_act(settings: Settings, sources: Sources) -> Problems:
    """Each rule of a table finds its field, and no two rules are about the same one."""
    for at, table in settings.tables():
        for direction in _DIRECTIONS:
            rules: RequestHeadersSettings = getattr(table, direction)
            path: Path = (*at, direction)
            for key in _KEYS:
                yield from _named_twice(getattr(rules, key), (*path, key), sources)
            yield from _undone(rules, path, sources)


def header_rules_are_not_undone(settings: Settings, sources: Sources) -> Problems:
    """No field is ruled that somebody behind the rules says anew, on every route for which the rule is said."""
    found: dict[Path, list[str | None]] = {}
    for index, route in enumerate(settings.routes):
        layers = _layers(settings, index, route)
        for direction, reason in zip(_DIRECTIONS, _reasons(settings, route, layers), strict=True):
            for path, key, name in _rules(layers, direction):
                found.setdefault(path, []).append(reason(key, plain(name)))
    for path, reasons in found.items():
        if reasons[0] is not None and None not in reasons:
            yield sources.warning(path, f"cannot act: {reasons[0]}", at="value" if path[-2] == "remove" else "key")


def _layers(settings: Settings, index: int, route: RouteSettings) -> list[tuple[Path, Policies]]:
    """Return the tables that a route's policies come from, the nearest first."""
    upstream = settings.upstreams.get(route.upstream)
    middle: list[tuple[Path, Policies]] = [] if upstream is None else [(("upstreams", route.upstream), upstream)]
    return [(("routes", index), route), *middle, (("defaults",), settings.defaults)]


def _rules(layers: list[tuple[Path, Policies]], direction: str) -> Iterator[tuple[Path, str, str]]:
    """Yield place, key and field of each rule that holds; of a key only the nearest table counts."""
    for key in _KEYS:
        for at, table in layers:
            rules: RequestHeadersSettings = getattr(table, direction)
            if key in rules.model_fields_set:
                yield from (((*at, direction, key, place), key, name) for place, name in _named(key, rules))
                break


def _named(key: str, rules: RequestHeadersSettings) -> Iterator[tuple[str | int, str]]:
    """Yield where each rule of a key stands, and the field that it leaves or takes out."""
    if key == "remove":
        yield from enumerate(rules.remove)
    elif key == "rename":
        yield from rules.rename.items()
    else:
        yield from ((name, name) for name in getattr(rules, key))


def _reasons(settings: Settings, route: RouteSettings, layers: list[tuple[Path, Policies]]) -> tuple[Reason, Reason]:
    """Return why rules of a route cannot act, on the way up and on the way down."""
    tables = [table for _, table in layers]
    stream = nearest(*(table.stream for table in tables)).compiled()["stream"]
    compression = nearest(*(table.compression for table in tables)).codings
    rates = nearest(*(table.limits for table in tables)).rates
    assert isinstance(stream, Stream)
    up: dict[str, str] = {}
    if settings.forwarding.request_id_header:
        up[plain(settings.forwarding.request_id_header)] = "forwarding.request_id_header sets this field"
    if settings.tracing.endpoint is not None and settings.tracing.propagate:
        up |= dict.fromkeys(("traceparent", "tracestate"), "tracing.propagate sets this field")
    if needs_plain(bool(compression), stream):
        up["accept-encoding"] = "the gateway makes something of the answer, and asks for it without a coding"
    up |= dict.fromkeys(_proven(settings, route), "credentials set this field")

    def on_the_way_down(key: str, name: str) -> str | None:
        if name == "date" and key == "remove":
            return "every answer has a Date; without the upstream's own it is the gateway's"
        return "limits.rates decides what RateLimit fields say" if rates and name.startswith("ratelimit") else None

    return lambda key, name: up.get(name), on_the_way_down


def _proven(settings: Settings, route: RouteSettings) -> frozenset[str]:
    """Return the fields that credentials set, or take out, whichever endpoint is asked and whoever asks."""
    upstream = settings.upstreams.get(route.upstream)
    names: frozenset[str] | None = None
    for each in () if upstream is None else upstream.credentials_by(route.credentials):
        if each is None or (each.default is None and not (each.by_principal and each.refuses)):
            return frozenset()
        for credential in each.all():
            names = credential.replaces if names is None else names & credential.replaces
    return names or frozenset()


def _named_twice(names: dict[str, str] | tuple[str, ...], at: Path, sources: Sources) -> Problems:
    seen: dict[str, str] = {}
    for index, name in enumerate(names):
        first = seen.setdefault(plain(name), name)
        if first is not name or (isinstance(names, tuple) and name in names[:index]):
            where = (*at, index) if isinstance(names, tuple) else (*at, name)
            message = "this field is there twice; case, and - or _, make no other one"
            yield sources.problem(where, message, at="value" if isinstance(names, tuple) else "key")


def _undone(rules: RequestHeadersSettings, at: Path, sources: Sources) -> Problems:
    removed, single = set(map(plain, rules.remove)), set(map(plain, rules.set))
    for old, new in rules.rename.items():
        if plain(old) in removed:
            yield sources.warning((*at, "rename", old), "cannot act: remove takes this field out", at="key")
        elif plain(new) in single:
            yield sources.warning((*at, "rename", old), "cannot act: set replaces the field with the new name")
    for index, name in enumerate(rules.remove):
        if plain(name) in single:
            yield sources.warning((*at, "remove", index), "cannot act: set takes out what is there anyway")
