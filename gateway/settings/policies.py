"""Settings that inherit: what `[defaults]`, `[upstreams.X]` and `[[routes]]` may each say.

The nearest wins, key by key: that of the route, else of its upstream, else of `[defaults]`, else the built-in one.
"""

from typing import TypeVar

from pydantic import Field

from gateway.config.model import Model
from gateway.config.units import DurationOrOff, SizeOrOff

M = TypeVar("M", bound=Model)


class TimeoutsSettings(Model):
    """How long each part of an exchange may take."""

    connect: DurationOrOff = 5.0
    """Time to resolve the endpoint's name, connect to it and finish the TLS handshake. Duration or "off".
    Default "5s". Long values let a dead endpoint hold up its clients."""
    first_byte: DurationOrOff = 60.0
    """Time from the request's last octet to the head of the answer. Duration or "off". Default "60s".
    Too short a value cuts off slow answers that would have come; the client gets 504."""
    idle: DurationOrOff = 300.0
    """Longest silence between two pieces of the answer's body. Duration or "off". Default "300s".
    With "off" a stream whose upstream has died without closing stays open for ever."""
    total: DurationOrOff = None
    """Time for the whole exchange, from its request to its last octet. Duration or "off". Default "off".
    It also ends streams that are healthy: do not set it where a stream may run on."""
    write: DurationOrOff = 60.0
    """Longest time in which a client takes nothing of what is there for it. Duration or "off". Default "60s".
    With "off" a client that stops reading holds its upstream connection for ever."""
    upload: DurationOrOff = 60.0
    """Longest silence between two pieces of the request's body. Duration or "off". Default "60s".
    With "off" a client that stops sending holds its upstream connection for ever."""


class LimitsSettings(Model):
    """How much an exchange may take."""

    max_request_body: SizeOrOff = None
    """Octets that the body of a request may have; larger ones get 413. Size or "off". Default "off".
    Bodies are streamed, so that a large one costs time and not memory."""


class Policies(Model):
    """The inheriting tables. A policy adds itself here with one field."""

    timeouts: TimeoutsSettings = Field(default_factory=TimeoutsSettings)
    """Time allowed for each part of an exchange. Table; keys left out are inherited."""
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    """What an exchange may take at most. Table; keys left out are inherited."""


def nearest(*layers: M) -> M:
    """Return one table out of several, nearest first: of each key the first value that a layer was given."""
    values: dict[str, object] = {}
    for layer in reversed(layers):
        values.update({key: getattr(layer, key) for key in layer.model_fields_set})
    return type(layers[0]).model_construct(set(values), **values)


class DefaultsSettings(Policies):
    """What holds for every route that, like its upstream, says nothing else."""
