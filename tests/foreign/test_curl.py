"""curl through the gateway: live output, uploads, ranges, old HTTP, and exit codes that tell a cut from an end."""

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from support.certificates import TlsFiles
from support.children import Child, plain_environment
from support.conditions import patience
from support.demo_process import DemoUpstream
from support.gateway_process import Gateway, route_to
from support.scripted_connection import ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, read_request, response
from support.tap import Tap

from gateway.demo.download import content
from gateway.demo.lines import text_line

Curl = Callable[..., subprocess.CompletedProcess[bytes]]
StartGateway = Callable[..., Gateway]
Staged = Callable[[Script], ScriptedUpstream]

PARTIAL_FILE, CONNECTION_FAILED = 18, 56
"""Exit codes of curl: a transfer that ended early, and a failure in receiving."""


@pytest.fixture
def run(curl: str) -> Curl:
    """Run curl to its end: ``run(argument, ..., input=b"")``; it shows no progress and goes through no proxy."""

    def once(*arguments: str | Path, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [curl, "-sS", "--max-time", "20", *arguments]
        return subprocess.run(command, input=input, capture_output=True, timeout=30, env=plain_environment())

    return once


def file_of(path: Path, octets: int) -> Path:
    """Write the first ``octets`` of the demo upstream's file to ``path``."""
    path.write_bytes(b"".join(content(0, octets)))
    return path


def told_hash(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """Return length and SHA-256 of the body that the demo upstream says it took."""
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["length"], told["sha256"]


def length_and_hash(octets: bytes) -> tuple[int, str]:
    """Return the length and the SHA-256 of ``octets``."""
    return len(octets), hashlib.sha256(octets).hexdigest()


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_each_line_is_printed_before_the_upstream_makes_the_next(
    curl: str, staged: Staged, one_gateway: Gateway, version: str
) -> None:
    """`curl -N` prints a chunk while the next does not exist yet: nothing is held back, for 1.0 clients neither."""
    staged(tap := Tap())
    with Child([curl, "-sSN", version, f"{one_gateway.url}/staged/"]) as child:
        for number in range(5):
            tap.send(f'{{"n": {number}}}\n'.encode())
            assert child.line() == f'{{"n": {number}}}'
        tap.end()
        assert (child.rest(), child.wait()) == ("", 0)


@pytest.mark.parametrize(
    "target",
    ["/text?framing=chunked&", "/text?framing=length&", "/text?framing=close&", "/gzip?"],
    ids=["chunked", "length", "close", "gzip"],
)
def test_paced_lines_keep_their_pace(curl: str, one_gateway: Gateway, target: str) -> None:
    """Lines made 200 ms apart are printed 200 ms apart, in every framing and compressed."""
    with Child([curl, "-sSN", "--compressed", f"{one_gateway.url}{target}n=5&delay=200"]) as child:
        arrivals = []
        for number in range(1, 6):
            assert child.line().encode() + b"\n" == text_line(number)
            arrivals.append(time.monotonic())
        assert child.wait() == 0
    gaps = [later - earlier for earlier, later in pairwise(arrivals)]
    assert all(0.02 < gap < 0.6 for gap in gaps), gaps


@pytest.mark.parametrize("octets", [0, 1, 3 * 2**20 + 1])
def test_upload_of_a_file_arrives_whole(run: Curl, one_gateway: Gateway, tmp_path: Path, octets: int) -> None:
    """`curl -T file` puts every octet of a file, under its length."""
    path = file_of(tmp_path / "file", octets)
    done = run("-T", path, f"{one_gateway.url}/upload")
    assert told_hash(done) == length_and_hash(path.read_bytes())


def test_upload_of_unknown_length_arrives_whole(run: Curl, one_gateway: Gateway) -> None:
    """`curl -T -` puts what it reads, chunked."""
    octets = b"".join(content(0, 2**20 + 1))
    assert told_hash(run("-T", "-", f"{one_gateway.url}/upload", input=octets)) == length_and_hash(octets)


def test_chunked_upload_goes_up_as_it_is_made(curl: str, staged: Staged, one_gateway: Gateway) -> None:
    """Each line typed into `curl -T -` is at the upstream before the next one is typed."""
    upstream = staged([read_request, response(b"taken\n", "Connection: close")])
    with Child([curl, "-sSN", "-H", "Expect:", "-T", "-", f"{one_gateway.url}/staged/up"]) as child:
        typed = b""
        for number in range(3):
            child.tell(f"line {number}")
            typed += f"line {number}\n".encode()
            upstream.wait_until(lambda seen, typed=typed: seen.requests and seen.requests[-1].body == typed)
        child.close_input()
        assert (child.line(), child.wait()) == ("taken", 0)
    assert upstream.requests[-1].body_complete


def test_large_post_arrives_whole(run: Curl, one_gateway: Gateway, tmp_path: Path) -> None:
    """A POST above 1 MiB, for which curl asks by itself whether to go on, arrives whole."""
    path = file_of(tmp_path / "file", 2**20 + 4096)
    done = run("--data-binary", f"@{path}", f"{one_gateway.url}/upload")
    assert told_hash(done) == length_and_hash(path.read_bytes())


def test_expected_continue_comes_before_the_body(run: Curl, one_gateway: Gateway, tmp_path: Path) -> None:
    """With `Expect: 100-continue` curl is told to go on at once, and the upload is whole."""
    path = file_of(tmp_path / "file", 100_000)
    started = time.monotonic()
    done = run("-v", "-H", "Expect: 100-continue", "--expect100-timeout", "15", "-T", path, f"{one_gateway.url}/upload")
    assert time.monotonic() - started < patience(5)
    assert b"< HTTP/1.1 100 Continue" in done.stderr
    assert told_hash(done) == length_and_hash(path.read_bytes())


def test_upload_that_the_upstream_refuses_early_is_not_sent(
    run: Curl, staged: Staged, one_gateway: Gateway, tmp_path: Path
) -> None:
    """An upstream that refuses by the head alone spares the client its body."""

    def refuse(connection: ScriptedConnection) -> None:
        connection.read_head()
        connection.send(response(b"too much", "Connection: close", status="413 Content Too Large"))

    upstream = staged(refuse)
    seen = len(upstream.requests)
    options = ["-H", "Expect: 100-continue", "--expect100-timeout", "15", "-w", "%{http_code} %{size_upload}"]
    done = run(*options, "-T", file_of(tmp_path / "file", 2**20), one_gateway.url + "/staged/up")
    assert done.stdout == b"too much413 0"
    assert len(upstream.requests) == seen + 1


@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("0-9", 0, 10), ("65530-65545", 65_530, 65_546), ("-10", 999_990, 10**6)]
)
def test_range_is_answered_with_that_part(run: Curl, one_gateway: Gateway, asked: str, start: int, stop: int) -> None:
    """`curl -r` gets 206 and exactly the octets it asked for."""
    done = run("-r", asked, "-w", "%{stderr}%{http_code}", f"{one_gateway.url}/download?size=1000000")
    assert (done.stdout, done.stderr) == (b"".join(content(start, stop)), b"206")


