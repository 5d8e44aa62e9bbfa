"""A gateway and the scripted upstream behind it, for comparing octets: any target, any script, one pair per module."""

import json
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Self

from support.conditions import wait_until
from support.framing import FieldLines
from support.gateway_process import Gateway, Line, route_to, toml_table
from support.rude_client import RawResponse, RudeClient
from support.scripted_connection import RawRequest, ScriptedConnection
from support.scripted_upstream import Script, ScriptedUpstream, for_each_request, play, response

QUIET: Mapping[str, object] = {"via": "off", "forwarded": False, "x_forwarded": False}
"""Forwarding settings with which nothing but Host and the request's id differs from what the client sent."""
DATE = "Date: Fri, 20 Nov 2026 06:00:00 GMT"
_ID_LINE = re.compile(rb"X-Request-Id: [0-9a-f]{32}\r\n")


def request(line: str, *lines: str, body: bytes = b"", host: str | None = "gateway.test") -> bytes:
    """Return the octets of a request: request line, Host unless None, further field ``lines``, body."""
    hosts = [] if host is None else [f"Host: {host}"]
    return "\r\n".join([line, *hosts, *lines, "", ""]).encode("latin-1") + body


def without_id(head: bytes) -> bytes:
    """Return a head without the request's id, which must stand in it exactly once."""
    plain, found = _ID_LINE.subn(b"", head)
    assert found == 1, head
    return plain


