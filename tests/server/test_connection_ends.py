"""How a connection ends: what is whole looks whole, what is cut looks cut, and every stream hears of it once."""

import ssl
from typing import Any

import gevent
import gevent.socket
import gevent.ssl
import pytest
from support.certificates import TlsFiles
from support.connections import PATIENCE_SECONDS, Application, Client, Connect, Site, Streaming, answering

from gateway.exchange.failure import CLIENT_GONE, DRAINED, INTERNAL, Abort, Failure, Interruption, Kind
from gateway.server.connection import Connection
from gateway.server.request import ExactRequest

LENGTH = [("Content-Length", "5")]


class TestEnds:
    """A cut stream looks cut, its reason is heard, and every stream is closed once."""

    @pytest.mark.parametrize(
        ("last", "kinds"),
        [
            (Abort(), []),
            (Interruption(Failure(DRAINED)), [DRAINED]),
            (ValueError("a defect"), [INTERNAL]),
        ],
    )
    @pytest.mark.parametrize(
        ("version", "fields", "ending"),
        [("1.1", [], "eof"), ("1.1", [("Content-Length", "99")], "eof"), ("1.0", [], "reset")],
    )
    def test_stream_that_breaks_looks_broken(
        self,
        connect: Connect,
        last: BaseException,
        kinds: list[Kind],
        version: str,
        fields: list[tuple[str, str]],
        ending: str,
    ) -> None:
        """Without its last chunk, short of its length, or reset where only the end would tell (law 3)."""
        stream = Streaming(b"before", lambda: gevent.sleep(0.05) or b"", last)
        client = connect(Site(answering(stream, fields))).get(version=version)

        octets, ended = client.rest()

        assert b"before" in octets
        assert not octets.endswith(b"0\r\n\r\n")
        assert ended == ending
        assert (stream.kinds, stream.closed) == (kinds, 1)

    def test_stream_that_is_shorter_than_announced_is_not_complete(self, connect: Connect) -> None:
        """That is a defect of ours, and is recorded as one."""
        stream = Streaming(b"hell")
        octets, _ = connect(Site(answering(stream, LENGTH))).get().rest()

        assert octets.endswith(b"hell")
        assert stream.kinds == [INTERNAL]

    def test_application_that_gives_up_ends_the_connection_without_a_word(self, connect: Connect) -> None:
        """Its client left."""

        def application(request: ExactRequest, start_response: Any) -> Any:
            raise Abort

        assert connect(Site(application)).get().rest() == (b"", "eof")

    def test_client_that_leaves_while_it_is_written_to_is_told_of(self, connect: Connect) -> None:
        """The stream hears it, and ends."""
        stream = Streaming(*[lambda: gevent.sleep(0.005) or b"x" * 1000] * 1000)
        client = connect(Site(answering(stream))).get()
        client.read(b"x" * 1000 + b"\r\n")
        client.socket.close()

        client.served.join(PATIENCE_SECONDS)

        assert (stream.kinds, stream.closed) == ([CLIENT_GONE], 1)

    def test_interruption_inside_a_write_is_heard_and_cuts(self, connect: Connect) -> None:
        """Also where the client takes nothing at that moment."""
        stream = Streaming(*[b"x" * 100_000] * 100, write_seconds=None)
        client = connect(Site(answering(stream)), receive_buffer=4096).get()
        gevent.sleep(0.05)

        gevent.get_hub().loop.run_callback(client.served.throw, Interruption(Failure(DRAINED)))
        client.served.join(PATIENCE_SECONDS)

        assert (stream.kinds, stream.closed) == ([DRAINED], 1)

    def test_greenlet_that_is_killed_leaves_a_cut_stream(self, connect: Connect) -> None:
        """What nobody foresaw never looks like a clean end, and is no complete exchange."""
        stream = Streaming(b"before", lambda: gevent.sleep(PATIENCE_SECONDS) or b"")
        client = connect(Site(answering(stream))).get(version="1.0")
        client.read(b"before")

        client.served.kill()

        assert client.rest() == (b"", "reset")
        assert (stream.kinds, stream.closed) == ([INTERNAL], 1)


class TestTls:
    """The end of TLS says whether the end of the connection was meant."""

    @pytest.fixture
    def speak(self, tls_files: TlsFiles, monkeypatch: pytest.MonkeyPatch, connect: Connect) -> Any:
        """Connect to an application over TLS."""
        monkeypatch.setattr("gateway.server.connection.ssl", gevent.ssl)
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls_files.certificate, tls_files.key)
        trusting = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Set by some Pythons.
        trusting.load_verify_locations(tls_files.ca)

        def speak(application: Application, **options: Any) -> Client:
            client = connect(Site(application, context), **options)
            client.socket = trusting.wrap_socket(client.socket, server_hostname="localhost", suppress_ragged_eofs=False)
            return client

        return speak

    def test_complete_answer_ends_with_close_notify(self, speak: Any) -> None:
        """A body that ends with the connection is whole."""
        client = speak(answering(Streaming(b"whole"))).get(version="1.0")

        assert client.rest()[0].endswith(b"\r\n\r\nwhole")

    def test_cut_answer_ends_without_it(self, speak: Any) -> None:
        """TLS's own protection against truncation keeps its meaning."""
        client = speak(answering(Streaming(b"before", lambda: gevent.sleep(0.05) or b"", Abort()))).get()

        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            client.rest()

    def test_close_notify_waits_behind_a_full_buffer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A slow client gets it, too: a body that ends just as the buffer is full is whole."""
        tried: list[str] = []

        class Full(gevent.socket.socket):
            def unwrap(self) -> None:
                tried.append("unwrap")
                raise ssl.SSLWantWriteError if len(tried) == 1 else ssl.SSLWantReadError

        monkeypatch.setattr("gateway.server.connection.ssl.SSLSocket", Full)
        ours, theirs = gevent.socket.socketpair()
        with theirs:
            Connection(Site(), Full(fileno=ours.detach()), None).close()

        assert len(tried) == 2