def test_range_beyond_the_end_is_refused_as_the_upstream_does(run: Curl, one_gateway: Gateway) -> None:
    """416 and its Content-Range come back as they are."""
    done = run("-i", "-r", "1000-", f"{one_gateway.url}/download?size=1000")
    assert done.stdout.startswith(b"HTTP/1.1 416 ")
    assert b"Content-Range: bytes */1000\r\n" in done.stdout


def test_broken_off_download_is_resumed(run: Curl, one_gateway: Gateway, tmp_path: Path) -> None:
    """`curl -C -` fetches only what is missing, and the file is whole."""
    path = file_of(tmp_path / "file", 700_001)
    url = f"{one_gateway.url}/download?size=2MiB"
    done = run("-C", "-", "-o", path, "-w", "%{http_code} %{size_download}", url)
    assert done.stdout.decode() == f"206 {2 * 2**20 - 700_001}"
    assert path.read_bytes() == b"".join(content(0, 2 * 2**20))


def test_head_tells_length_and_validators_without_a_body(run: Curl, one_gateway: Gateway) -> None:
    """`curl -I` ends at once with the fields of the file."""
    done = run("-I", f"{one_gateway.url}/download?size=5GiB")
    lines = done.stdout.decode().split("\r\n")
    assert (done.returncode, lines[0]) == (0, "HTTP/1.1 200 OK")
    assert {f"Content-Length: {5 * 2**30}", 'ETag: "slow-5368709120-1"', "Accept-Ranges: bytes"} <= set(lines)


def test_connection_is_used_again_after_every_kind_of_answer(run: Curl, one_gateway: Gateway) -> None:
    """Known length, chunked, HEAD-like 204 and 304: the client's connection serves them all."""
    targets = ["/text?n=1", "/text?n=2&delay=0&framing=length", "/status/204", "/status/304", "/echo", "/status/503"]
    done = run("-w", "%{stderr}%{num_connects}", *(one_gateway.url + target for target in targets))
    assert done.stderr == b"100000"


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
@pytest.mark.parametrize("how", ["reset", "close", "inside-chunk", "broken-chunk", "short-length"])
def test_cut_answer_gives_an_exit_code(run: Curl, one_gateway: Gateway, how: str, version: str) -> None:
    """However an upstream breaks off, curl gets what came before and fails: with 18 or 56, never 0."""
    done = run(version, f"{one_gateway.url}/cut?after=20000&how={how}&delay=50")
    assert done.returncode in (PARTIAL_FILE, CONNECTION_FAILED), done.stderr
    assert re.fullmatch(rb"\.*", done.stdout)
    assert len(done.stdout) in (20_000, 20_050)  # 50 more octets of the chunk that is cut


def test_upstream_without_an_answer_is_a_502(run: Curl, one_gateway: Gateway) -> None:
    """Nothing came from the upstream: curl gets a status and, asked to fail for it, its exit code 22."""
    done = run("-f", "-w", "%{http_code}", f"{one_gateway.url}/cut?how=no-head")
    assert (done.stdout, done.returncode) == (b"502", 22)


def test_cut_answer_over_tls_gives_an_exit_code(
    run: Curl, demo_upstream: DemoUpstream, gateway: StartGateway, tls_files: TlsFiles
) -> None:
    """Under TLS a whole answer ends with 0, and a cut one with a failure."""
    url = gateway(route_to(demo_upstream.url), tls=tls_files).url
    whole = run("--cacert", tls_files.ca, f"{url}/text?n=3&delay=0")
    cut = run("--cacert", tls_files.ca, f"{url}/cut?after=20000&how=close&delay=50")
    assert (whole.returncode, whole.stdout) == (0, b"".join(map(text_line, range(1, 4))))
    assert cut.returncode in (PARTIAL_FILE, CONNECTION_FAILED), cut.stderr
    assert cut.stdout == b"." * 20_000


def test_killed_curl_ends_its_upstream_connection(curl: str, staged: Staged, one_gateway: Gateway) -> None:
    """A client that leaves a silent stream takes its upstream connection along within a second."""
    upstream = staged(tap := Tap())
    with Child([curl, "-sSN", f"{one_gateway.url}/staged/"]) as child:
        tap.send(b"one\n")
        assert child.line() == "one"
        child.kill()
        upstream.wait_until(lambda seen: seen.open_connections == 0, timeout=1.0)
