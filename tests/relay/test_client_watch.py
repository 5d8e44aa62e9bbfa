"""Watching a client: its end is noticed, whatever it sent before, and nothing else is taken for an end."""

import socket
import ssl
import struct
import time
from collections.abc import Iterator

import gevent
import gevent.socket
import gevent.ssl
import pytest
from support.certificates import TlsFiles

from gateway.exchange.failure import CLIENT_GONE, Failure
from gateway.relay.client_watch import ClientWatch

PATIENCE_SECONDS = 5.0
QUIET_SECONDS = 0.05
Pair = tuple[gevent.socket.socket, gevent.socket.socket]


class Watched:
    """A watch on the server's end of a connection; ``gone`` is what it reported."""

    def __init__(self, server: gevent.socket.socket) -> None:
        self.gone: list[Failure] = []
        self.watch = ClientWatch(server, self.gone.append)
        self.watch.start()

    def wait(self) -> float:
        """Wait for the report, which must stay the only one; return how long it took."""
        began = time.monotonic()
        while not self.gone and time.monotonic() < began + PATIENCE_SECONDS:
            gevent.sleep(0.002)
        took = time.monotonic() - began
        gevent.sleep(QUIET_SECONDS)
        assert [failure.kind for failure in self.gone] == [CLIENT_GONE]
        return took

    def stays_quiet(self, seconds: float = QUIET_SECONDS) -> bool:
        """Whether nothing is reported for a moment."""
        gevent.sleep(seconds)
        return self.gone == []


def connected() -> Pair:
    """Return the client's and the server's end of a TCP connection."""
    with gevent.socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = gevent.socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@pytest.fixture(params=["tcp", "unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The client's and the server's end."""
    client, server = connected() if request.param == "tcp" else gevent.socket.socketpair()
    with client, server:
        yield client, server


def test_client_that_closes_is_noticed_at_once(pair: Pair) -> None:
    """No write is needed to find out (F4)."""
    client, server = pair
    watched = Watched(server)
    assert watched.stays_quiet()

    client.close()

    assert watched.wait() < 0.2


def test_client_that_says_it_will_send_no_more_has_left(pair: Pair) -> None:
    """A half-close is an end, as decided for all clients alike."""
    client, server = pair
    watched = Watched(server)

    client.shutdown(socket.SHUT_WR)

    watched.wait()


def test_client_that_resets_is_noticed() -> None:
    """A reset is an end like any other."""
    client, server = connected()
    with server:
        watched = Watched(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        watched.wait()


def test_client_that_left_before_the_watch_began_is_noticed(pair: Pair) -> None:
    """There is no moment in which leaving goes unseen."""
    client, server = pair
    client.close()

    Watched(server).wait()


@pytest.mark.parametrize("unread", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_look_finds_at_once_a_client_that_left(pair: Pair, unread: bytes) -> None:
    """It waits for nothing, and tells a client that is there from one that is not, whatever lies before the end."""
    client, server = pair
    watched = Watched(server)
    client.sendall(unread)
    watched.watch.look()
    assert watched.gone == []

    client.close()
    watched.watch.look()
    watched.watch.look()

    assert [failure.kind for failure in watched.gone] == [CLIENT_GONE]


def test_octets_of_a_next_request_are_no_end_and_stay_unread(pair: Pair) -> None:
    """A pipelining client is there; what it sent is for the server to read."""
    client, server = pair
    watched = Watched(server)

    client.sendall(b"GET / HTTP/1.1\r\n\r\n")

    assert watched.stays_quiet(0.4)
    assert server.recv(100) == b"GET / HTTP/1.1\r\n\r\n"
    watched.watch.stop()


def test_client_that_leaves_behind_unread_octets_is_noticed_within_a_second(pair: Pair) -> None:
    """The end cannot be peeked at behind octets that nobody reads, and is seen all the same."""
    client, server = pair
    watched = Watched(server)
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert watched.stays_quiet()

    client.close()

    assert watched.wait() < 0.9


def test_watch_is_close_again_when_the_octets_have_been_read(pair: Pair) -> None:
    """After an upload was read to its end, leaving is noticed at once again."""
    client, server = pair
    watched = Watched(server)
    client.sendall(b"upload")
    assert watched.stays_quiet()
    server.recv(100)

    watched.watch.restart()
    client.close()

    assert watched.wait() < 0.2


def test_watch_that_was_stopped_reports_nothing(pair: Pair) -> None:
    """`stop` may come at any time, twice, and before `start`."""
    client, server = pair
    never = ClientWatch(server, lambda failure: pytest.fail("reported"))
    never.stop()
    watched = Watched(server)
    watched.watch.stop()
    watched.watch.stop()
    watched.watch.restart()

    client.close()

    assert watched.stays_quiet()


def test_watch_that_polls_can_be_stopped_too(pair: Pair) -> None:
    """Nothing goes on in the event loop when the exchange has ended."""
    client, server = pair
    watched = Watched(server)
    client.sendall(b"x")
    gevent.sleep(QUIET_SECONDS)
    watched.watch.stop()

    client.close()

    assert watched.stays_quiet(0.4)


def test_restart_after_the_report_does_not_report_again(pair: Pair) -> None:
    """An upload that ends after its client was lost does not revive the watch."""
    client, server = pair
    watched = Watched(server)
    client.close()
    watched.wait()

    watched.watch.restart()

    gevent.sleep(QUIET_SECONDS)
    assert len(watched.gone) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("polite", [True, False], ids=["close_notify", "ragged"])
def test_client_under_tls_is_noticed_below_the_records(
    tls_files: TlsFiles, version: ssl.TLSVersion, polite: bool
) -> None:
    """With or without close_notify, which is an octet to read below TLS."""
    plain_client, plain_server = connected()
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files.certificate, tls_files.key)
    trusting = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(tls_files.ca)
    trusting.maximum_version = trusting.minimum_version = version
    accepting = gevent.spawn(context.wrap_socket, plain_server, server_side=True)
    client = trusting.wrap_socket(plain_client, server_hostname="localhost")
    with accepting.get(timeout=PATIENCE_SECONDS) as server:
        client.sendall(b"hello")
        assert server.recv(100) == b"hello"
        watched = Watched(server)
        assert watched.stays_quiet()
        if polite:
            client.settimeout(0.0)
            with pytest.raises(ssl.SSLWantReadError):
                client.unwrap()
        client.close()
        assert watched.wait() < 0.9
