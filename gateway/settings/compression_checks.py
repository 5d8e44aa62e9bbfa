"""Compression settings that cannot act. All of it is told as a warning."""

from collections.abc import Iterator

from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.policy.compression import CompressionSettings
from gateway.settings import Settings
from gateway.settings.policies import nearest


def compression_can_act(settings: Settings, sources: Sources) -> Iterator[Problem]:
    """Whoever says which answers are compressed, and from which length, has some.

    Told where it is set: on a route; on an upstream where neither it nor a route of its turns compression on; in
    `[defaults]` where nobody does. What only repeats what it would inherit is no mistake.
    """
    for at, table, inherited, acts in _tables(settings):
        for key in sorted(table.model_fields_set - {"codings"}):
            if not acts and getattr(table, key) != getattr(inherited, key):
                message = "cannot act: codings is empty"
                yield sources.problem((*at, "compression", key), message, severity=Severity.WARNING)


def _tables(settings: Settings) -> Iterator[tuple[Path, CompressionSettings, CompressionSettings, bool]]:
    """Yield each table: its place, what it says itself, what it inherits, and whether codings come with it anywhere."""
    built_in = CompressionSettings()
    everywhere = nearest(settings.defaults.compression, built_in)
    of_upstream = {name: nearest(each.compression, everywhere) for name, each in settings.upstreams.items()}
    acts = {name: bool(whole.codings) for name, whole in of_upstream.items()}
    anywhere = bool(everywhere.codings)
    for index, route in enumerate(settings.routes):
        inherited = of_upstream.get(route.upstream, everywhere)
        on = bool(nearest(route.compression, inherited).codings)
        acts[route.upstream] = acts.get(route.upstream, False) or on
        anywhere = anywhere or on
        yield ("routes", index), route.compression, inherited, on
    for name, upstream in settings.upstreams.items():
        yield ("upstreams", name), upstream.compression, everywhere, acts[name]
    yield ("defaults",), settings.defaults.compression, built_in, anywhere
