"""Clients that drip hold nothing for long: neither by the head of a request, nor by keeping silent first."""

import time
from collections.abc import Iterator

import pytest
from support.conditions import patience
from support.rig import Rig, problem_code, request
from support.rude_client import RudeClient

HEAD_SECONDS = 1.0


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    server = {"head_timeout": "1s", "max_headers_size": "4KiB", "max_header_size": "2KiB"}
    with Rig(tmp_path_factory.mktemp("rig"), server=server) as rig:
        rig.answers()
        yield rig


def drip(client: RudeClient, octets: bytes, pause_seconds: float = 0.05) -> float:
    """Send octet after octet until an answer comes; return the seconds that it took."""
    begun = time.monotonic()
    client.socket.settimeout(pause_seconds)
    for octet in octets:
        try:
            client.socket.sendall(bytes([octet]))
            if client.socket.recv(1, 2):  # MSG_PEEK
                break
        except TimeoutError:
            continue
        except OSError:
            break
    client.socket.settimeout(10)
    return time.monotonic() - begun


@pytest.mark.parametrize(
    "octets",
    [
        b"GET /" + b"x" * 500,
        b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 100,
        b"GET / HTTP/1.1\r\nX-A: " + b"b" * 500,
    ],
    ids=["request line", "field lines", "field"],
)
def test_head_that_drips_is_408_when_its_time_is_over(rig: Rig, octets: bytes) -> None:
    """However regularly an octet comes: the time is for the whole head."""
    rig.answers()  # From here on nobody is to be asked, whatever other tests asked before.
    with rig.client() as client:
        took = drip(client, octets)
        answer = client.read_response()
        assert (answer.status, problem_code(answer)) == (408, "head_timeout")
        assert HEAD_SECONDS * 0.8 < took < patience(HEAD_SECONDS * 2)
        assert client.wait_closed(5) in ("eof", "reset")
    rig.assert_untouched()


def test_silence_before_the_first_octet_counts(rig: Rig) -> None:
    """Who waits and then drips has no second time."""
    with rig.client() as client:
        begun = time.monotonic()
        assert client.arrivals(HEAD_SECONDS * 0.7) == []
        drip(client, b"GET /" + b"x" * 500)
        answer = client.read_response()
        assert (answer.status, problem_code(answer)) == (408, "head_timeout")
        assert time.monotonic() - begun < patience(HEAD_SECONDS * 1.6)


def test_next_head_on_a_connection_has_its_time_too(rig: Rig) -> None:
    """An idle connection may wait longer; its next head may not."""
    with rig.client() as client:
        assert client.get("/one").read_response().status == 200
        took = drip(client, b"GET /" + b"x" * 500)
        answer = client.read_response()
        assert (answer.status, problem_code(answer)) == (408, "head_timeout")
        assert took < patience(HEAD_SECONDS * 2)


@pytest.mark.parametrize("octets_each", [100, 1900], ids=["many", "few"])
def test_all_fields_together_have_a_limit(rig: Rig, octets_each: int) -> None:
    """431 for a head above `max_headers_size`, also where each of its lines is short and all come at once."""
    fits = [f"X-{n}: {'y' * octets_each}" for n in range(3500 // (octets_each + 10))]
    assert rig.ask(request("GET / HTTP/1.1", *fits)).status == 200
    rig.answers()
    answer = rig.ask(request("GET / HTTP/1.1", *fits, *fits, *fits))
    assert (answer.status, problem_code(answer)) == (431, "fields_too_large")
    rig.assert_untouched()
