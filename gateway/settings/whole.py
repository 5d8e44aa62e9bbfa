"""The whole configuration as it holds: every table with every value, secrets masked, and where each came from."""

import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence

from gateway.config.problem import dotted
from gateway.config.sources import Sources
from gateway.config.toml import written
from gateway.settings import Policies, Settings
from gateway.settings.effective import Effective, layers_of_route, of_policy, of_table

Table = tuple[str, Iterator[Effective]]
"""The header of a table, in its brackets, and what stands in it."""


def tables(settings: Settings, route_names: Sequence[str], sources: Sources) -> Iterator[Table]:
    """Yield all tables, so that together they leave nothing to be inherited; each is to be read before the next.

    ``route_names`` are those that were made or given, in the order of the routes.
    """
    for name in ("server", "admin", "log", "forwarding", "shared", "store", "tracing"):
        if (table := getattr(settings, name)) is None:
            continue
        if name == "tracing" and not table.model_fields_set:
            continue  # Nothing is traced, and what it would say could not act.
        yield f"[{name}]", of_table(table, (name,), sources)
        for key in ("addresses", "tls"):
            if (inner := getattr(table, key, None)) is not None:
                yield f"[{name}.{key}]", of_table(inner, (name, key), sources)
    yield from _callers(settings, sources)
    yield from _policies(settings, "defaults", (("defaults",),), sources)
    for name, upstream in settings.upstreams.items():
        header = dotted(("upstreams", name))
        yield f"[{header}]", of_table(upstream, ("upstreams", name), sources)
        if upstream.tls.model_fields_set or any(each.url.lower().startswith("https:") for each in upstream.endpoints):
            yield f"[{header}.tls]", of_table(upstream.tls, ("upstreams", name, "tls"), sources)
        for key in ("breaker", "health"):
            if (inner := getattr(upstream, key)) is not None:
                yield f"[{header}.{key}]", of_table(inner, ("upstreams", name, key), sources)
        yield from _policies(settings, header, (("upstreams", name), ("defaults",)), sources)
    for index, route in enumerate(settings.routes):
        yield "[[routes]]", _named(of_table(route, ("routes", index), sources), route_names[index])
        yield from _policies(settings, "routes", layers_of_route(settings, index), sources)


def packed(sources: Sources) -> bytes:
    """Return ``sources`` small, for who keeps them in case that somebody asks."""
    return zlib.compress(pickle.dumps(sources), 1)


def unpacked(octets: bytes) -> Sources:
    """Return what was `packed`, by this gateway itself."""
    found: Sources = pickle.loads(zlib.decompress(octets))  # noqa: S301 - from our own memory
    return found


def _callers(settings: Settings, sources: Sources) -> Iterator[Table]:
    callers = settings.callers
    yield "[callers]", (each for each in of_table(callers, ("callers",), sources) if each.name.startswith("key_"))
    for kind in ("keys", "users", "certificates", "jwt", "forward_auth"):
        for name, table in getattr(callers, kind).items():
            path = ("callers", kind, name)
            yield f"[{dotted(path)}]", of_table(table, path, sources)


def _policies(
    settings: Settings, header: str, layers: tuple[tuple[str | int, ...], ...], sources: Sources
) -> Iterator[Table]:
    for policy in Policies.model_fields:
        yield f"[{header}.{policy}]", of_policy(settings, layers, policy, sources)


def _named(values: Iterable[Effective], name: str) -> Iterator[Effective]:
    """Give a route without a name the one that was made for it."""
    for each in values:
        made = each.name == "name" and each.value is None
        yield Effective("name", written(name), "made from path") if made else each
