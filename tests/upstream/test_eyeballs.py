"""Several addresses of one name: the order of their attempts, who wins, and that the others are closed."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from support.conditions import wait_until
from support.kernel import attempts_at, blackhole

from gateway.upstream import eyeballs
from gateway.upstream.eyeballs import (
    DELAY_SECONDS,
    LEAST_DELAY_SECONDS,
    MOST_ADDRESSES,
    Address,
    delay_seconds,
    first_connected,
    interleaved,
)

SIX, FOUR = socket.AF_INET6, socket.AF_INET


class Struck(BaseException):
    """What an interrupter throws."""


def at(port: int, family: int = FOUR) -> Address:
    host = "127.0.0.1" if family == FOUR else "::1"
    where = (host, port) if family == FOUR else (host, port, 0, 0)
    return family, socket.SOCK_STREAM, 6, "", where


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who takes connections at 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def living(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def refusing() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port: int = unused.getsockname()[1]
    return port


def took(addresses: list[Address], connect_seconds: float | None = None) -> tuple[int, float]:
    """Return the port that was reached, and in how many seconds."""
    begun = time.monotonic()
    with first_connected(addresses, connect_seconds) as sock:
        assert sock.gettimeout() is None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        port: int = sock.getpeername()[1]
        return port, time.monotonic() - begun


@pytest.mark.parametrize(
    ("families", "order"),
    [
        ([SIX, SIX, FOUR, FOUR], [0, 2, 1, 3]),
        ([FOUR, SIX, SIX, SIX], [0, 1, 2, 3]),
        ([SIX, SIX, SIX, FOUR], [0, 3, 1, 2]),
        ([FOUR, FOUR], [0, 1]),
        ([], []),
    ],
)
def test_families_take_turns_beginning_with_the_resolvers_first(families: list[int], order: list[int]) -> None:
    """A family that is broken here must not hold up the other one."""
    addresses = [at(number, family) for number, family in enumerate(families)]

    assert [address[4][1] for address in interleaved(addresses)] == order


def test_name_with_very_many_addresses_is_tried_at_some() -> None:
    """Sockets are bounded."""
    assert len(interleaved([at(number) for number in range(100)])) == MOST_ADDRESSES


@pytest.mark.parametrize(
    ("count", "deadline", "delay"),
    [(2, None, DELAY_SECONDS), (2, 5.0, DELAY_SECONDS), (4, 0.4, 0.1), (16, 0.08, LEAST_DELAY_SECONDS)],
)
def test_short_deadline_leaves_every_address_its_turn(count: int, deadline: float | None, delay: float) -> None:
    """The attempts begin closer together, down to the least that RFC 8305 allows."""
    assert delay_seconds(count, deadline) == pytest.approx(delay)


def test_address_that_refuses_hands_over_at_once(living: int, refusing: int) -> None:
    """What has failed needs no patience."""
    port, seconds = took([at(refusing), at(refusing), at(living)])

    assert port == living
    assert seconds < DELAY_SECONDS


def test_address_that_swallows_everything_hands_over_after_the_delay(living: int) -> None:
    """Its attempt is closed when another has won."""
    with blackhole() as port:
        tried = attempts_at(port)
        reached, seconds = took([at(port), at(living)])
        wait_until(lambda: attempts_at(port) == tried, 2, "the end of the attempt that lost")

    assert reached == living
    assert DELAY_SECONDS <= seconds < 2 * DELAY_SECONDS


def test_first_address_wins_where_it_answers(living: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is not even tried."""
    tried: list[object] = []
    begin = eyeballs._begin
    monkeypatch.setattr(eyeballs, "_begin", lambda address: (tried.append(address), begin(address))[1])

    assert took([at(living), at(1)])[0] == living
    assert len(tried) == 1


def test_six_and_four_are_tried_beside_each_other(living: int) -> None:
    """Nobody listens at ::1; a machine without IPv6 cannot even ask there."""
    assert took([at(living, SIX), at(living)])[0] == living


@pytest.mark.parametrize("other", ["swallows", "refuses"])
def test_slow_first_address_may_still_win(other: str, refusing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for beside the others, also once they have failed; it has room late."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as first, contextlib.ExitStack() as stack:
        where = first.getsockname()
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(where)
        wait_until(lambda: attempts_at(where[1]) > 0, 5, "the queue to be full")
        real = select.poll()

        def make_room() -> None:
            with contextlib.suppress(OSError):
                while True:
                    stack.enter_context(first.accept()[0])

        class Poll:
            """Makes room at the first address once all attempts have begun."""

            register, unregister = real.register, real.unregister

            def poll(self, milliseconds: float | None) -> list[tuple[int, int]]:
                if milliseconds is None:
                    threading.Thread(target=make_room, daemon=True).start()
                return real.poll(milliseconds)

        monkeypatch.setattr(eyeballs.select, "poll", Poll)
        with blackhole() as port:
            others = at(port if other == "swallows" else refusing)
            assert took([at(where[1]), others])[0] == where[1]
        first.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("count", [1, 3])
def test_last_failure_is_told_when_all_failed(refusing: int, count: int) -> None:
    """Also where it comes at once."""
    with pytest.raises(ConnectionRefusedError):
        first_connected([at(refusing)] * count)


def test_name_without_address_is_an_error_too() -> None:
    """An empty list is no connection."""
    with pytest.raises(OSError, match="no address"):
        first_connected([])


def test_exception_thrown_into_the_wait_closes_every_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadline, client and drain come this way."""
    made: list[socket.socket] = []
    begin = eyeballs._begin

    def noting(address: Address) -> "socket.socket | OSError":
        begun = begin(address)
        assert isinstance(begun, socket.socket)
        made.append(begun)
        return begun

    class Poll:
        def register(self, number: int, events: int) -> None: ...

        def poll(self, milliseconds: float | None) -> list[tuple[int, int]]:
            if milliseconds is None:
                raise Struck
            return []

    monkeypatch.setattr(eyeballs, "_begin", noting)
    monkeypatch.setattr(eyeballs.select, "poll", Poll)
    with blackhole() as port, pytest.raises(Struck):
        first_connected([at(port)] * 3)

    assert [sock.fileno() for sock in made] == [-1, -1, -1]
