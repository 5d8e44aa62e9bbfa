"""The kept-alive connections of one endpoint."""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping

from gateway.exchange.message import Fields
from gateway.exchange.route import Upstream
from gateway.exchange.target import Endpoint
from gateway.upstream.asking import NO_BODY, request_head
from gateway.upstream.chunks import Body
from gateway.upstream.connection import Connection, Sending, WaitReadable
from gateway.upstream.dialing import dial, secured
from gateway.upstream.watch import Watch


class FieldLines(Mapping[str, str]):
    """Field lines where the library expects a mapping. ``lines`` is what counts and what is sent."""

    __slots__ = ("lines", "sending")

    def __init__(self, lines: Fields, sending: Sending | None = None) -> None:
        """``sending`` rides along to the pool; as a body it would make the library look for a framing."""
        self.lines = lines
        self.sending = sending

    def __getitem__(self, name: str) -> str:
        values = [value for line, value in self.lines if line.lower() == name.lower()]
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): name for name, _ in self.lines}.values())

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.lines})


class Pool:
    """Lends connections, the one used last first, and keeps a bounded number of idle ones for a bounded time.

    It stands where `HTTPAdapter.send` expects a urllib3 pool and offers what is called there: ``urlopen``.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        upstream: Upstream,
        context: ssl.SSLContext | None,
        wait_readable: WaitReadable | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``context`` is None for an endpoint without TLS; the bound on idle connections is the endpoint's own."""
        self._endpoint = endpoint
        self._context = context
        self._server_name = upstream.tls.server_name
        self._allow_link_local = upstream.allow_link_local
        self._keepalive_seconds = upstream.keepalive_seconds
        self._max_idle = upstream.max_idle_connections
        self._wait_readable = wait_readable
        self._clock = clock
        self._idle: list[Connection] = []
        self._closed = False

    def __repr__(self) -> str:
        return f"<Pool {self._endpoint} idle={len(self._idle)}>"

    def urlopen(self, method: str, url: str, headers: FieldLines, **_: object) -> Body:
        """Make one attempt: ``url`` is the target to send, ``headers`` the field lines and what goes with them.

        The other arguments that `HTTPAdapter.send` passes are about things that do not happen here: retries,
        redirects, decoding, socket timeouts. Raises ``FailureError``; what an interrupter throws passes as it is.
        """
        sending = headers.sending
        assert sending is not None
        length = NO_BODY if sending.upload is None else sending.upload.length
        head, expects = request_head(method, url, headers.lines, self._endpoint.authority, length)
        kept = None if sending.attempt.fresh else self._take()
        sending.attempt.reused = kept is not None
        connection = kept or self._connect(sending.watch, sending.connect_seconds)
        try:
            return Body(connection, connection.ask(head, expects, method, sending), self._put)
        except BaseException:
            connection.close()
            raise

    def _connect(self, watch: Watch, connect_seconds: float | None) -> Connection:
        watch.connecting()
        sock = dial(self._endpoint, connect_seconds, allow_link_local=self._allow_link_local)
        if self._context is not None:
            sock = secured(sock, self._endpoint, self._context, self._server_name)
        connection = Connection(sock, self._wait_readable)
        try:
            watch.connected()
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self) -> Connection | None:
        """Return the connection used last that is still good, if there is one."""
        self.prune()
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet():
                return connection
            connection.close()
        return None

    def _put(self, connection: Connection) -> None:
        """Keep a connection whose answer has ended cleanly."""
        if self._closed or self._keepalive_seconds <= 0 or self._max_idle <= 0 or not connection.drained():
            connection.close()
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)
        self.prune()

    @property
    def idle(self) -> int:
        """How many connections are kept."""
        return len(self._idle)

    def prune(self) -> None:
        """Close what was idle for too long, and the oldest of what is too much."""
        idle = self._idle
        expired = self._clock() - self._keepalive_seconds
        while idle and (len(idle) > self._max_idle or idle[0].idle_since < expired):
            idle.pop(0).close()

    def close(self) -> None:
        """Close the idle connections, and from now on every other one when its answer has ended."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
