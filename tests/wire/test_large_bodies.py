"""A gibibyte in either direction and framing passes whole, in the memory of a few pieces."""

import hashlib
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO

import pytest
from conftest import StartGateway
from support.gateway_process import Gateway, route_to

PIECE = bytes(range(256)) * 1024
PIECES = 1024**3 // len(PIECE)
MOST_GROWTH_KIB = 16 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
FRAMINGS = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])


@pytest.fixture(scope="module")
def digest() -> str:
    """The SHA-256 of the gibibyte."""
    whole = hashlib.sha256()
    for _ in range(PIECES):
        whole.update(PIECE)
    return whole.hexdigest()


@pytest.fixture
def serve_once() -> Iterator[Callable[[Callable[[socket.socket, BinaryIO], None]], str]]:
    """Start an upstream for one connection: ``serve_once(answer)`` returns its address as an endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads: list[threading.Thread] = []

        def start(answer: Callable[[socket.socket, BinaryIO], None]) -> str:
            def serve() -> None:
                connection, _ = listener.accept()
                with connection, connection.makefile("rb", 1 << 20) as reader:
                    while reader.readline() != b"\r\n":
                        pass
                    answer(connection, reader)

            threads.append(threading.Thread(target=serve, daemon=True))
            threads[-1].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        for thread in threads:
            thread.join(10)


def framing_line(chunked: bool) -> bytes:
    return b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % (PIECES * len(PIECE))


def send_gibibyte(sock: socket.socket, chunked: bool) -> None:
    framed = b"%x\r\n%b\r\n" % (len(PIECE), PIECE) if chunked else PIECE
    for _ in range(PIECES):
        sock.sendall(framed)
    if chunked:
        sock.sendall(b"0\r\n\r\n")


def digest_of_body(reader: BinaryIO, chunked: bool) -> str:
    """Read a body of a gibibyte from behind its head; return its SHA-256."""
    whole = hashlib.sha256()
    left = 0 if chunked else PIECES * len(PIECE)
    while True:
        if chunked and not left:
            left = int(reader.readline(), 16)
        if not left:
            return whole.hexdigest()
        block = reader.read(min(left, 1 << 20))
        assert block, "the body ended early"
        whole.update(block)
        left -= len(block)
        if chunked and not left:
            assert reader.readline() == b"\r\n"


def peak_kib(running: Gateway) -> int:
    """Return the most memory the worker ever had (VmHWM)."""
    (worker,) = running.worker_pids()
    with open(f"/proc/{worker}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@FRAMINGS
def test_a_gibibyte_down_passes_in_constant_memory(
    gateway: StartGateway,
    serve_once: Callable[[Callable[[socket.socket, BinaryIO], None]], str],
    digest: str,
    chunked: bool,
) -> None:
    """Every octet arrives, and the worker never holds more than a few pieces of it."""

    def answer(connection: socket.socket, reader: BinaryIO) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + framing_line(chunked) + b"\r\n")
        send_gibibyte(connection, chunked)

    running = gateway(route_to(serve_once(answer)))
    before = peak_kib(running)
    client = http.client.HTTPConnection(*running.address, timeout=60)
    client.request("GET", "/")
    response = client.getresponse()
    whole = hashlib.sha256()
    while block := response.read(1 << 20):
        whole.update(block)

    assert whole.hexdigest() == digest
    assert peak_kib(running) - before < MOST_GROWTH_KIB
    client.close()


@FRAMINGS
def test_a_gibibyte_up_passes_in_constant_memory(
    gateway: StartGateway,
    serve_once: Callable[[Callable[[socket.socket, BinaryIO], None]], str],
    digest: str,
    chunked: bool,
) -> None:
    """An upload is never collected: memory does not grow with its size, whatever that is."""

    def answer(connection: socket.socket, reader: BinaryIO) -> None:
        seen = digest_of_body(reader, chunked).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(seen), seen))

    running = gateway(route_to(serve_once(answer)))
    before = peak_kib(running)
    with socket.create_connection(running.address, timeout=60) as client, client.makefile("rb") as reader:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: gateway\r\n" + framing_line(chunked) + b"\r\n")
        send_gibibyte(client, chunked)
        head = list(iter(reader.readline, b"\r\n"))
        body = reader.read(len(digest))

    assert head[0] == b"HTTP/1.1 200 OK\r\n"
    assert body.decode() == digest
    assert peak_kib(running) - before < MOST_GROWTH_KIB
