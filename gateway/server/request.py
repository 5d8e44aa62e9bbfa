"""A request as the client sent it: gunicorn's parser, keeping what it would lose (F17)."""

import re
from dataclasses import dataclass
from typing import Any

from gunicorn.http.body import LengthReader
from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidHeader,
    InvalidHeaderName,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    ObsoleteFolding,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from gateway.exchange.message import Fields
from gateway.server.upload_body import UploadBody

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ORDINARY_LINE = re.compile(rb"([A-Z]{3,20}) (/(?:[!\"$-.0-~][!\"$-~]*+)?) HTTP/1\.([01])")
"""A request line with a path of visible octets: no fragment, and no second slash that could begin an authority."""
_ORDINARY_HEAD = re.compile(
    _ORDINARY_LINE.pattern + rb"\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]++:[\t\x20-\x7e\x80-\xff]*+\r\n)++)\r\n"
)
"""A head with such a line whose field lines are all well-formed: about each of them nothing is left to be asked."""
_FIELD = re.compile(r"([^:]++):[\t ]*+([^\r]*+)\r\n")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_EMPTY_LINE = b"\r\n"
_SINGLE = frozenset({"HOST", "CONTENT-TYPE", "EXPECT"})
_FRAMING = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING"})
_LIKE_FRAMING = frozenset({"CONTENT_LENGTH", "TRANSFER_ENCODING"})
"""Names that CGI and WSGI turn into the same variables as the fields that frame a body."""
_JUDGED = _SINGLE | _FRAMING | _LIKE_FRAMING | {"CONNECTION"}
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
        self._options: list[str] = []
        """What its Connection fields say, in lower case."""
        rest = self.parse(unreader)
        if rest:
            unreader.unread(rest)
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
        data: bytes = unreader.read() if unreader.buf.tell() else unreader.chunk()
        if not data:
            raise StopIteration
        ordinary = _ORDINARY_HEAD.match(data)
        if ordinary is not None and self._within_limits(ordinary):
            self._take(ordinary)
            return data[ordinary.end() :]
        return self._parse_python(unreader, bytearray(data))

    def _within_limits(self, head: re.Match[bytes]) -> bool:
        """Whether a head is so small that it keeps every limit, and each of its lines too."""
        begin, end = head.span(4)
        return begin - 2 <= self.limit_request_line and end - begin <= min(
            self.limit_request_field_size, self.max_buffer_headers
        )

    def _take(self, head: re.Match[bytes]) -> None:
        """Take what is beyond doubt, with one look at all of it instead of one at each line."""
        self._take_line(head)
        text = head[4].decode("latin-1")
        fields: Fields = _FIELD.findall(text)
        if " \r\n" in text or "\t\r\n" in text:
            fields = [(name, value.rstrip(" \t")) for name, value in fields]
        if len(fields) > self.limit_request_fields:
            raise LimitRequestHeaders("limit request headers fields")
        self.field_lines = fields
        self.headers = self._judged(fields, from_trailer=False)

    def _take_line(self, line: re.Match[bytes]) -> None:
        """Take an ordinary request line from a match that begins with it."""
        self.method, self.uri = line[1].decode("ascii"), line[2].decode("ascii")
        self.version = (1, int(line[3]))
        self.path, _, self.query = self.uri.partition("?")
        self.fragment = ""

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
            self._take_line(ordinary)
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
        fields = [self._field(line) for line in lines]
        upper = self._judged(fields, from_trailer)
        if not from_trailer:
            self.field_lines = fields
        return upper

    def _judged(self, fields: Fields, from_trailer: bool) -> list[tuple[str, str]]:
        """Return the fields as WSGI knows them; refuse what could be read in two ways."""
        upper: list[tuple[str, str]] = []
        seen: set[str] = set()
        for name, value in fields:
            key = name.upper()
            if key in _JUDGED:
                self._judge(key, value, seen, from_trailer)
            if "_" not in key:
                upper.append((key, value))
        return upper

    def _judge(self, key: str, value: str, seen: set[str], from_trailer: bool) -> None:
        if key in _SINGLE:
            if key in seen:
                raise InvalidHeader(key)
            seen.add(key)
        if key in _FRAMING:
            self._framed = True
        if key in _LIKE_FRAMING or (key == "CONTENT-LENGTH" and not _LENGTH.fullmatch(value)):
            raise InvalidHeader(key)
        if from_trailer:
            return
        if key == "EXPECT":
            self._note_expectation(value)
        elif key == "CONNECTION":
            self._options += [option.strip(" \t").lower() for option in value.split(",")]

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
        if self.must_close or "close" in self._options or self.method == "CONNECT":
            return True
        return self.version < (1, 1) and "keep-alive" not in self._options


class ExactParser(RequestParser):
    """Reads the requests of one connection, one after the other."""

    def __init__(self, cfg: Any, sock: Any, peer: Any, limits: "Limits", scheme: str) -> None:
        super().__init__(cfg, sock, peer)
        self.mesg: ExactRequest | None = None
        self._limits = limits
        self._scheme = scheme

    def __next__(self) -> ExactRequest:
        """Read the next request's head. Raises StopIteration where none can follow, and what gunicorn's parser does."""
        last = self.mesg
        if last is not None and (last.should_close() or not last.body.done):
            raise StopIteration
        self.req_count += 1
        self.mesg = request = ExactRequest(
            self.cfg, self.unreader, self.source_addr, self.req_count, limits=self._limits, scheme=self._scheme
        )
        return request

    def has_buffered(self) -> bool:
        """Whether octets of a next request were received already.

        An empty line behind a body is none (old clients send one, RFC 9112 section 2.2): it is forgotten here, for a
        connection that waits for a request behind it is an idle one.
        """
        if self.unreader.buf.tell() == len(_EMPTY_LINE) and self.unreader.buf.getvalue() == _EMPTY_LINE:
            self.unreader.take_buffered()
        return bool(self.unreader.buf.tell())
