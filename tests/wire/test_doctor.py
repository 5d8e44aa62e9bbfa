"""`gateway doctor` against the gateway alone, and against endpoints that have something wrong with them."""

import datetime
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from pathlib import Path
from time import time

import pytest
import trustme
from click.testing import CliRunner
from support.certificates import TlsFiles
from support.examination import Examination
from support.gateway_process import Gateway, route_to, toml_table
from support.ports import free_port
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import ScriptedUpstream, chunk, for_each_request, read_request, response

from gateway.cli.main import cli

StartGateway = Callable[..., Gateway]
StartUpstream = Callable[..., ScriptedUpstream]
pytestmark = pytest.mark.alone

_PROJECT = Path(__file__).parents[2]


def dated(seconds_ahead: float) -> str:
    """Return a Date of a clock that is ahead."""
    return f"Date: {formatdate(time() + seconds_ahead, usegmt=True)}"


def configured(toml: str, directory: Path) -> Gateway:
    """Return a gateway that is not started: its file is all that is looked at."""
    return Gateway(toml, directory)


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, str]]:
    """A gateway with a route for the doctor, and the address of that route's upstream, where nobody listens."""
    address = f"127.0.0.1:{free_port()}"
    toml = route_to(f"http://{address}", path="/probe/", name="probe")
    with Gateway(toml, tmp_path_factory.mktemp("gateway")) as running:
        yield running, address
        assert "Traceback" not in running.stderr()


def test_gateway_alone_has_nothing_wrong(probed: tuple[Gateway, str]) -> None:
    """Every probe through a plain gateway is good; the chain is named by its route."""
    running, address = probed
    done = Examination("probe", "-c", str(running.file), "--listen", address, "--idle", "1s")
    assert (done.status, done.bad) == (0, set()), str(done)
    assert done.severities("cut") == done.severities("cancel") == done.severities("pings") == ["good"]


def test_what_the_gateway_itself_does_wrong_is_found(gateway: StartGateway, tls_files: TlsFiles) -> None:
    """A route that ends silent streams is found, through TLS too, and so is what helps: pings kept one open."""
    port = free_port()
    running = gateway(
        route_to(
            f"http://127.0.0.1:{port}",
            path="/probe/",
            timeouts={"idle": "800ms", "first_byte": "800ms"},
        ),
        tls=tls_files,
    )
    done = Examination(
        f"{running.url}/probe/", "--ca", str(tls_files.ca), "--listen", f"127.0.0.1:{port}", "--idle", "1200ms"
    )
    assert (done.status, done.bad) == (1, {"idle", "late head"}), str(done)
    assert "TLSv1.3, the certificate is good for" in done.about("tls")
    assert "with a ping every 300 ms the same stream lives" in done.about("idle")
    assert "status 504 by the gateway" in done.about("late head")


def test_far_end_may_run_elsewhere(probed: tuple[Gateway, str]) -> None:
    """The far end alone, with --listen and nothing else, serves probes that another doctor sends; Ctrl-C ends it."""
    running, address = probed
    command = [sys.executable, "-m", "gateway", "doctor", "--listen", address]
    # As a terminal starts it: a run in the background has let its children ignore Ctrl-C.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    far_end = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=_PROJECT, preexec_fn=heeding)
    try:
        assert far_end.stderr is not None and b"listens" in far_end.stderr.readline()
        done = Examination(f"{running.url}/probe", "--idle", "500ms")
        assert (done.status, done.bad) == (0, set()), str(done)
        far_end.send_signal(signal.SIGINT)
        assert far_end.wait(5) == 0
    finally:
        far_end.kill()
        far_end.communicate()


def test_url_without_far_end_is_told_with_what_came(probed: tuple[Gateway, str]) -> None:
    """What answers is described, and that most was not examined is said; so is a probe that does not arrive here."""
    url = f"{probed[0].url}/probe"
    done = Examination(url)
    assert (done.status, done.bad) == (1, {"far end"}), str(done)
    assert "HTTP/1.1 502" in done.about("answer") and f"gateway doctor {url} --listen" in done.about("far end")
    lost = Examination(url, "--listen", f"127.0.0.1:{free_port()}")
    assert lost.bad == {"far end"} and "what came is 502 by the gateway" in lost.about("far end"), str(lost)


def test_route_is_compared_with_its_endpoint(gateway: StartGateway, scripted_upstream: StartUpstream) -> None:
    """The same request both ways: prefix taken off, fields added, clocks read, and no difference."""
    upstream = scripted_upstream(for_each_request(response(b"same", dated(0))))
    running = gateway(
        route_to(
            upstream.url,
            path="/api/",
            name="api",
            strip_prefix="/api",
            request_headers={"set": {"X-Key": "k1"}},
        )
    )
    done = Examination("api", "-c", str(running.file), "--path", "/api/x?y=1", "-X", "POST", "--data", "body")
    assert (done.status, done.bad) == (0, set()), str(done)
    assert "Through the gateway as straight from" in done.about("difference")
    assert [request.target for request in upstream.requests] == ["/x?y=1"] * 2
    assert [request.first("x-key") for request in upstream.requests] == ["k1"] * 2
    assert "k1" not in str(done.found)


