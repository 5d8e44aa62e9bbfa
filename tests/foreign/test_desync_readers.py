"""Whatever of the desync corpus goes up is read by servers of others as the gateway meant it.

Each case of `wire/desync/requests.txt` is played against the gateway; what the upstream got, octet for octet, is then
given to nginx and to gunicorn's own parser. They must find the same requests, with the same bodies.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from support.desync_cases import Case, read_cases
from support.echo_upstream import Echo
from support.framing import PeerClosed
from support.nginx_process import Nginx
from support.rig import Rig, request
from support.rude_client import RudeClient
from support.scripted_upstream import ScriptedUpstream

CASES = [
    case
    for case in read_cases(Path(__file__).parents[1] / "wire" / "desync" / "requests.txt")
    if case.verdict.startswith("relayed")
]
FOR_NGINX = [case for case in CASES if not case.octets.startswith(b"OPTIONS *")]
"""nginx serves no asterisk."""
_END = request("GET /end HTTP/1.1", "Connection: close")
_CONFIG = Config()
_CONFIG.set("permit_unconventional_http_method", True)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), upstream={"keep_host": True}) as rig:
        yield rig


@pytest.fixture(scope="module")
def behind_nginx() -> Echo:
    """Who answers behind nginx."""
    return Echo()


@pytest.fixture(scope="module")
def nginx(
    nginx_program: str, tmp_path_factory: pytest.TempPathFactory, behind_nginx: Echo
) -> Iterator[tuple[str, int]]:
    """Where an nginx listens."""
    with (
        ScriptedUpstream(behind_nginx) as upstream,
        Nginx(nginx_program, tmp_path_factory.mktemp("nginx"), ("127.0.0.1", upstream.port)) as nginx,
    ):
        yield nginx.addresses[0]


def sent_up(rig: Rig, case: Case) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Play a case; return what went up on its one connection, and the requests in it."""
    rig.plays(echo := Echo())
    with rig.client() as client:
        client.send(case.octets + _END)
        try:
            while True:
                client.read_response(method=case.octets.split(b" ", 1)[0].decode("latin-1"))
        except PeerClosed:
            pass
    echo.settle()
    (taken,) = echo.connections
    return bytes(taken.octets), echo.order


@pytest.mark.parametrize("case", FOR_NGINX, ids=[f"{case.group}: {case.name}" for case in FOR_NGINX])
def test_nginx_reads_what_goes_up_as_the_same_requests(
    rig: Rig, nginx: tuple[str, int], behind_nginx: Echo, case: Case
) -> None:
    """The same number of requests, for the same targets, with the same bodies."""
    octets, meant = sent_up(rig, case)
    before = len(behind_nginx.order)
    with RudeClient(nginx, timeout_seconds=5.0) as client:
        client.send(octets + request("GET /nginx HTTP/1.1", "Connection: close"))
        said = b"".join(piece for _, piece in client.arrivals(5.0))
    assert len(re.findall(rb"HTTP/1\.1 [2-5]", said)) == len(meant) + 1, said
    assert behind_nginx.order[before:] == [*meant, ("GET /nginx", b"")]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.group}: {case.name}" for case in CASES])
def test_gunicorn_reads_what_goes_up_as_the_same_requests(rig: Rig, case: Case) -> None:
    """Its own parser, not ours that is built on it."""
    octets, meant = sent_up(rig, case)
    parser = RequestParser(_CONFIG, iter([octets]), ("192.0.2.7", 1))
    found = [(f"{request.method} {request.uri}", request.body.read()) for request in parser]
    assert found == meant
