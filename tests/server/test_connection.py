"""One client connection: what may follow on it, and that nobody can hold it for ever."""

import socket
from typing import Any

import gevent
import gevent.event
import pytest
from support.connections import PATIENCE_SECONDS, Connect, Site, Streaming, answering, echoing

from gateway.exchange.failure import CLIENT_STALLED
from gateway.server.request import ExactRequest


class TestWhatMayFollow:
    """Keep-alive, pipelining and drain."""

    def test_requests_follow_one_another_on_one_connection(self, connect: Connect) -> None:
        """As long as nobody says otherwise."""
        client = connect(Site())
        for target in ("/one", "/two", "/three"):
            assert client.get(target).read(target.encode()).startswith(b"HTTP/1.1 200 OK\r\n")

        client.get("/four", "Connection: close")

        octets, ending = client.rest()
        assert octets.endswith(b"Connection: close\r\n\r\n/four")
        assert ending == "eof"

    def test_pipelined_requests_are_answered_in_order(self, connect: Connect) -> None:
        """None is lost in a buffer."""
        client = connect(Site())
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(50)))

        octets = client.read(b"/49")

        assert [int(part.partition(b"\r\n\r\n/")[2]) for part in octets.split(b"HTTP/1.1 200 OK\r\n")[1:]] == [
            *range(50)
        ]

    def test_pipelined_requests_leave_others_their_turn(self, connect: Connect) -> None:
        """A client that does not wait for its answers cannot keep another one from its first."""
        answered: list[str] = []

        def noting(request: ExactRequest, start_response: Any) -> list[bytes]:
            answered.append(request.uri)
            return echoing(request, start_response)

        greedy, other = connect(Site(noting)), connect(Site(noting))
        greedy.send(b"GET /greedy HTTP/1.1\r\nHost: h\r\n\r\n" * 100)
        other.get("/other")

        other.read(b"/other")

        assert len(answered) < 50

    def test_body_that_nobody_read_ends_the_connection_behind_its_answer(self, connect: Connect) -> None:
        """What the client still sends is no request, and does not cost it the answer (RFC 9112 section 9.6)."""
        client = connect(Site())
        client.get("/upload", "Content-Length: 400000", method="POST")
        client.send(b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n" + b"x" * 300_000)

        octets, ending = client.rest()

        assert octets.count(b"HTTP/1.1") == 1
        assert octets.endswith(b"Connection: close\r\n\r\n/upload")
        assert ending == "eof"

    def test_octets_behind_the_last_request_do_not_cost_its_answer(self, connect: Connect) -> None:
        """A close with octets unread would reset what the client has not received yet."""
        size = 400_000
        stream = Streaming(b"x" * size)
        client = connect(Site(answering(stream, [("Content-Length", str(size))])), receive_buffer=4096)
        client.get("/", "Connection: close")
        gevent.sleep(0.05)
        client.send(b"GET /more HTTP/1.1\r\nHost: h\r\n\r\n" * 100)

        octets, ending = client.rest()

        assert len(octets.partition(b"\r\n\r\n")[2]) == size
        assert ending == "eof"

    def test_connection_that_waits_for_a_request_ends_when_shutdown_begins(self, connect: Connect) -> None:
        """At once, and in peace."""
        site = Site()
        client = connect(site)
        client.get("/one").read(b"/one")
        gevent.sleep(0)
        site.is_draining = True

        gevent.get_hub().loop.run_callback(site.connection.end_if_idle)

        assert client.rest() == (b"", "eof")

    def test_connection_at_work_is_told_to_end_and_not_ended(self, connect: Connect) -> None:
        """The answer it is at goes out whole; the next request is not waited for."""
        site = Site()
        go_on = gevent.event.Event()

        def slow(request: ExactRequest, start_response: Any) -> Any:
            go_on.wait(PATIENCE_SECONDS)
            return echoing(request, start_response)

        site._application = slow
        client = connect(site).get("/slow")
        gevent.sleep(0.02)
        site.is_draining = True
        gevent.get_hub().loop.run_callback(site.connection.end_if_idle)
        gevent.sleep(0.02)
        go_on.set()

        octets, ending = client.rest()
        assert octets.endswith(b"\r\n\r\n/slow")
        assert ending == "eof"

    def test_request_that_comes_while_draining_is_answered_and_the_last(self, connect: Connect) -> None:
        """The application refuses it; the connection says that it ends."""
        site = Site()
        site.is_draining = True

        octets, ending = connect(site).get("/late").rest()

        assert octets.endswith(b"Connection: close\r\n\r\n/late")
        assert ending == "eof"


class TestPatience:
    """Nobody holds a connection for ever."""

    @pytest.mark.parametrize("octets", [b"", b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n"], ids=["first", "next"])
    def test_connection_without_a_request_ends_silently(self, connect: Connect, octets: bytes) -> None:
        """An idle client hears no error."""
        site = Site()
        site.head_seconds = site.keepalive_seconds = 0.05

        received, ending = connect(site).send(octets).rest()

        assert received.count(b"HTTP/1.1") == (1 if octets else 0)
        assert (site.refusals, ending) == ([], "eof")

    def test_head_that_does_not_come_in_time_is_refused(self, connect: Connect) -> None:
        """408, recorded, and the end."""
        site = Site()
        site.head_seconds = 0.05

        octets, ending = connect(site).send(b"GET / HTTP/1.1\r\nHo").rest()

        assert octets.startswith(b"HTTP/1.1 408 ")
        assert [failure.kind.code for failure in site.refusals] == ["head_timeout"]
        assert ending == "eof"

    def test_client_that_leaves_inside_a_head_is_not_answered(self, connect: Connect) -> None:
        """There is nobody, and nothing to record."""
        site = Site()
        client = connect(site).send(b"GET / HTTP/1.1\r\nHo")
        client.socket.shutdown(socket.SHUT_WR)

        assert client.rest() == (b"", "eof")
        assert site.refusals == []

    def test_client_that_takes_nothing_is_given_up(self, connect: Connect) -> None:
        """The stream hears that it stalled; what was not taken is thrown away."""
        stream = Streaming(*[b"x" * 100_000] * 100, write_seconds=0.05)
        client = connect(Site(answering(stream)), receive_buffer=4096).get()

        client.served.join(PATIENCE_SECONDS)

        assert stream.kinds == [CLIENT_STALLED]
        assert stream.closed == 1
        assert client.rest()[1] == "reset"


class TestRefusals:
    """Requests that never reach the application."""

    def test_request_that_is_no_request_is_refused_and_recorded(self, connect: Connect) -> None:
        """400 and the end, whatever follows."""
        site = Site()
        octets, ending = connect(site).send(b"GET / HTTP/1.1\r\nA : b\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n").rest()

        assert octets.startswith(b"HTTP/1.1 400 ")
        assert octets.count(b"HTTP/1.1") == 1
        assert len(site.refusals) == 1
        assert ending == "eof"

    @pytest.mark.parametrize(("method", "told"), [("GET", True), ("HEAD", False)])
    def test_connection_too_many_is_told_so(self, connect: Connect, method: str, told: bool) -> None:
        """After its first request; to HEAD without a body."""
        octets, ending = connect(Site(), overloaded=True).get(method=method).rest()

        assert octets.startswith(b"HTTP/1.1 503 ")
        assert octets.endswith(b"}\n") is told
        assert ending == "eof"
