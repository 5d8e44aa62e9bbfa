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
    `[defaults]` where nobody does.
    """
    for at, table, codings in _tables(settings):
        if not codings:
            for key in sorted(table.model_fields_set - {"codings"}):
                message = "cannot act: codings is empty"
                yield sources.problem((*at, "compression", key), message, severity=Severity.WARNING)


def _tables(settings: Settings) -> Iterator[tuple[Path, CompressionSettings, bool]]:
    """Yield each table: its place, what it says itself, and whether any route that gets it has codings."""
    on: dict[Path, bool] = {("defaults",): bool(settings.defaults.compression.codings)}
    for name, upstream in settings.upstreams.items():
        own = bool(nearest(upstream.compression, settings.defaults.compression, CompressionSettings()).codings)
        on[("upstreams", name)] = own
    for index, route in enumerate(settings.routes):
        below = settings.upstreams.get(route.upstream)
        layers = [below.compression] if below is not None else []
        whole = nearest(route.compression, *layers, settings.defaults.compression, CompressionSettings())
        yield ("routes", index), route.compression, bool(whole.codings)
        on["defaults",] |= bool(whole.codings)
        if below is not None:
            on["upstreams", route.upstream] |= bool(whole.codings)
    for name, upstream in settings.upstreams.items():
        yield ("upstreams", name), upstream.compression, on["upstreams", name]
    yield ("defaults",), settings.defaults.compression, on["defaults",]
