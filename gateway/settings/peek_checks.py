"""Settings about held heads and departed clients that cannot act. All of it is told as a warning.

A table is judged by the routes that it holds for: what acts in one of them is no mistake.
"""

from collections.abc import Iterator
from itertools import chain

from gateway.config.positions import Path
from gateway.config.problem import Problem
from gateway.config.sources import Sources
from gateway.config.units import format_duration
from gateway.policy.retry import BEHIND_THE_HEAD, PEEKED
from gateway.policy.stream import StreamSettings
from gateway.policy.timeouts import TimeoutsSettings
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]
_BUILT_IN = StreamSettings()
"""What only repeats it is no mistake."""


def peeks_can_act(settings: Settings, sources: Sources) -> Problems:
    """What is held has a bound where anything is held, and not for longer than the exchange may last."""
    for at, layer, routes in _layers(settings):
        given, streams = layer.stream.model_fields_set, [stream for stream, _ in routes]
        path = (*at, "stream", "peek")
        if (
            "peek_bytes" in given
            and layer.stream.peek_bytes != _BUILT_IN.peek_bytes
            and all(stream.peek is None for stream in streams)
        ):
            yield sources.warning((*at, "stream", "peek_bytes"), "cannot act: peek is off")
        if "peek" not in given or layer.stream.peek is None:
            continue
        totals = [timeouts.total for _, timeouts in routes]
        if all(total is not None and layer.stream.peek >= total for total in totals):
            message = f"cannot act: timeouts.total ends the exchange after {format_duration(totals[0] or 0.0)}"
            yield sources.warning(path, message)


def drains_can_act(settings: Settings, sources: Sources) -> Problems:
    """How long is read on is said where it is read on."""
    for at, layer, routes in _layers(settings):
        said = "drain" in layer.stream.model_fields_set and layer.stream.drain != _BUILT_IN.drain
        if said and all(stream.on_disconnect != "drain" for stream, _ in routes):
            yield sources.warning((*at, "stream", "drain"), 'cannot act: on_disconnect is not "drain"')


def retries_behind_the_head_can_act(settings: Settings, sources: Sources) -> Problems:
    """What happens behind the head is tried again only while that is held back."""
    for at, layer, routes in _layers(settings):
        if "on" not in layer.retry.model_fields_set or any(stream.peek is not None for stream, _ in routes):
            continue
        for index, each in enumerate(layer.retry.on):
            if each == PEEKED or each in BEHIND_THE_HEAD:
                message = "cannot act: this happens behind the head, which goes out at once without stream.peek"
                yield sources.warning((*at, "retry", "on", index), message)


def _layers(settings: Settings) -> Iterator[tuple[Path, Policies, list[tuple[StreamSettings, TimeoutsSettings]]]]:
    """Yield each table that some route uses: its place, what it says itself, and what holds in those routes."""
    holding: dict[str, list[tuple[StreamSettings, TimeoutsSettings]]] = {}
    for index, route in enumerate(settings.routes):
        upstream = settings.upstreams.get(route.upstream)
        layers = (route, *((upstream,) if upstream is not None else ()), settings.defaults)
        in_force = nearest(*(each.stream for each in layers)), nearest(*(each.timeouts for each in layers))
        holding.setdefault(route.upstream, []).append(in_force)
        yield ("routes", index), route, [in_force]
    for name, each in settings.upstreams.items():
        if under := holding.get(name):
            yield ("upstreams", name), each, under
    if holding:
        yield ("defaults",), settings.defaults, list(chain.from_iterable(holding.values()))
