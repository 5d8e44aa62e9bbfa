"""Each scenario and each peer works: tried in tiny amounts, without a look at the time."""

import contextlib
import os
import platform
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import machine
from bench.load import accounting, bodies, holding, leaving, listeners, placing, side_by_side
from bench.load.target import Target, upstream_process
from bench.load.upstream import SMALL_BODY
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


def test_programs_are_found_from_wherever_they_are_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that is named relative to here is found from the directory that a peer is started in, too."""
    program = tmp_path / "environment/bin/slow-program"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (program.parent / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    programs = Programs(Path("environment"))
    assert programs.binary("slow-program") == str(program)
    assert programs.binary("no-such-program") is None
    assert programs.python_with(["json"]) == str(program.parent / "python")
    assert programs.python_with(["no_such_module"]) is None


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


def test_streams_keep_the_distance_that_they_ask_for(upstream: Target) -> None:
    """However long a target takes to open one after the other: events that come together cost less."""
    with connected(upstream) as connection:
        while not 0.5 < time.monotonic() % 1 < 0.6:
            time.sleep(0.01)
        connection.sendall(request("/events/1/1000000/100000"))
        octets = b""
        while b"data: " not in octets:
            octets += some(connection)
    stamp = int(octets.partition(b"data: ")[2].split()[0])
    assert 0.1 <= stamp / 1e9 % 1 < 0.5


def test_target_has_a_processor_of_its_own_and_is_let_go_again(upstream: Target, tmp_path: Path) -> None:
    """All of its threads; what is around it runs on the others."""
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2:
        pytest.skip("one processor")
    with upstream_process(free_port(), tmp_path) as target:
        with placing.apart(target, upstream):
            own, around = os.sched_getaffinity(target.pid), os.sched_getaffinity(upstream.pid)
            assert len(own) == 1 and own | around == everywhere and not own & around
            assert os.sched_getaffinity(0) == around
        for pid in (0, target.pid, upstream.pid):
            assert os.sched_getaffinity(pid) == everywhere
        with placing.apart(upstream, upstream):
            assert os.sched_getaffinity(upstream.pid) == everywhere


def test_target_that_ended_leaves_the_others_free(upstream: Target, tmp_path: Path) -> None:
    """What is measured after a failure is measured like what was before it."""
    everywhere = os.sched_getaffinity(0)
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(upstream_process(free_port(), tmp_path))
        with placing.apart(target, upstream):
            stack.close()
    assert os.sched_getaffinity(0) == os.sched_getaffinity(upstream.pid) == everywhere


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


class _Pieces:
    """Stands in for epoll: each time it is asked, the next piece has come on the only connection."""

    def __init__(self, server: socket.socket, client: socket.socket, pieces: list[bytes]) -> None:
        self._server, self._fd, self._pieces = server, client.fileno(), pieces

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        if not self._pieces:
            return []
        self._server.sendall(self._pieces.pop(0))
        return [(self._fd, select.EPOLLIN)]


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + SMALL_BODY],
        [b"HTTP/1.1 200 OK\r\n\r\n", SMALL_BODY[:-2], SMALL_BODY[-2:]],
        [b"HTTP/1.1 200 OK\r\n\r\n400\r\n" + SMALL_BODY, b"\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n\r\n400\r\n" + SMALL_BODY + b"\r\n", b"0\r\n\r\n"],
    ],
    ids=["whole", "body in two", "last chunk apart", "middle of the last chunk"],
)
def test_answer_in_pieces_is_one_answer(pieces: list[bytes]) -> None:
    """However a proxy cuts what it sends, the next request goes out when the answer is there."""
    server, client = socket.socketpair()
    with server, client:
        stream = _Pieces(server, client, pieces)
        assert side_by_side._answered(stream, {client.fileno(): client}, b"next", 0.0) == 1  # type: ignore[arg-type]
        assert server.recv(100) == b"next"


def test_held_stream_that_ends_is_no_result(upstream: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is told only where all streams are open to the end: an ended one hears nothing."""
    monkeypatch.setattr(holding, "told", lambda target, path: 2)
    ends = [socket.socketpair() for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for end in ends:
            stack.enter_context(end[0])
            stack.enter_context(end[1])
        ends[0][0].sendall(b"data: 1 .\n\n")
        ends[1][0].shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionError, match="a stream ended"):
            holding._all_hear(upstream, [client for _, client in ends])
        monkeypatch.setattr(holding, "told", lambda target, path: 1)
        with pytest.raises(ConnectionError, match="1 of 2 streams are open"):
            holding._all_hear(upstream, [client for _, client in ends])


def test_silent_target_fails_instead_of_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that answers nothing costs seconds, not the run."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("silent", listener.getsockname(), 1)
        monkeypatch.setattr("bench.load.side_by_side.connected", lambda target: connected(target, 0.1))
        with pytest.raises(TimeoutError):
            side_by_side.closed_loop(target, 1, 0.1, 0.1)


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


@pytest.mark.parametrize(("busy", "own", "expected"), [(17.0, 12.0, 0.5), (14.0, 14.0, 0.0), (12.0, 13.0, 0.0)])
def test_work_of_our_own_is_not_booked_as_other_work(
    busy: float, own: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what all cores did in ten seconds, that of the suite and its processes is taken off; never below zero."""
    clocks = {"monotonic": [0.0, 10.0], "_busy_seconds": [10.0, busy], "_own_seconds": [10.0, own]}
    monkeypatch.setattr(machine, "monotonic", lambda: clocks["monotonic"].pop(0))
    monkeypatch.setattr(machine, "_busy_seconds", lambda: clocks["_busy_seconds"].pop(0))
    monkeypatch.setattr(machine, "_own_seconds", lambda: clocks["_own_seconds"].pop(0))
    assert machine.Elsewhere().cores() == expected


def test_clocks_of_the_machine_and_of_our_own_work_go_on() -> None:
    """What a process that was started and waited for has done is in both."""
    busy, own = machine._busy_seconds(), machine._own_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(10_000_000))"], check=True)
    assert machine._own_seconds() - own > 0.05
    assert machine._busy_seconds() - busy > 0.05


def test_facts_of_the_machine_do_not_name_it() -> None:
    """A result can be published: its host is told by what it is, not by what it is called."""
    told = str(machine.facts())
    assert machine.facts()["cores"] == os.cpu_count()
    assert platform.node() not in told
    assert os.getcwd() not in told
