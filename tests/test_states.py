"""What a worker's parts say of themselves."""

import pytest
from support.exchanges import ENDPOINT

from gateway import states as module
from gateway.exchange.route import Forwarding, GatewayPlan, Limit, Upstream
from gateway.exchange.target import Endpoint
from gateway.observe import families as f
from gateway.observe.collecting import States
from gateway.policy.concurrency import Concurrency
from gateway.policy.endpoints import Endpoints
from gateway.policy.retry_budget import Budget
from gateway.states import Process, states


class Keeping:
    """Keeps three connections."""

    def idle(self) -> dict[Endpoint, int]:
        return {ENDPOINT: 3}


def told() -> States:
    """Return the states of a worker with one upstream that has a limit of two, one of them taken, one waiting."""
    upstream = Upstream("up", (ENDPOINT,), limit=Limit(2, 5))
    concurrency = Concurrency(lambda: 1.0)
    concurrency.adopt(GatewayPlan((), {"up": upstream}, Forwarding()))
    slots = concurrency.of("upstream", "up")
    assert slots is not None
    for number in range(3):
        slots.ask("normal", ("peer", str(number)), 1.0)
    budget = Budget()
    budget.begin(1, 1.0, 0.2)
    return states(
        Process(draining=True, rejected=False, connections=7),
        {"up": Endpoints(upstream, 1.0)},
        {"up": Keeping()},
        {"up": budget},
        concurrency,
        1.0,
    )


def test_each_part_is_told_with_its_names() -> None:
    """Limits, endpoints, budgets, connections and the process, and nothing that is no gauge of ours."""
    gauges, counters = told()
    endpoint = ("up", str(ENDPOINT))

    assert gauges.pop(f.RESIDENT_BYTES.name)[()] > 2**20
    assert gauges == {
        f.RUNNING.name: {("upstream", "up"): 2},
        f.WAITING.name: {("upstream", "up"): 1},
        f.ALLOWED.name: {("upstream", "up"): 2},
        f.ENDPOINT_STATE.name: {
            (*endpoint, "available"): 1,
            (*endpoint, "tripped"): 0,
            (*endpoint, "probing"): 0,
            (*endpoint, "unhealthy"): 0,
        },
        f.IN_FLIGHT.name: {endpoint: 0},
        f.IDLE_CONNECTIONS.name: {endpoint: 3},
        f.RETRIES_COUNTED.name: {("up",): 1},
        f.WORKERS.name: {(): 1},
        f.DRAINING.name: {(): 1},
        f.REJECTED.name: {(): 0},
        f.CLIENT_CONNECTIONS.name: {(): 7},
    }
    assert counters[f.FAILED_OPEN.name] == {("up",): 0}
    assert counters[f.CPU_SECONDS.name][()] > 0


def test_what_the_system_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every system has /proc."""
    monkeypatch.setattr(module, "_PAGES", module._PAGES / "nowhere")
    assert f.RESIDENT_BYTES.name not in told()[0]
