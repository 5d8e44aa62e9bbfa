"""What `gateway check` says about limits and queues."""

import pytest

from gateway.assemble import read_text
from gateway.exchange.route import Limit

ENDPOINTS = 'endpoints = ["http://127.0.0.1:9"]\n'


def warnings(upstream: str = "", route: str = "", defaults: str = "", workers: int = 1) -> list[str]:
    """Return what is questionable about a file with these lines in its tables."""
    text = f"[server]\nworkers = {workers}\n[defaults]\n{defaults}\n[upstreams.a]\n{ENDPOINTS}{upstream}\n"
    text += f'[[routes]]\nname = "r"\npath = "/"\nupstream = "a"\n{route}\n'
    return [f"{each.path}: {each.message}" for each in read_text(text, "x")[2]]


@pytest.mark.parametrize(
    "lines",
    [
        {"upstream": "limits = { max_concurrent = 4, max_queued = 3, priority = 'high', fair_by = 'header:X' }"},
        {"upstream": "limits = { max_concurrent = 4 }", "route": "limits = { priority = 'low', max_concurrent = 2 }"},
        {"upstream": "limits = { max_concurrent = 4 }", "route": "timeouts = { queue = '3s' }"},
        {"defaults": "limits = { max_concurrent = 4, max_queued = 7 }", "upstream": "limits = { max_queued = 3 }"},
        {"defaults": "limits = { max_queued = 3, priority = 'low' }", "route": "limits = { max_concurrent = 3 }"}
        | {"upstream": "limits = { adaptive = { min = 2, max = 200 } }"},
        {"route": "limits = { max_queued = 100, priority = 'normal', fair_by = 'peer' }\ntimeouts = { queue = '10s' }"},
        {"route": "limits = { max_concurrent = 'off', adaptive = 'off' }", "workers": 4},
    ],
)
def test_settings_that_act_are_accepted_in_silence(lines: dict[str, object]) -> None:
    """So is what says no more than what holds anyway, as `gateway config` prints it."""
    assert warnings(**lines) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            {"upstream": "limits = { max_concurrent = 4 }", "workers": 3},
            ["upstreams.a.limits.max_concurrent: holds for each worker: 3 workers allow 3 times as many together"],
        ),
        (
            {"route": "limits = { adaptive = { min = 2, max = 9 } }", "workers": 2},
            ["routes.r.limits.adaptive: holds for each worker: 2 workers allow 2 times as many together"],
        ),
        (
            {"upstream": "limits = { max_concurrent = 4, adaptive = { min = 2, max = 9 } }"},
            ["upstreams.a.limits.max_concurrent: cannot act: adaptive finds the limit"],
        ),
        (
            {"route": "limits = { max_queued = 3 }", "upstream": "limits = { max_concurrent = 4 }"},
            [
                "routes.r.limits.max_queued: cannot act: nothing limits how many may run; "
                "set max_concurrent or adaptive beside it"
            ],
        ),
        (
            {"upstream": "limits = { max_queued = 3 }", "route": "limits = { max_concurrent = 4 }"},
            [
                "upstreams.a.limits.max_queued: cannot act: nothing limits how many may run; "
                "set max_concurrent or adaptive beside it"
            ],
        ),
        (
            {"defaults": "limits = { max_queued = 3 }"},
            [
                "defaults.limits.max_queued: cannot act: nothing limits how many may run; "
                "set max_concurrent or adaptive beside it"
            ],
        ),
        (
            {"route": "limits = { priority = 'high', fair_by = 'header:X' }\ntimeouts = { queue = '3s' }"},
            [
                "routes.r.limits.priority: cannot act: no limit lets requests wait here",
                "routes.r.limits.fair_by: cannot act: no limit lets requests wait here",
                "routes.r.timeouts.queue: cannot act: no limit lets requests wait here",
            ],
        ),
        (
            {"upstream": "limits = { max_concurrent = 3, max_queued = 0 }\ntimeouts = { queue = '3s' }"},
            ["upstreams.a.timeouts.queue: cannot act: no limit lets requests wait here"],
        ),
        (
            {
                "upstream": "limits = { max_concurrent = 3, max_queued = 2 }",
                "route": "limits = { max_concurrent = 5 }",
            },
            ["routes.r.limits.max_concurrent: cannot act: its upstream lets no more than 5 run and wait"],
        ),
        (
            {"upstream": "limits = { max_concurrent = 3 }", "route": "timeouts = { queue = '9s', total = '9s' }"},
            ['routes.r.timeouts.queue: cannot act: total ends the exchange after "9s"'],
        ),
        (
            {"route": "timeouts = { min_rate = '1KiB/30s', total = '20s' }"},
            ['routes.r.timeouts.min_rate: cannot act: total ends the exchange after "20s"'],
        ),
    ],
)
def test_settings_that_cannot_act_are_told(lines: dict[str, object], told: list[str]) -> None:
    """Where they stand, and why."""
    assert sorted(warnings(**lines)) == sorted(told)  # type: ignore[arg-type]


def test_limits_of_defaults_are_those_of_each_upstream() -> None:
    """A route has only a limit that it says itself; its class and its tenants it inherits."""
    _, plan, _ = read_text(
        "[defaults]\nlimits = { max_concurrent = 4, max_queued = 7, priority = 'high' }\n"
        f"[upstreams.a]\n{ENDPOINTS}limits = {{ fair_by = 'header:X-T' }}\n"
        f"[upstreams.b]\n{ENDPOINTS}limits = {{ max_concurrent = 'off' }}\n"
        '[[routes]]\nname = "r"\npath = "/"\nupstream = "a"\n'
        '[[routes]]\nname = "s"\npath = "/s"\nupstream = "b"\nlimits = { max_concurrent = 2, priority = "low" }\n',
        "x",
    )
    assert (plan.upstreams["a"].limit, plan.upstreams["b"].limit) == (Limit(4, 7), None)
    first, second = plan.routes
    assert (first.limit, first.priority, first.fair_by) == (None, "high", "x-t")
    assert (second.limit, second.priority, second.fair_by) == (Limit(2, 100), "low", "")
