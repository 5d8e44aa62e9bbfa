"""How long each part of an exchange may take. The rooms that wait enforce it; no phase has to be asked."""

from gateway.config.model import Model
from gateway.config.units import DurationOrOff, RateOrOff
from gateway.exchange.route import Timeouts

HOLDS_IN = {
    "connect": "open",
    "upload": "open",
    "queue": "queue",
    "first_byte": "open",
    "first_frame": "relay",
    "idle": "relay",
    "write": "relay",
    "min_rate": "relay",
    "total": "throughout",
}
"""The phase that each timeout can end."""


class TimeoutsSettings(Model):
    """How long each part of an exchange may take."""

    connect: DurationOrOff = 5.0
    """Time to resolve the endpoint's name, connect to it and finish the TLS handshake. Duration or "off".
    Default "5s". Long values let a dead endpoint hold up its clients."""
    first_byte: DurationOrOff = 60.0
    """Time from the request's last octet to the head of the answer. Duration or "off". Default "60s".
    Too short a value cuts off slow answers that would have come; the client gets 504."""
    first_frame: DurationOrOff = None
    """Time from the request's last octet to the first frame that carries some of the answer; `stream` must say its
    format. Duration or "off". Default "off". An upstream's pings and preambles do not end the wait."""
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

    queue: DurationOrOff = 10.0
    """Time to wait for a turn where `limits` make a request wait, at the route and its upstream together. Duration or
    "off". Default "10s". Longer waits need clients that are as patient; they get 503."""
    min_rate: RateOrOff = None
    """Octets that must come in each window of so long, as "1KiB/30s": from the upstream after its head, and from the
    client during an upload. Size/duration or "off". Default "off". It ends drips that `idle` lets pass; an upstream's
    pings count."""

    def compiled(self) -> dict[str, object]:
        """Return the fields of a `Route` that follow from these settings."""
        return {
            "timeouts": Timeouts(
                connect=self.connect,
                first_byte=self.first_byte,
                first_frame=self.first_frame,
                idle=self.idle,
                total=self.total,
                write=self.write,
                upload=self.upload,
                queue=self.queue,
                min_rate=self.min_rate,
            )
        }
