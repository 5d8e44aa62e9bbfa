"""Requests made by chance: whatever comes, the gateway answers or closes, and upstreams see what was answered.

`make fuzz` goes on for longer.
"""

from collections.abc import Iterator

import pytest
from hypothesis import strategies as st
from support import h11_readings
from support.conditions import wait_until
from support.echo_upstream import Echo
from support.framing import PeerClosed
from support.fuzzing import cuts, fuzz, pieces, requests
from support.rig import Rig, request
from support.rude_client import RawResponse, RudeClient

_END = request("GET /end HTTP/1.1", "Connection: close")
_SILENCE_SECONDS = 0.2
_END_SECONDS = 5.0


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), upstream={"keepalive": "500ms"}) as rig:
        yield rig


def all_answers(client: RudeClient) -> tuple[list[RawResponse], bool]:
    """Return every answer up to the connection's end, and whether the client had to end it, for it was waited for."""
    answers: list[RawResponse] = []
    waited = False
    client.socket.settimeout(_SILENCE_SECONDS)
    while True:
        try:
            answers.append(client.read_response())
        except PeerClosed:
            return answers, waited
        except TimeoutError:
            assert not waited, f"neither answered nor closed within {_END_SECONDS} s"
            waited = True
            client.half_close()
            client.socket.settimeout(_END_SECONDS)


def quiet(rig: Rig) -> int:
    """Wait until nothing runs any more; return how many descriptors the gateway holds."""
    rig.plays(Echo())
    wait_until(lambda: rig.gateway.admin("/-/ready").json()["streams"] == 0, what="the end of every exchange")
    wait_until(lambda: rig.gateway.open_client_connections() == 0, what="the end of every client connection")
    wait_until(lambda: rig.gateway.open_upstream_connections(rig.upstream.port) == 0, what="the end of the pool")
    return rig.gateway.open_fds()


def check_one(rig: Rig, octets: bytes, at: list[int]) -> tuple[int, int]:
    """Return how many answers were the upstream's, and how many ours.

    Send ``octets``, cut at some places, and a last request behind them; compare all that is known about it."""
    rig.plays(echo := Echo())
    with rig.client() as client:
        try:
            for piece in pieces(octets + _END, at):
                client.send(piece)
        except ConnectionError:
            pass  # Answered and closed before all of it was sent.
        answers, waited = all_answers(client)
    echo.settle()
    seen = echo.seen()
    assert sum(not one.whole for one in seen) <= 1, seen
    whole = list(echo.order)
    served = [answer.first("x-asked") for answer in answers if answer.first("x-asked") is not None]
    # A client that ends its side is one that leaves, and what it asked last may be with the upstream by then.
    asked = [asked for asked, _ in whole]
    assert served in (asked, asked[:-1] if waited else asked), (whole, answers)
    assert all(answer.complete for answer in answers), answers
    assert all(answer.status < 500 or answer.status in (501, 505) for answer in answers), answers
    assert answers or waited
    asking = iter(whole)
    # Ours were answered in the requests' places; the last of them may stand for what h11 is still reading.
    compared = [None if answer.first("x-asked") is None else next(asking) for answer in answers]
    while compared and compared[-1] is None:
        compared.pop()
    assert h11_readings.requests_in(octets + _END).agrees(compared)
    return len(served), len(answers) - len(served)


def test_whatever_a_client_sends_is_answered_or_ended_and_never_smuggled(rig: Rig) -> None:
    """Answers, what the upstream read and what h11 reads agree; no traceback, no descriptor and no exchange is left."""
    rig.plays(Echo())
    assert rig.ask(_END).status == 200
    before = quiet(rig)
    counts = [0, 0]

    def check(example: tuple[bytes, list[int]]) -> None:
        for index, count in enumerate(check_one(rig, *example)):
            counts[index] += count

    fuzz(st.tuples(requests(), cuts()), check)
    assert min(counts) > 50, f"the grammar no longer makes both kinds: {counts}"
    assert quiet(rig) <= before
    assert "Traceback" not in rig.gateway.stderr()
    assert "defect" not in rig.gateway.output()