def test_differences_between_gateway_and_endpoint_are_told(
    gateway: StartGateway, scripted_upstream: StartUpstream
) -> None:
    """A stream that the route holds back and a clock that is off are found; what is all right is not blamed."""

    def send_head(connection: ScriptedConnection) -> None:
        lines = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{dated(-90)}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.send(lines.encode())

    pieces = [step for number in range(6) for step in (chunk(b"%d\n" % number), 0.15)]
    upstream = scripted_upstream([read_request, send_head, *pieces, b"0\r\n\r\n"])
    running = gateway(route_to(upstream.url, timeouts={"total": "500ms"}))
    done = Examination("all", "-c", str(running.file))
    assert done.status == 1 and done.bad >= {"clock", "difference"}, str(done)
    assert re.search(r"(89|9\d)(\.\d)? s behind", done.about("clock")), str(done)
    assert "cut through the gateway" in done.about("difference")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("expired", "its certificate has expired"),
        ("soon", "the certificate expires in 9 days"),
        ("name", "its certificate is for another name"),
        ("stranger", "an authority that is not trusted here"),
        ("plain", "TLS does not come about"),
    ],
)
def test_trouble_with_tls_of_an_endpoint_is_named(
    scripted_upstream: StartUpstream, tls_files: TlsFiles, tmp_path: Path, fault: str, told: str
) -> None:
    """Without a route every endpoint is connected to, and what is wrong with a certificate is said in words."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    now = datetime.datetime.now(datetime.UTC)
    until = {"expired": now - datetime.timedelta(days=1), "soon": now + datetime.timedelta(days=9, hours=1)}.get(fault)
    name = "elsewhere.test" if fault == "name" else "localhost"
    certificate = authority.issue_cert(name, not_after=until)
    files = TlsFiles(*[tmp_path / each for each in ("ca.pem", "server.pem", "server.key", "none", "none")])
    certificate.cert_chain_pems[0].write_to_path(str(files.certificate))
    certificate.private_key_pem.write_to_path(str(files.key))
    if fault == "plain":
        upstream = scripted_upstream(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    else:
        upstream = scripted_upstream([read_request], tls=files.server_context())
    ca = tls_files.other_ca if fault == "stranger" else files.ca
    url = f"https://localhost:{upstream.port}"
    file = configured(route_to(url, upstream={"tls": {"ca": ca}}), tmp_path / "gateway").file
    done = Examination("-c", str(file))
    assert (done.status, done.bad) == (1, {"tls"}), str(done)
    assert told in done.about("tls"), str(done)


def test_endpoints_that_cannot_be_reached_are_named(tmp_path: Path) -> None:
    """A name nobody knows and a port nobody listens on are told apart."""
    endpoints = ["http://nowhere.invalid", f"http://127.0.0.1:{free_port()}", f"unix:{tmp_path}/none.sock"]
    toml = toml_table("upstreams.up", {"endpoints": endpoints}) + toml_table(
        "[routes]", {"path": "/", "upstream": "up"}
    )
    done = Examination("-c", str(configured(toml, tmp_path).file))
    assert (done.status, [each["check"] for each in done.found]) == (1, ["name", "connect", "connect"]), str(done)


def test_endpoint_that_a_reference_brought_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is called by its number; neither its name nor its address appears."""
    port = free_port()
    monkeypatch.setenv("BEHIND", f"http://127.0.0.1:{port}/k3y")
    done = Examination("-c", str(configured(route_to("${env:BEHIND}"), tmp_path).file))
    assert done.bad == {"connect"} and "endpoint 1 of up: nobody can be reached" in done.about("connect")
    assert all(word not in str(done.found) for word in ("k3y", str(port), "127.0.0.1"))


def test_text_is_for_people_and_has_colours_only_on_a_terminal(tmp_path: Path) -> None:
    """Piped, the text has marks and a summary, and no escape sequence."""
    file = configured(route_to(f"http://127.0.0.1:{free_port()}"), tmp_path).file
    command = [sys.executable, "-m", "gateway", "doctor", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=_PROJECT, check=False)
    assert done.returncode == 1
    assert "✗ connect" in done.stdout and "1 thing is wrong." in done.stdout and "\x1b" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["ftp://example.test"],
        ["http://example.test/?a=b"],
        ["nobody"],
        ["all", "--path", "/elsewhere"],
        ["http://example.test", "--path", "/x"],
        ["all", "--idle", "5"],
        ["all", "--idle", "1h"],
        ["all", "--listen", "9009"],
        ["all", "-H", "no colon"],
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: list[str]) -> None:
    """What cannot be meant is refused before anything is asked."""
    file = configured(route_to("http://127.0.0.1:9", path="/all/"), tmp_path).file
    done = CliRunner().invoke(cli, ["doctor", *arguments, "-c", str(file)])
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    assert "Usage: cli doctor" in done.stderr


def test_address_that_is_taken_is_69(tmp_path: Path, scripted_upstream: StartUpstream) -> None:
    """A far end that cannot listen says so, with the address."""
    taken = scripted_upstream([read_request])
    done = CliRunner().invoke(cli, ["doctor", "http://127.0.0.1:9", "--listen", f"127.0.0.1:{taken.port}"])
    assert (done.exit_code, done.stdout) == (69, "")
    assert f"127.0.0.1:{taken.port}" in done.stderr
