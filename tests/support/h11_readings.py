"""What h11 makes of octets: a reader of somebody else's, to compare ours with."""

from dataclasses import dataclass, field

import h11

_MOST_HEAD_OCTETS = 1 << 20


@dataclass
class Reading:
    """Requests in the order they stand there: method with target, and body."""

    requests: list[tuple[str, bytes]] = field(default_factory=list)
    refused: str = ""
    """Why it stopped, where it found something wrong."""
    closed: bool = False
    """Whether a request was the last one for h11, which never keeps a connection of HTTP/1.0."""

    def agrees(self, found: list[tuple[str, bytes] | None]) -> bool:
        """Say whether ``found`` are the same requests as far as both readers went; who refuses does not differ.

        None stands for a request that is not to be compared.
        """
        same = all(ours in (None, theirs) for ours, theirs in zip(found, self.requests, strict=False))
        return same and (len(found) <= len(self.requests) or bool(self.refused) or self.closed)


def requests_in(octets: bytes) -> Reading:
    """Read ``octets`` as a client's requests."""
    reading = Reading()
    reader = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD_OCTETS)
    reader.receive_data(octets)
    asked, body = "", b""
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError as error:
            reading.refused = str(error)
            return reading
        if isinstance(event, h11.Request):
            asked, body = f"{event.method.decode()} {event.target.decode('latin-1')}", b""
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            reading.requests.append((asked, body))
            reader.send(h11.Response(status_code=204, headers=[]))
            reader.send(h11.EndOfMessage())
            if reader.our_state is not h11.DONE:
                reading.closed = True
                return reading
            reader.start_next_cycle()
        else:
            return reading


def answer_in(octets: bytes) -> tuple[int, bytes, bool] | None:
    """Read ``octets``, and the end of the stream behind them, as the answer to a GET: status, body and whether it
    is whole; None if h11 refuses it."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_OCTETS)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    reader.send(h11.EndOfMessage())
    status, body = 0, b""
    try:
        reader.receive_data(octets)
        ended = False
        while True:
            event = reader.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body, True
            elif event is h11.NEED_DATA and not ended:
                ended = True
                reader.receive_data(b"")
            elif not isinstance(event, h11.InformationalResponse):
                return status, body, False
    except h11.RemoteProtocolError:
        return None
