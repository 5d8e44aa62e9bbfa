"""Each scenario and each peer works: tried in tiny amounts, without a look at the time."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.load import accounting, bodies, leaving, listeners
from bench.load.side_by_side import closed_loop
from bench.load.target import Target, upstream_process
from bench.load.wire import connected, must_be_ok, request, small_answer, some, told
from bench.peers.known import PEERS
from bench.peers.peer import Peer, Place, Programs
from bench.scenarios.known import SCENARIOS
from bench.scenarios.scenario import Extent, Scenario, Stand
from support.conditions import wait_until
from support.ports import free_port

pytestmark = pytest.mark.wire

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Programs(ROOT / "build/bench-env")
TINY = Extent(short=True, hold=30, part=0.05)


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Run the upstream, which can be measured like any target."""
    with upstream_process(free_port(), tmp_path_factory.mktemp("upstream")) as target:
        yield target


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario_tells_each_of_its_measures(
    scenario: Scenario, upstream: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a scenario promises as columns it finds, and nothing else; times and counts are not below zero."""
    monkeypatch.setattr(listeners, "_ENOUGH", 0.01)  # A busy machine is no reason to fail here.
    found = scenario.measure(Stand(upstream, upstream, TINY, 1.0))
    assert list(found) == [measure.key for measure in scenario.measures]
    assert all(value >= 0 for key, value in found.items() if key != "hold_each_kib")
    assert found.get("abort_leaked", 0) == 0


def test_names_of_scenarios_peers_and_measures_are_each_given_once() -> None:
    """A file of results has one meaning for each of its keys, and a name can stand in a list with commas."""
    for names in (
        [scenario.name for scenario in SCENARIOS],
        [peer.name for peer in PEERS],
        [measure.key for scenario in SCENARIOS for measure in scenario.measures],
    ):
        assert len(names) == len(set(names))
        assert not any("," in name for name in names)


@pytest.mark.foreign
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_peer_hands_on_small_and_large_bodies_and_streams(peer: Peer, upstream: Target, tmp_path: Path) -> None:
    """A peer's configuration is one with which all scenarios can be measured."""
    if (why := peer.missing(PROGRAMS)) is not None:
        pytest.skip(f"{peer.name}: {why}")
    assert any(letter.isdigit() for letter in peer.version(PROGRAMS))
    with peer.start(PROGRAMS, Place(free_port(), upstream.address, tmp_path / "peer", 100)) as target:
        wait_until(lambda: _answers(target), 20, f"{peer.name} to answer")
        for chunked in (False, True):
            assert bodies.down(target, 3, chunked=chunked)[1] > 0
            assert bodies.up(target, 3, chunked=chunked)[1] > 0
        if peer.scenarios is None:
            with connected(target) as connection:
                connection.sendall(request("/hold"))
                octets = b""
                while b"data: " not in octets:  # which is all that comes: whoever holds it back makes this time out
                    octets += some(connection)
        assert target.cpu_seconds() > 0
        assert target.pss_kib() > 0


def _answers(target: Target) -> bool:
    with contextlib.suppress(OSError), connected(target) as connection:
        connection.sendall(request("/small"))
        return bool(small_answer(connection))
    return False


def test_upstream_counts_a_stream_until_its_client_is_gone(upstream: Target) -> None:
    """Whoever leaves before the head, or in the middle, is missed at once: leaks can be told from it."""
    before = told(upstream, "/-/open")
    with connected(upstream) as late, connected(upstream) as early:
        late.sendall(request("/late/0/1000000/60000000"))
        early.sendall(request("/events/0/1000000/60000000"))
        wait_until(lambda: told(upstream, "/-/open") == before + 2, 5, "both streams")
    wait_until(lambda: told(upstream, "/-/open") == before, 5, "the end of both")


def test_streams_that_stay_open_are_told_as_leaked(upstream: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm after which the upstream still has streams says how many."""
    monkeypatch.setattr(leaving, "_RELEASE_SECONDS", 0.1)
    with connected(upstream) as stays:
        stays.sendall(request("/hold"))
        some(stays)
        assert leaving.storm(upstream, upstream, 3).leaked == 1
    wait_until(lambda: told(upstream, "/-/open") == 0, 5, "its end")


def test_upload_that_does_not_arrive_whole_is_no_result(upstream: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that drops octets is not quick: the upstream says how many came, and that is compared."""
    monkeypatch.setattr(bodies, "said", lambda answer: 5 if answer else None)
    with pytest.raises(ConnectionError, match="5 of 1048576 octets arrived"):
        bodies.up(upstream, 1, chunked=False)


def test_events_that_come_too_late_are_no_result(upstream: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that falls behind would look cheap for an event, so that it fails instead."""
    monkeypatch.setattr(listeners, "_ENOUGH", 1000.0)
    with pytest.raises(ConnectionError, match="events came in time"):
        listeners.listen(upstream, 2, 10_000, 0.05)


@pytest.mark.parametrize("octets", [b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 502", b"\x15\x03"])
def test_answer_that_is_not_200_is_an_error(octets: bytes) -> None:
    """An error page is quick too; nobody is measured by it."""
    with pytest.raises(ConnectionError, match="answered"):
        must_be_ok(octets)
    must_be_ok(b"HTTP/1.1 200 OK\r\n")
    must_be_ok(b"HTT")


def test_silent_target_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that answers nothing costs seconds, not the run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("silent", listener.getsockname(), 1)
        monkeypatch.setattr("bench.load.side_by_side.connected", lambda target: connected(target, 0.1))
        with pytest.raises(TimeoutError):
            closed_loop(target, 1, 0.1, 0.1)


def test_cpu_of_a_tree_is_that_of_the_process_and_its_children() -> None:
    """A program that lets a child work is booked for it; the clock is finer than a tick of 10 ms."""
    work = "sum(range(3_000_000))"
    child = f"import sys; {work}; print(1, flush=True); sys.stdin.read()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (worker,) = accounting.tree(process.pid)[1:]
        whole, of_child = accounting.cpu_seconds(process.pid), accounting.cpu_seconds(worker)
        assert whole > of_child > 0.01
        assert of_child % 0.01 > 0
        assert accounting.pss_kib(process.pid) > accounting.pss_kib(worker) > 1000
        process.communicate()
