"""/download a large file with a strong ETag, Last-Modified and ranges; every octet depends only on its place
size=1GiB (0..64GiB)  version=1 (another one is another file)  delay=0 ms between blocks of 64 KiB
curl -o file '{base}/download?size=100MiB'
curl -i -H 'Range: bytes=10-19' '{base}/download'
"""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, request
from werkzeug.http import http_date, is_resource_modified

from gateway.demo.connection import Connection, connection
from gateway.demo.parameters import parameters

pages = Blueprint("download", __name__)

BLOCK_OCTETS = 65_536
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII | re.IGNORECASE)
_FIRST_VERSION = datetime(2026, 1, 1, tzinfo=UTC)


def block(number: int, pattern: bytes) -> bytes:
    """Return block ``number``: the pattern behind its own number, so that no two blocks are the same."""
    return number.to_bytes(8, "big") + pattern[8:]


def content(start: int, stop: int, version: int = 1) -> Iterator[bytes]:
    """Yield the octets from ``start`` to before ``stop`` of the file, block by block."""
    pattern = random.Random(version).randbytes(BLOCK_OCTETS)
    while start < stop:
        number, offset = divmod(start, BLOCK_OCTETS)
        piece = block(number, pattern)[offset : offset + stop - start]
        start += len(piece)
        yield piece


def paced_content(start: int, stop: int, version: int, seconds: float, wire: Connection) -> Iterator[bytes]:
    """Yield ``content`` with a pause before each block but the first."""
    for index, piece in enumerate(content(start, stop, version)):
        if index:
            wire.pause(seconds)
        yield piece


@pages.get("/download")
def download() -> Response:
    """A file of the size asked for, whole or in part (RFC 9110 sections 13 and 14), in constant memory."""
    with parameters() as asked:
        size = asked.number("size", 2**30, most=64 * 2**30)
        version = asked.number("version", 1, most=1_000_000)
        seconds = asked.seconds("delay", 0)
    etag, modified = f"slow-{size}-{version}", _FIRST_VERSION + timedelta(days=version)
    refusal = _precondition(etag, modified)
    start, stop, status = (0, size, 200) if refusal is None else (0, 0, refusal)
    if refusal is None and _range_counts(f'"{etag}"', http_date(modified)):
        start, stop, status = _part(size)
    response = Response(paced_content(start, stop, version, seconds, connection()), status)
    response.mimetype = "application/octet-stream"
    response.set_etag(etag)
    response.last_modified = modified
    response.accept_ranges = "bytes"
    if status != 304:
        response.content_length = stop - start
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    elif status == 416:
        response.headers["Content-Range"] = f"bytes */{size}"
    return response


def _precondition(etag: str, modified: datetime) -> int | None:
    """Return 304 or 412 where a conditional request ends here (RFC 9110 section 13.2.2), else None."""
    if "If-Match" in request.headers and not request.if_match.contains(etag):
        return 412
    since = request.if_unmodified_since
    if since is not None and "If-Match" not in request.headers and modified > since:
        return 412
    quoted = f'"{etag}"'
    changed = is_resource_modified(request.environ, etag=quoted, last_modified=modified, ignore_if_range=True)
    return None if changed else 304


def _range_counts(etag: str, modified: str) -> bool:
    """Whether the Range field is to be obeyed: If-Range names this very version (RFC 9110 section 13.1.5)."""
    condition = request.headers.get("If-Range")
    return request.method == "GET" and (condition is None or condition in (etag, modified))


def _part(size: int) -> tuple[int, int, int]:
    """Return start, stop and status for the request's Range; several ranges, or none understood, get the whole."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or match[1] == match[2] == "":
        return 0, size, 200
    if match[1] == "":
        start, stop = max(0, size - int(match[2])), size
    else:
        start, stop = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if match[2] and int(match[2]) < start:
            return 0, size, 200  # invalid, and so to be ignored (RFC 9110 section 14.1.1)
    return (start, stop, 206) if start < stop else (0, 0, 416)