class Rig:
    """The pair. ``plays`` sets what the upstream does from now on; ``seen`` is what it read since then.

    Leaving it fails where a script failed, and where the gateway wrote a traceback.
    """

    def __init__(
        self,
        directory: Path,
        *,
        server: Mapping[str, object] | None = None,
        forwarding: Mapping[str, object] = QUIET,
        upstream: Mapping[str, object] | None = None,
        base: str = "",
        environment: Mapping[str, str] | None = None,
        routes: list[Mapping[str, object]] | None = None,
        also: str = "",
    ) -> None:
        """Without ``routes`` there is one for every path; ``base`` is the path of the endpoint.

        ``also`` is further TOML.
        """
        self._scripts: tuple[Script, ...] = (b"",)
        self._connections: list[ScriptedConnection] = []
        self._marks: dict[object, SimpleQueue[int]] = {}
        self._first = 0
        self._ended: list[int] = []
        self.upstream = ScriptedUpstream(self._play)
        toml = toml_table("forwarding", forwarding)
        first, *others = routes or [{}]
        toml += route_to(self.upstream.url + base, upstream=upstream, **first)
        toml += "".join(toml_table("[routes]", {"upstream": "up", **route}) for route in others)
        toml += also
        self.gateway = Gateway(toml, directory, server=server, environment=environment)

    def __enter__(self) -> Self:
        self.upstream.__enter__()
        try:
            self.gateway.__enter__()
        except BaseException:
            self.upstream.__exit__(AssertionError)
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self.gateway.stop()
            assert "Traceback" not in self.gateway.stderr(), self.gateway.output()
        finally:
            self.upstream.__exit__(*(exc_info or (None,)))

    def plays(self, *scripts: Script) -> None:
        """Let the next connection follow the first script, and so on, the last one for all that follow.

        Connections there are end, so that none of them is used again.
        """
        first = self._mark() + 1
        self._first, self._scripts = first, scripts  # In this order: who connected before never follows the new ones.
        connections, self._connections = self._connections, []
        for connection in connections:
            connection.stop()

    def settle(self) -> None:
        """Wait until every connection to the upstream has ended and all that came on it was read; then test."""
        numbers = set(range(self._first, self._mark()))
        wait_until(lambda: numbers <= set(self._ended), 5.0, f"the end of connections {numbers}")

    def answers(self, *answers: Script) -> None:
        """Let the upstream answer request after request on each connection, the last answer for all that follow."""
        self.plays(for_each_request(*(answers or (response(b"ok", DATE),))))

    @property
    def seen(self) -> list[RawRequest]:
        """The requests that reached the upstream since its script was set."""
        return [seen for seen in self.upstream.requests if seen.connection >= self._first]

    def assert_untouched(self) -> None:
        """Fail if anybody connected to the upstream since its script was set."""
        number = self._mark()
        assert number == self._first, f"{number - self._first} connections; {self.seen}"
        self._first = number + 1

    def line_of(self, answer: RawResponse) -> Line:
        """Return the log line of the exchange that was answered; its id goes up, and comes back."""
        return line_of(self.gateway, answer)

    @contextmanager
    def left_as_it_was(self) -> Iterator[None]:
        """Fail where something that was opened meanwhile is left, on either side."""
        wait_until(lambda: not self._connected(), what="quiet before the test")
        before = self.gateway.open_fds()
        yield
        wait_until(lambda: not self._connected(), what="the end of all connections")
        wait_until(lambda: self.gateway.open_fds() <= before, what="the end of all descriptors")
        assert self.gateway.admin("/-/ready").json()["streams"] == 0

    @property
    def host(self) -> str:
        """What the upstream's Host field says."""
        return f"127.0.0.1:{self.upstream.port}"

    def heads(self) -> list[bytes]:
        """Return the heads the upstream read, without the request's id and with ``up`` for its own address."""
        return [without_id(seen.head_octets).replace(self.host.encode(), b"up") for seen in self.seen]

    def client(self, **options: Any) -> RudeClient:
        """Return a new connection to the gateway."""
        return RudeClient(self.gateway.address, **options)

    def ask(self, octets: bytes, *, method: str = "GET") -> RawResponse:
        """Send ``octets`` on a connection of their own and read one response."""
        with self.client() as client:
            return client.send(octets).read_response(method=method)

    def octets(self, sent: bytes) -> bytes:
        """Send octets that end the connection, and return all that came back until it ended cleanly."""
        with self.client() as client:
            pieces = client.send(sent).arrivals(5.0)
            assert client.wait_closed(0.1) == "eof"
            return b"".join(piece for _, piece in pieces)

    def _connected(self) -> int:
        return self.gateway.open_upstream_connections(self.upstream.port) + self.gateway.open_client_connections()

    def _mark(self) -> int:
        """Connect to the upstream and return the connection's number: all that connected before have lower ones."""
        with socket.socket() as marker:
            marker.bind(("127.0.0.1", 0))
            self._marks[marker.getsockname()] = numbers = SimpleQueue()
            marker.connect(self.upstream.address)
            return numbers.get(timeout=5)

    def _play(self, connection: ScriptedConnection) -> None:
        scripts, first = self._scripts, self._first
        try:
            peer = connection.socket.getpeername()
        except OSError:
            peer = None  # It has gone again, but what it sent is still there to be read.
        if peer in self._marks:
            self._marks.pop(peer).put(connection.number)
        elif connection.number >= first:
            self._connections.append(connection)
            number = connection.number - first
            try:
                play(scripts[min(number, len(scripts) - 1)], connection)
            finally:
                self._ended.append(connection.number)


def line_of(gateway: Gateway, answer: RawResponse) -> Line:
    """Return the log line of the exchange that was answered; its id goes up, and comes back."""
    found = answer.first("x-request-id")
    return gateway.wait_for_line(lambda line: line["id"] == found)


def ask(gateway: Gateway, octets: bytes = request("GET / HTTP/1.1")) -> tuple[int, Line]:
    """Return the status a client got, and the line of its exchange."""
    with RudeClient(gateway.address) as client:
        answer = client.send(octets).read_response()
    assert answer.complete
    return answer.status, line_of(gateway, answer)


def problem_code(answer: RawResponse) -> str:
    """Return the code of a local reply; fail unless it is a whole problem document (RFC 9457) with Proxy-Status."""
    assert answer.complete, answer
    assert answer.all("content-type") == ["application/problem+json"], answer
    assert re.match(r"slowgate; error=[a-z_]+", answer.first("proxy-status") or ""), answer.fields
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    assert document["type"] == f"urn:slowgate:failure:{document['code']}"
    assert document["title"]
    code: str = document["code"]
    return code


def fields_but(fields: FieldLines, *names: str) -> FieldLines:
    """Return the lines that are called otherwise than ``names`` (lower case)."""
    return [line for line in fields if line[0].lower() not in names]
