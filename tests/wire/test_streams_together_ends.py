"""How streams end with all turned on that a route can do about them: by a leaving client, a reload, a shutdown."""

import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from support.conditions import wait_until
from support.decoding import DECODERS
from support.gateway_process import Line
from support.rude_client import RawResponse, RudeClient
from support.scripted_upstream import Script, chunk, hang, reset
from support.stage import OpenStage, Scene, Stage
from support.together import (
    BUSY,
    DONE,
    END,
    GOOD,
    LENGTH,
    LINES,
    NDJSON,
    ONE,
    ROUTES,
    SSE,
    TWO,
    WHOLE_BODY,
    by_request,
    check,
    ends,
    told,
)
from wire.test_client_leaves import MANNERS
from wire.test_reload import reload


@pytest.fixture
def stage(open_stage: OpenStage) -> Iterator[Stage]:
    with open_stage(routes=ROUTES, endpoints=2).left_as_found() as stage:
        yield stage


def test_stream_outlives_a_reload(stage: Stage) -> None:
    """It goes on as it began, its pings too."""
    script = [SSE, chunk(ONE), 0.4, chunk(TWO), 0.4, chunk(DONE), END]
    with stage.scene(script, "all") as scene, stage.client() as client:
        client.get(scene.target, "Accept-Encoding: gzip", "Accept: application/x-ndjson")
        _, pieces = client.open_response()
        first = next(pieces)
        reload(stage.gateway)
        body = first + b"".join(pieces)
        line = scene.line()
    decoder = DECODERS["gzip"]()
    found = decoder(body)
    assert decoder.ended and re.sub(rb"\n+", b"\n", found) == LINES and found.count(b"\n") > 3
    assert line["outcome"] == "complete"


LEAVERS: list[Script] = [
    GOOD,
    [SSE, chunk(ONE), 0.4, chunk(TWO), 0.3, chunk(DONE), END],
    [0.6, *GOOD],
    [SSE + chunk(b": wait\n\n"), 0.6, chunk(WHOLE_BODY), END],
    by_request([0.1, SSE, chunk(b": wait\n\n"), 0.1, reset], [0.3, *GOOD]),
    by_request(BUSY, [0.3, SSE, chunk(ONE), 0.2, chunk(TWO), END]),
    [SSE, chunk(ONE), hang],
    hang,
    [SSE, chunk(WHOLE_BODY), hang],
    [LENGTH + ONE, 0.3, TWO, 0.1, reset],
    [NDJSON, chunk(b'{"a"'), 0.3, chunk(b":1}\n"), END],
    [SSE, *([chunk(ONE * 200)] * 40), chunk(DONE), END],
]


def test_clients_that_leave_at_any_moment_leave_nothing(stage: Stage) -> None:
    """Each exchange is recorded once, with one outcome; no connection, no exchange, no descriptor stays."""
    chance = random.Random(20261120)
    descriptors = stage.gateway.open_fds()
    before = len(stage.gateway.log_lines())
    targets: list[str] = []
    failures: list[BaseException] = []
    lock = threading.Lock()

    def leave(number: int) -> None:
        with lock:
            script, route = chance.choice(LEAVERS), chance.choice(["all", "auto", "alone"])
            coding, accept = chance.choice(["identity", "gzip", "zstd"]), chance.choice(["*/*", "application/x-ndjson"])
            seconds, manner = chance.uniform(0, 1.1) ** 2, chance.choice(list(MANNERS))
        with stage.scene(script, route) as scene, stage.client() as client:
            with lock:
                targets.append(scene.target)
            client.get(scene.target, f"Accept-Encoding: {coding}", f"Accept: {accept}")
            client.arrivals(seconds)
            MANNERS[manner](client)
            scene.line(15)

    def leave_often(numbers: Iterator[int]) -> None:
        try:
            for number in numbers:
                leave(number)
        except BaseException as error:
            failures.append(error)

    numbers = iter(range(LEAVER_COUNT))
    crowd = [threading.Thread(target=leave_often, args=(numbers,), daemon=True) for _ in range(25)]
    for each in crowd:
        each.start()
    for each in crowd:
        each.join(60)
    assert not failures, failures[0]

    stage.wait_until_quiet(6)
    wait_until(lambda: stage.gateway.open_fds() <= descriptors, 3, "every descriptor to be given back")
    lines = stage.gateway.log_lines()[before:]
    assert Counter(line["target"] for line in lines) == Counter(targets)
    assert len(targets) == LEAVER_COUNT
    outcomes = Counter(line["outcome"] for line in lines)
    assert set(outcomes) <= {"client_gone", "complete", "failed", "truncated", "timed_out"}, outcomes
    drained = Counter(line.get("drained") for line in lines)
    assert drained["complete"] > 0 and outcomes["client_gone"] > 50, (outcomes, drained)


LEAVER_COUNT = 200


def test_shutdown_ends_all_of_them_in_order(open_stage: OpenStage) -> None:
    """Whatever each is waiting for: a status where none went out, a frame where that can be, and a line for each."""
    stage = open_stage(routes=ROUTES, endpoints=2, server={"drain_timeout": "700ms"})
    scripts: dict[str, tuple[Script, str]] = {
        "relayed": ([SSE, chunk(ONE), hang], "gzip"),
        "held": ([SSE + chunk(b": wait\n\n"), hang], "gzip"),
        "silent": (hang, "gzip"),
        "left": ([SSE, chunk(ONE), hang], "zstd"),
    }
    answers: dict[str, RawResponse] = {}
    lines: dict[str, Line] = {}

    with ExitStack() as stack:
        clients: dict[str, tuple[RudeClient, Scene]] = {}
        for name, (script, coding) in scripts.items():
            scene, client = stack.enter_context(stage.scene(script, "shut")), stack.enter_context(stage.client())
            clients[name] = client.get(scene.target, f"Accept-Encoding: {coding}"), scene
            scene.connection()
        next(clients["left"][0].open_response()[1])
        clients["left"][0].leave()
        stage.gateway.signal(signal.SIGTERM)
        for name, (client, scene) in clients.items():
            if name != "left":
                answers[name] = client.read_response()
            lines[name] = scene.line()
        assert stage.gateway.wait() == 0

    check(answers["relayed"], lines["relayed"], replace(ends(ONE, "drained", "drained"), pings=True))
    for name in ("held", "silent"):
        assert answers[name].status == 200 and lines[name]["outcome"] == "drained", (answers[name], lines[name])
        assert re.fullmatch(rb"(: ping\n)+" + told("drained").encode(), answers[name].body), answers[name].body
    assert (lines["left"]["outcome"], lines["left"]["drained"]) == ("client_gone", "shutdown")
    assert len(stage.gateway.log_lines()) == len(scripts)
