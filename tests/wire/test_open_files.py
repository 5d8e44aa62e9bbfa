"""How many files a worker may open: all that the system lets it, and a warning where that is too few."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import StartGateway
from support.conditions import wait_until
from support.gateway_process import route_to

FEW = 256
NOWHERE = route_to("http://127.0.0.1:9")


@pytest.fixture
def few_files() -> Iterator[int]:
    """A soft limit that is too low for what the gateway may hold; returns the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_worker_may_open_what_the_hard_limit_allows(gateway: StartGateway, few_files: int) -> None:
    """Whoever starts it with a shell's usual limit does not have to know that a stream needs two descriptors."""
    (worker,) = gateway(NOWHERE).worker_pids()

    limits = Path(f"/proc/{worker}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3] == str(few_files)


@pytest.mark.parametrize(("connections", "warned"), [(1_000_000, True), (10, False)])
def test_too_low_a_limit_is_told_at_the_start(gateway: StartGateway, connections: int, warned: bool) -> None:
    """With both numbers, so that it is known what to raise; not where there is enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > 2_000_000:
        pytest.skip("the limit of this system is higher than any that could be needed")
    running = gateway(NOWHERE, server={"max_connections": connections})
    wait_until(lambda: "is ready" in running.output(), 5, "the worker's word")

    told = f"server.max_connections = {connections} needs {2 * connections + 128} open files; the limit is {hard}"
    assert (told in running.output()) is warned
