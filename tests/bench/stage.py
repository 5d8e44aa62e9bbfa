"""The targets of a run: started when they are first needed, started anew after they failed, ended together."""

import contextlib
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench.load.target import Target, upstream_process
from bench.load.wire import answers, told
from bench.peers.peer import Peer, Place, Programs
from bench.scenarios.scenario import Extent, Row, Scenario, Stand
from support.conditions import wait_until
from support.ports import free_port

_READY_SECONDS = 20.0
_SILENCE_SECONDS = 5.0


class Stage:
    """Runs scenarios against peers, which stand beside each other and idle when it is not their turn."""

    def __init__(self, programs: Programs, directory: Path, extent: Extent) -> None:
        self._programs, self._directory, self._extent = programs, directory, extent
        self._starts = 0
        self._standing: dict[str, tuple[ExitStack, Target]] = {}

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self.upstream = self._stack.enter_context(upstream_process(free_port(), self._directory))
        return self

    def __exit__(self, *exc_info: object) -> None:
        for name in list(self._standing):
            self._end(name)
        self._stack.close()

    def measure_direct(self, scenario: Scenario) -> Row:
        """Do a scenario to the upstream itself."""
        return scenario.measure(Stand(self.upstream, self.upstream, self._extent, 0.0))

    def measure(self, scenario: Scenario, peer: Peer) -> Row:
        """Do a scenario to a peer; raise as it does, after which the peer is started anew when it is next needed."""
        if scenario.fresh:
            with ExitStack() as stack:
                target, ready_ms = self._started(stack, peer, scenario.streams(self._extent))
                return scenario.measure(Stand(self.upstream, target, self._extent, ready_ms))
        if peer.name not in self._standing:
            stack = ExitStack()
            self._standing[peer.name] = (stack, self._started(stack, peer, scenario.streams(self._extent))[0])
        try:
            found = scenario.measure(Stand(self.upstream, self._standing[peer.name][1], self._extent, 0.0))
        except BaseException:
            self._end(peer.name)
            raise
        if not self._falls_silent():  # What it has open still would be work beside the next one's.
            self._end(peer.name)
        return found

    def _falls_silent(self) -> bool:
        with contextlib.suppress(AssertionError):
            return wait_until(lambda: told(self.upstream, "/-/open") == 0, _SILENCE_SECONDS, "the last stream's end")
        return False

    def _started(self, stack: ExitStack, peer: Peer, streams: int) -> tuple[Target, float]:
        self._starts += 1
        directory = self._directory / f"{self._starts}-{peer.name}"
        place = Place(free_port(), self.upstream.address, directory, streams)
        began = time.monotonic()
        target = stack.enter_context(peer.start(self._programs, place))
        wait_until(lambda: answers(target.address), _READY_SECONDS, f"{peer.name} to answer")
        return target, (time.monotonic() - began) * 1e3

    def _end(self, name: str) -> None:
        self._standing.pop(name)[0].close()
