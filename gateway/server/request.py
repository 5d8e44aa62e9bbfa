"""A request as the client sent it: gunicorn's parser, keeping what it would lose (F17), and the body as it arrives."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from gevent.socket import wait_read
from gunicorn.http.body import LengthReader
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidHeaderName,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ObsoleteFolding,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from gateway.exchange.chunked import ChunkedDecoder
from gateway.exchange.failure import BAD_REQUEST, UPLOAD_CUT, Failure, FailureError
from gateway.exchange.message import Fields

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ORDINARY_LINE = re.compile(rb"([A-Z]{3,20}) (/(?:[!\"$-.0-~][!\"$-~]*)?) HTTP/1\.([01])")
"""A request line with a path of visible octets: no fragment, and no second slash that could begin an authority."""
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_EMPTY_LINE = b"\r\n"
_PIECE_BYTES = 64 * 1024
_SINGLE = frozenset({"HOST", "CONTENT-TYPE", "EXPECT"})
_FRAMING = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING"})
_LIKE_FRAMING = frozenset({"CONTENT_LENGTH", "TRANSFER_ENCODING"})
"""Names that CGI and WSGI turn into the same variables as the fields that frame a body."""
_LENGTH = re.compile(r"[0-9]{1,18}")
"""A 64-bit number for every reader, signed or not."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a request's head may be."""

    request_line_bytes: int
    fields: int
    field_bytes: int
    head_bytes: int = 1024 * 1024
    """All field lines together; bounds what one connection can make us keep."""


class UploadBody:
    """The body of a request: octets as they arrive, counted against what was announced."""

    def __init__(self, unreader: Any, length: int | None, wants_continue: bool = False) -> None:
        """``wants_continue``: whether the client waits to be told that it may send it."""
        # It knows nothing of its request, which has it: a ring of the two would outlive every exchange.
        self.wants_continue = wants_continue
        self.length = length
        """Octets announced; None for a chunked body."""
        self.done = length == 0
        """Whether the body was read to its end: only then does a next request begin behind it."""
        self.failed = False
        """Whether reading it broke, so that nothing behind it can be trusted."""
        self._left = length or 0
        """Octets of an announced length that were not handed on yet."""
        self._decoder: ChunkedDecoder | None = None
        self._complete = self.done
        """Whether its last octet was received, though perhaps not handed on."""
        self._unreader = unreader

    def at_hand(self) -> bool:
        """Whether all of the body that was not handed on yet was received already."""
        return self.done or (self.length is not None and self._unreader.buf.tell() >= self._left > 0)

    def received(self) -> bytes:
        """Return what is here already of a body with a length, and was not handed on."""
        received: bytes = self._unreader.buf.getvalue()
        return received[: self._left]

    def wait(self, seconds: float | None) -> bool:
        """Wait until octets can be read; False when ``seconds`` passed first."""
        sock = self._unreader.sock
        if self._complete or self._unreader.buf.tell() or (hasattr(sock, "pending") and sock.pending()):
            return True
        try:
            self.send_continue()
            wait_read(sock.fileno(), timeout=seconds)
        except TimeoutError:
            return False
        except OSError:
            return True  # The connection broke: reading from it says so.
        return True

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives, in pieces of up to 64 KiB.

        A second call goes on behind the last piece, so that whoever read may be stopped, even within a wait.
        Raises ``FailureError`` with UPLOAD_CUT where the client stops early and BAD_REQUEST where its framing breaks.
        """
        if self.done:
            return
        try:
            yield from self._known_length() if self.length is not None else self._chunked()
        except NoMoreData as error:
            self.failed = True
            raise FailureError(Failure(UPLOAD_CUT, "the client's body ended early")) from error
        except OSError as error:
            self.failed = True
            raise FailureError(Failure(UPLOAD_CUT, "the client's connection broke during its upload")) from error
        self.done = True

    def _known_length(self) -> Iterator[bytes]:
        while self._left:
            piece = self._unreader.read(None, read_ahead=min(self._left, _PIECE_BYTES))
            if not piece:
                raise NoMoreData()
            if len(piece) > self._left:
                self._unreader.unread(piece[self._left :])
                piece = piece[: self._left]
            self._left -= len(piece)
            self._complete = not self._left
            yield piece

    def _chunked(self) -> Iterator[bytes]:
        decoder = self._decoder = self._decoder or ChunkedDecoder()
        while not decoder.over:
            data = self._unreader.read(None, read_ahead=_PIECE_BYTES)
            if not data:
                raise NoMoreData()
            piece = decoder.feed(data)
            self._complete = decoder.over  # Also where it is broken: nothing more is waited for.
            if piece:
                yield piece
        if decoder.broken is not None:
            self.failed = True
            raise FailureError(Failure(BAD_REQUEST, decoder.broken))
        self._unreader.unread(decoder.rest)

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 section 10.1.1); once."""
        if self.wants_continue:
            self.wants_continue = False
            self._unreader.sock.sendall(_CONTINUE)

    def read(self, size: int | None = None) -> bytes:
        """Part of the WSGI interface; the gateway itself reads `pieces`."""
        raise NotImplementedError("the request's body is read as it arrives, by the upload")


