"""Response heads: octets in, a strict verdict out. Pure.

Strict means that no two readers of these octets can come to different conclusions (RFC 9112 sections 2.2, 4, 5, 6):
what could be read in two ways is refused, never repaired, so that a bad line cannot hide the framing after it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.exchange.failure import HEAD_INVALID, HEAD_TOO_LARGE, UPGRADE_REFUSED, Failure, FailureError, Kind
from gateway.exchange.message import Fields, ReplyHead

MAX_HEAD_OCTETS = 64 * 1024
MAX_FIELDS = 1000
MAX_INTERIM_HEADS = 32
MAX_LENGTH_DIGITS = 18
"""Enough for an exabyte, and still a 64-bit number for whoever reads it after us."""

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105 - the grammar of a token
_TEXT = r"[\t\x20-\x7e\x80-\xff]*+"
_STATUS_LINE = rf"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ({_TEXT}))?+\r\n"
_HEAD = re.compile(rf"{_STATUS_LINE}((?:{_TOKEN}:{_TEXT}\r\n)*+)")
_FIELD = re.compile(r"([^:]++):[\t ]*+([^\r]*+)\r\n")
_STATUS = re.compile(_STATUS_LINE)
_FIELD_LINE = re.compile(rf"{_TOKEN}:{_TEXT}")
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")
_START = b"HTTP/1."


class Framing(Enum):
    """How the end of a body is known (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@dataclass(slots=True)
class FramedHead:
    """A final head, and what it says about the octets after it."""

    head: ReplyHead
    framing: Framing
    length: int
    """Octets of the body where the framing is LENGTH, else 0."""
    persistent: bool
    """Whether the connection may carry another request when the body has ended."""
    rest: bytes
    """Octets that came along behind the head."""
    modern: bool = True
    """Whether the upstream speaks HTTP/1.1."""


class HeadReader:
    """Reads the heads that answer one request: interim ones on the way, then the final one."""

    __slots__ = ("_held", "_informational", "_interim", "_method", "_seen", "continued")

    def __init__(self, method: str, informational: Callable[[ReplyHead], None]) -> None:
        self._method = method
        self._informational = informational
        self._held = bytearray()
        self._seen = 0
        self._interim = 0
        self.continued = False
        """Whether a 100 (Continue) came."""

    def feed(self, data: bytes) -> FramedHead | None:
        """Take the next octets; return the final head once it is complete.

        Raises ``FailureError`` with HEAD_INVALID, HEAD_TOO_LARGE or UPGRADE_REFUSED. The verdict does not depend on
        how the octets were split.
        """
        if self._held:
            self._held += data
            data = bytes(self._held)
        while True:
            end = data.find(b"\r\n\r\n", max(0, self._seen - 3)) + 2
            if end == 1 or end > MAX_HEAD_OCTETS:
                self._hold(data)
                return None
            framed = self._judge(data, end)
            if framed is not None:
                return framed
            data = data[end + 2 :]
            self._held.clear()
            self._seen = 0

    def _hold(self, data: bytes) -> None:
        """Keep an incomplete head, unless it is already clear that it can only be refused."""
        if not data.startswith(_START) and not _START.startswith(data[: len(_START)]):
            raise _refusal("it does not begin with HTTP/1.0 or HTTP/1.1")
        if _BARE.search(data, max(0, self._seen - 1), MAX_HEAD_OCTETS):
            raise _refusal("a carriage return or a line feed stands alone")
        if len(data) > MAX_HEAD_OCTETS:
            raise _refusal(f"more than {MAX_HEAD_OCTETS} octets", HEAD_TOO_LARGE)
        if not self._held:
            self._held += data
        self._seen = len(data)

    def _judge(self, data: bytes, end: int) -> FramedHead | None:
        """Return the final head, which ends at ``end``, or None after an interim one."""
        minor, head = parse(data[:end])
        if head.status >= 200:
            framed = frame(minor, head, self._method, data[end + 2 :])
            framed.modern = minor >= 1
            return framed
        if head.status == 101:
            raise _refusal("it switched protocols without being asked", UPGRADE_REFUSED)
        self._interim += 1
        if self._interim > MAX_INTERIM_HEADS:
            raise _refusal(f"more than {MAX_INTERIM_HEADS} interim answers")
        if head.status == 100:
            self.continued = True
        else:
            self._informational(head)
        return None


def parse(block: bytes) -> tuple[int, ReplyHead]:
    """Return the minor version and the head in ``block``: status line and field lines, each with its CRLF.

    Raises ``FailureError`` (HEAD_INVALID, HEAD_TOO_LARGE), naming the line, never its content.
    """
    text = block.decode("latin-1")
    match = _HEAD.fullmatch(text)
    if match is None:
        raise _refusal(_what_is_wrong(text))
    minor, status, reason, lines = match.groups("")
    fields: Fields = _FIELD.findall(lines)
    if " \r\n" in lines or "\t\r\n" in lines:
        fields = [(name, value.rstrip(" \t")) for name, value in fields]
    if len(fields) > MAX_FIELDS:
        raise _refusal(f"more than {MAX_FIELDS} field lines", HEAD_TOO_LARGE)
    return int(minor), ReplyHead(int(status), reason, fields)


def frame(minor: int, head: ReplyHead, method: str, rest: bytes) -> FramedHead:
    """Decide how the body after ``head`` ends (RFC 9112 section 6.3) and take the framing fields out of ``head``.

    Transfer-Encoding never stays. Content-Length stays where it is true, once and without leading zeros, which some
    read as octal; beside Transfer-Encoding it is dropped and the connection is not used again (RFC 9112 section 6.1).
    """
    lengths: list[str] = []
    codings: list[str] = []
    options: list[str] = []
    for name, value in head.fields:
        lowered = name.lower()
        if lowered == "content-length":
            lengths.append(value)
        elif lowered == "transfer-encoding":
            codings.append(value)
        elif lowered == "connection":
            options += [option.strip(" \t").lower() for option in value.split(",")]
    if codings and (minor == 0 or [coding.lower() for coding in codings] != ["chunked"]):
        raise _refusal("its Transfer-Encoding is not exactly chunked, or stands in HTTP/1.0")
    length = _length(lengths)
    if codings or (lengths and (lengths != [str(length)] or head.status == 204)):
        _set_framing(head, length if not codings and head.status != 204 else None)
    persistent = "close" not in options and (minor == 1 or "keep-alive" in options)
    if head.status == 204 and (codings or length):
        persistent = False  # Whoever announces a body for 204 may also send it, later.
    if method == "HEAD" or head.status in (204, 304):
        return FramedHead(head, Framing.NONE, 0, persistent and not (codings and lengths), rest)
    if codings:
        return FramedHead(head, Framing.CHUNKED, 0, persistent and not lengths, rest)
    if length is None:
        return FramedHead(head, Framing.CLOSE, 0, False, rest)
    return FramedHead(head, Framing.LENGTH, length, persistent, rest)


def _length(values: list[str]) -> int | None:
    if not values:
        return None
    first = values[0]
    if values.count(first) != len(values):
        raise _refusal("its Content-Lengths differ")
    if not (first.isascii() and first.isdigit() and len(first) <= MAX_LENGTH_DIGITS):
        raise _refusal("its Content-Length is not a number of octets")
    return int(first)


def _set_framing(head: ReplyHead, length: int | None) -> None:
    """Leave one Content-Length that says ``length`` in the place of the first, or none; and no Transfer-Encoding."""
    kept: Fields = []
    for name, value in head.fields:
        lowered = name.lower()
        if lowered == "content-length":
            if length is None:
                continue
            value, length = str(length), None
        elif lowered == "transfer-encoding":
            continue
        kept.append((name, value))
    head.fields = kept


def _what_is_wrong(text: str) -> str:
    """Return why ``text`` is not a head; slow, and only reached by heads that are refused."""
    if not text.startswith(_START.decode()):
        return "it does not begin with HTTP/1.0 or HTTP/1.1"
    if not _STATUS.match(text):
        return "its status line is malformed"
    for number, line in enumerate(text.split("\r\n")[1:-1], 1):
        if _FIELD_LINE.fullmatch(line):
            continue
        name, colon, _ = line.partition(":")
        if line.startswith((" ", "\t")):
            return f"field line {number} is folded or begins with a space"
        if "\r" in line or "\n" in line:
            return f"a carriage return or a line feed stands alone in field line {number}"
        if not colon:
            return f"field line {number} has no colon"
        if re.fullmatch(_TOKEN, name) is None:
            return f"the name in field line {number} is not a token"
        return f"field line {number} has a control octet in its value"
    return "it is malformed"


def _refusal(why: str, kind: Kind = HEAD_INVALID) -> FailureError:
    return FailureError(Failure(kind, f"the upstream's answer was refused: {why}"))
