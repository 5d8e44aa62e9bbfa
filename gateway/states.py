"""What holds in a worker at this moment, as gauges, and what its parts have counted for themselves.

Gauges of several workers add up: where each may see something else, as with the state of an endpoint, what is told is
how many workers see it so.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.exchange.target import Endpoint
from gateway.observe import families as f
from gateway.observe.collecting import States
from gateway.observe.families import Family
from gateway.observe.table import Labels, Samples
from gateway.policy.concurrency import Concurrency
from gateway.policy.endpoints import STATES, Endpoints
from gateway.policy.retry_budget import Budget

_PAGES = Path("/proc/self/statm")
_PAGE_BYTES = 4096


class Keeping(Protocol):
    """Keeps connections to the endpoints of an upstream."""

    def idle(self) -> dict[Endpoint, int]:
        """Return how many."""


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of the worker as a whole."""

    draining: bool
    rejected: bool
    connections: int


def states(
    process: Process,
    endpoints: Mapping[str, Endpoints],
    openers: Mapping[str, Keeping],
    budgets: Mapping[str, Budget],
    concurrency: Concurrency,
    now: float,
) -> States:
    """Return gauges and counters by name of the family. The mappings are by name of the upstream."""
    gauges: dict[str, Samples] = {}
    counters: dict[str, Samples] = {f.CPU_SECONDS.name: {(): time.process_time()}}

    def put(family: Family, labels: Labels, number: float) -> None:
        gauges.setdefault(family.name, {})[labels] = number

    for upstream, known in endpoints.items():
        for endpoint, state, in_flight in known.states(now):
            for each in STATES:
                put(f.ENDPOINT_STATE, (upstream, str(endpoint), each), each == state)
            put(f.IN_FLIGHT, (upstream, str(endpoint)), in_flight)
        put(f.RETRIES_COUNTED, (upstream,), budgets[upstream].spent(now))
        counters.setdefault(f.FAILED_OPEN.name, {})[upstream,] = known.failed_open
    for upstream, opener in openers.items():
        for endpoint, number in opener.idle().items():
            put(f.IDLE_CONNECTIONS, (upstream, str(endpoint)), number)
    for kind, name, slots in concurrency.each():
        put(f.RUNNING, (kind, name), slots.running)
        put(f.WAITING, (kind, name), slots.waiting)
        put(f.ALLOWED, (kind, name), slots.allowed)
    put(f.WORKERS, (), 1)
    put(f.DRAINING, (), process.draining)
    put(f.REJECTED, (), process.rejected)
    put(f.CLIENT_CONNECTIONS, (), process.connections)
    resident = _resident_bytes()
    if resident is not None:
        put(f.RESIDENT_BYTES, (), resident)
    return gauges, counters


def _resident_bytes() -> int | None:
    """Return the memory that this process occupies; None where the system does not tell."""
    try:
        return int(_PAGES.read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