class ExactRequest(Request):
    """A request whose field lines keep case, order and repetition in ``field_lines``."""

    def __init__(
        self, cfg: Any, unreader: Any, peer_addr: Any, req_number: int = 1, *, limits: "Limits", scheme: str
    ) -> None:
        """Set what gunicorn's own would set, but by our limits (it would cap the request line at 8190 octets).

        Looking up a dozen of its settings for each request would cost more than parsing most of them.
        """
        self.cfg = cfg
        self.unreader = unreader
        self.peer_addr = self.remote_addr = peer_addr
        self.req_number = req_number
        self.method = self.uri = self.path = self.query = self.fragment = ""
        self.version: Any = None
        self.headers: list[tuple[str, str]] = []
        self.trailers: list[tuple[str, str]] = []
        self.body: Any = None
        self.scheme = scheme
        self.must_close = False
        self.proxy_protocol_info = None
        self.limit_request_line = limits.request_line_bytes
        self.limit_request_fields = limits.fields
        self.limit_request_field_size = limits.field_bytes
        self.max_buffer_headers = limits.head_bytes
        self.field_lines: Fields = []
        self._expects = False
        """Whether it waits for 100 (Continue)."""
        self._framed = False
        """Whether any field speaks of a body."""
        unreader.unread(self.parse(unreader))
        self.set_body_reader()

    @property
    def wants_continue(self) -> bool:
        """Whether the client waits for 100 (Continue) and was not told yet."""
        return self.body.wants_continue  # type: ignore[no-any-return]

    @wants_continue.setter
    def wants_continue(self, wants: bool) -> None:
        self.body.wants_continue = wants

    def parse(self, unreader: Any) -> bytes:
        """Read the head; return what follows it. Raises StopIteration where nothing comes at all."""
        buf = bytearray()
        self.read_into(unreader, buf, stop=True)
        return self._parse_python(unreader, buf)

    def _parse_python(self, unreader: Any, buf: bytearray) -> bytes:
        """Read to the end of the head and parse it; return what follows (RFC 9112 sections 2.1 and 2.2).

        Each octet is looked at once: gunicorn would copy and search the whole head for every piece that comes, which
        lets one client that drips a large head hold up everybody.
        """
        while buf[:1] == b"\r" and len(buf) < 2:
            self.read_into(unreader, buf)
        if buf[:2] == b"\r\n":
            del buf[:2]
        line_end, searched = -1, 0
        while True:
            if line_end < 0:
                line_end = self._request_line_end(buf, searched)
            end = buf.find(b"\r\n\r\n", max(0, searched - 3))
            if line_end >= 0 and _BARE.search(buf, max(line_end, searched - 1), end + 4 if end >= 0 else len(buf)):
                raise InvalidHeader("a bare CR or LF")
            if end >= 0:
                break
            if len(buf) - line_end > self.max_buffer_headers:
                raise LimitRequestHeaders("max buffer headers")
            searched = len(buf)
            self.read_into(unreader, buf)
        if end - line_end > self.max_buffer_headers:
            raise LimitRequestHeaders("max buffer headers")
        if end > line_end:
            self.headers = self.parse_headers(bytes(buf[line_end + 2 : end]))
        return bytes(buf[end + 4 :])

    def _request_line_end(self, buf: bytearray, searched: int) -> int:
        """Parse the request line once it is whole and return where it ends; -1 before that."""
        end = buf.find(b"\r\n", max(0, searched - 1))
        if _BARE.search(buf, max(0, searched - 1), end + 2 if end >= 0 else len(buf)):
            raise InvalidRequestLine("a bare CR or LF")
        if (end if end >= 0 else len(buf) - 1) > self.limit_request_line:
            raise LimitRequestLine(len(buf), self.limit_request_line)
        if end >= 0:
            self.parse_request_line(bytes(buf[:end]))
        return end

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Parse strictly: a target has no fragment (RFC 9112 section 3.2), and readers differ about one that has.

        A line that is beyond doubt is taken as it is; every other one gets gunicorn's verdict.
        """
        ordinary = _ORDINARY_LINE.fullmatch(line_bytes)
        if ordinary is not None:
            method, uri, minor = ordinary.groups()
            self.method, self.uri = method.decode("ascii"), uri.decode("ascii")
            self.version = (1, int(minor))
            self.path, _, self.query = self.uri.partition("?")
            self.fragment = ""
            return
        super().parse_request_line(line_bytes)
        if "#" in self.uri:
            raise InvalidRequestLine("a fragment")

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """Parse strictly (RFC 9112 section 5); return gunicorn's upper-cased list, which decides the framing.

        Names with an underscore are left out of that list, because WSGI confuses them with dashes; ``field_lines``
        has them, and those that would be confused with framing are refused.
        """
        lines = data.decode("latin-1").split("\r\n")
        if len(lines) > self.limit_request_fields:
            raise LimitRequestHeaders("limit request headers fields")
        fields: Fields = []
        upper: list[tuple[str, str]] = []
        seen: set[str] = set()
        for line in lines:
            name, value = self._field(line)
            key = name.upper()
            if key in _SINGLE:
                if key in seen:
                    raise InvalidHeader(key)
                seen.add(key)
            if key in _FRAMING:
                self._framed = True
            if key in _LIKE_FRAMING or (key == "CONTENT-LENGTH" and not _LENGTH.fullmatch(value)):
                raise InvalidHeader(key)
            if key == "EXPECT" and not from_trailer:
                self._note_expectation(value)
            fields.append((name, value))
            if "_" not in key:
                upper.append((key, value))
        if not from_trailer:
            self.field_lines = fields
        return upper

    def _field(self, line: str) -> tuple[str, str]:
        if len(line) + 2 > self.limit_request_field_size:
            raise LimitRequestHeaders("limit request headers fields size")
        if line[:1] in (" ", "\t"):
            raise ObsoleteFolding("a field line begins with white space")
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name):
            raise InvalidHeaderName("a field name is not a token")
        if _CONTROL.search(value):
            raise InvalidHeader(name)
        return name, value.strip(" \t")

    def _note_expectation(self, value: str) -> None:
        if value.lower() != "100-continue":
            raise ExpectationFailed(value)
        self._expects = self.version >= (1, 1)

    def set_body_reader(self) -> None:
        """Choose the framing as gunicorn does (RFC 9112 section 6), then read the body in our own way.

        A coding below chunked is refused: nobody here takes it off, and what goes up would not name it (section 6.1).
        """
        if not self._framed:
            self.body = UploadBody(self.unreader, 0, self._expects)
            return
        super().set_body_reader()
        codings = [value.lower() for name, value in self.headers if name == "TRANSFER-ENCODING"]
        if codings not in ([], ["chunked"]):
            raise UnsupportedTransferCoding(", ".join(codings))
        reader = self.body.reader
        length = reader.length if isinstance(reader, LengthReader) else None
        self.body = UploadBody(self.unreader, length, self._expects)

    def should_close(self) -> bool:
        """Whether the connection ends behind this request (RFC 9112 section 9.3, all Connection fields read)."""
        options = {
            option.strip(" \t").lower()
            for name, value in self.field_lines
            if name.lower() == "connection"
            for option in value.split(",")
        }
        if self.must_close or "close" in options or self.method == "CONNECT":
            return True
        return self.version < (1, 1) and "keep-alive" not in options


class ExactParser(RequestParser):
    """Reads the requests of one connection, one after the other."""

    def __init__(self, cfg: Any, sock: Any, peer: Any, limits: "Limits", scheme: str) -> None:
        super().__init__(cfg, sock, peer)
        self.mesg_class = partial(ExactRequest, limits=limits, scheme=scheme)

    def has_buffered(self) -> bool:
        """Whether octets of a next request were received already.

        An empty line behind a body is none (old clients send one, RFC 9112 section 2.2): it is forgotten here, for a
        connection that waits for a request behind it is an idle one.
        """
        if self.unreader.buf.tell() == len(_EMPTY_LINE) and self.unreader.buf.getvalue() == _EMPTY_LINE:
            self.unreader.take_buffered()
        return bool(self.unreader.buf.tell())

    def finish_body(self, deadline: float | None = None, max_bytes: int | None = None) -> bool:
        """Say whether a next request can follow: the body before it must have been read to its end."""
        return self.mesg is None or self.mesg.body.done
