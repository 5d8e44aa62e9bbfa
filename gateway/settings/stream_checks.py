"""Stream settings that cannot act, or that say less than they seem to. All of it is told as a warning."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.config.model import Model
from gateway.config.positions import Path
from gateway.config.problem import Problem, Severity
from gateway.config.sources import Sources
from gateway.exchange.route import Stream
from gateway.policy.error_frames import FRAMED
from gateway.policy.stream import StreamSettings
from gateway.policy.timeouts import TimeoutsSettings
from gateway.settings import Settings
from gateway.settings.policies import Policies, nearest

Problems = Iterator[Problem]
_NEVER_SAY_THE_END = frozenset({"csv", "ndjson", "opaque"})
"""Formats without a word for their end: they end where their last record does."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What holds for one route, or for the routes of one upstream, and which of it is said there."""

    at: Path
    stream: Stream
    stream_given: frozenset[str]
    timeouts_given: frozenset[str]


def streams_can_act(settings: Settings, sources: Sources) -> Problems:
    """What a route or an upstream says about its streams does something there.

    Told where it is set. What `[defaults]` says, and an upstream with routes that say more, may be meant for others.
    """
    for table in _tables(settings):
        for key, fault in _FAULTS.items():
            message = fault(table.stream) if key in table.stream_given else None
            if message is not None:
                yield sources.problem((*table.at, "stream", key), message, severity=Severity.WARNING)
        if "first_frame" in table.timeouts_given and table.stream.format in (None, "opaque"):
            message = "cannot act: nothing looks for frames; say the format in stream"
            yield sources.problem((*table.at, "timeouts", "first_frame"), message, severity=Severity.WARNING)


def _complete(stream: Stream) -> str | None:
    if stream.complete == "terminal" and stream.format == "opaque":
        return "cannot act: nothing is known of the end of an opaque body"
    if stream.complete == "terminal" and stream.format == "sse" and not stream.terminal:
        return "any end between two events counts as whole; name the last event in terminal"
    return None


def _terminal(stream: Stream) -> str | None:
    if stream.format not in ("sse", "auto"):
        return f'cannot act: it is about plain SSE, and the format is "{stream.format}"'
    if stream.complete != "terminal" and stream.terminal:
        return 'cuts nothing without complete = "terminal": what lacks it is only noted in the log'
    return None


def _after_terminal(stream: Stream) -> str | None:
    if stream.complete != "terminal":
        return 'cannot act without complete = "terminal"'
    if stream.format in _NEVER_SAY_THE_END or (stream.format == "sse" and not stream.terminal):
        return "cannot act: nothing in this format says that the answer is whole"
    return None


def _on_error(stream: Stream) -> str | None:
    if stream.on_error == "frame" and stream.format not in FRAMED | {"auto"}:
        return f"cannot act: {stream.format} has no place for an error, so the stream is cut"
    return None


def _stall(stream: Stream) -> str | None:
    return None if stream.format is not None else "cannot act: nothing looks at the stream; say its format"


_FAULTS: dict[str, Callable[[Stream], str | None]] = {
    "complete": _complete,
    "terminal": _terminal,
    "after_terminal": _after_terminal,
    "on_error": _on_error,
    "stall": _stall,
}
"""By setting: why it cannot act, or what it says besides; None where all is well."""


def _tables(settings: Settings) -> Iterator[_Table]:
    """Yield each table that is about one upstream."""
    everywhere = _Layers(settings.defaults)
    extended = {route.upstream for route in settings.routes if _says(route)}
    for name, upstream in settings.upstreams.items():
        if name not in extended:
            yield everywhere.table(("upstreams", name), upstream)
    for index, route in enumerate(settings.routes):
        below = settings.upstreams.get(route.upstream)
        if below is not None:
            yield _Layers(settings.defaults, below).table(("routes", index), route)


def _says(layer: Policies) -> bool:
    return bool(layer.stream.model_fields_set or "first_frame" in layer.timeouts.model_fields_set)


class _Layers:
    """What a table inherits."""

    def __init__(self, *layers: Policies) -> None:
        reverse = layers[::-1]
        self._stream = nearest(*(layer.stream for layer in reverse), StreamSettings())
        self._timeouts = nearest(*(layer.timeouts for layer in reverse), TimeoutsSettings())

    def table(self, at: Path, layer: Policies) -> _Table:
        """Return what holds for ``layer``; what only repeats what it would inherit is not given."""
        whole = nearest(layer.stream, self._stream)
        stream = whole.compiled()["stream"]
        assert isinstance(stream, Stream)
        return _Table(at, stream, _given(layer.stream, self._stream), _given(layer.timeouts, self._timeouts))


def _given(own: Model, inherited: Model) -> frozenset[str]:
    return frozenset(key for key in own.model_fields_set if getattr(own, key) != getattr(inherited, key))
