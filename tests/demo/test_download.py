"""The download is one file, whole or in parts, at no cost in memory."""

import hashlib
import http.client
from collections.abc import Callable
from contextlib import closing

import pytest
from support.demo_process import DemoUpstream
from support.rude_client import RawResponse

Ask = Callable[..., RawResponse]
FILE = "/download?size=200000"
ETAG = '"slow-200000-1"'
MODIFIED = "Fri, 02 Jan 2026 00:00:00 GMT"


@pytest.fixture(scope="module")
def whole(demo_upstream: DemoUpstream) -> bytes:
    """The file's octets."""
    with closing(http.client.HTTPConnection(*demo_upstream.address, timeout=30)) as connection:
        connection.request("GET", FILE)
        return connection.getresponse().read()


def test_file_is_always_the_same(whole: bytes) -> None:
    """Every octet depends only on its place: this digest never changes."""
    digest = "5d7f89c471ac8f65ee55221c0fa2d14bb3c7f4d720945e1198d04960e52a1fcd"
    assert (len(whole), hashlib.sha256(whole).hexdigest()) == (200_000, digest)


def test_blocks_differ_and_versions_differ(ask: Ask, whole: bytes) -> None:
    """A mix-up of parts or versions can be seen in the octets."""
    blocks = [whole[start : start + 65_536] for start in range(0, 196_608, 65_536)]
    assert len(set(blocks)) == 3
    other = ask(FILE + "&version=2")
    assert other.first("etag") == '"slow-200000-2"'
    assert other.body != whole


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("0-0", 0, 1),
        ("10-19", 10, 20),
        ("65530-65545", 65_530, 65_546),
        ("199990-", 199_990, 200_000),
        ("199990-999999", 199_990, 200_000),
        ("-5", 199_995, 200_000),
        ("-999999", 0, 200_000),
    ],
)
def test_range_gives_that_part_of_the_file(ask: Ask, whole: bytes, wanted: str, start: int, stop: int) -> None:
    """206 with exactly the octets asked for (RFC 9110 section 14)."""
    response = ask(FILE, f"Range: bytes={wanted}")
    assert (response.status, response.body) == (206, whole[start:stop])
    assert response.first("content-range") == f"bytes {start}-{stop - 1}/200000"
    assert response.first("content-length") == str(stop - start)


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=9-3"])
def test_range_that_is_not_served_gives_the_whole(ask: Ask, whole: bytes, wanted: str) -> None:
    """A server may ignore a Range; it then answers 200."""
    response = ask(FILE, f"Range: {wanted}")
    assert (response.status, response.body == whole) == (200, True)


@pytest.mark.parametrize("wanted", ["200000-", "200000-200001", "-0"])
def test_range_behind_the_end_is_416(ask: Ask, wanted: str) -> None:
    """What is not there is said to be so, with the file's size."""
    response = ask(FILE, f"Range: bytes={wanted}")
    assert (response.status, response.first("content-range"), response.body) == (416, "bytes */200000", b"")


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (ETAG, 206),
        (MODIFIED, 206),
        ('"slow-200000-2"', 200),
        (f"W/{ETAG}", 200),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 200),
    ],
)
def test_range_counts_only_for_the_version_named(ask: Ask, condition: str, status: int) -> None:
    """If-Range takes this very version, strongly compared (RFC 9110 section 13.1.5)."""
    assert ask(FILE, "Range: bytes=0-9", f"If-Range: {condition}").status == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"If-None-Match: {ETAG}", 304),
        (f"If-None-Match: W/{ETAG}", 304),
        ('If-None-Match: "other"', 200),
        (f"If-Modified-Since: {MODIFIED}", 304),
        ("If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 200),
        (f"If-Match: {ETAG}", 200),
        ('If-Match: "other"', 412),
        (f"If-Unmodified-Since: {MODIFIED}", 200),
        ("If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 412),
    ],
)
def test_conditions_are_kept(ask: Ask, line: str, status: int) -> None:
    """Conditional requests get their status, and a complete answer (RFC 9110 section 13)."""
    response = ask(FILE, line)
    assert (response.status, response.complete, response.first("etag")) == (status, True, ETAG)


def test_head_request_tells_the_size(ask: Ask) -> None:
    """HEAD gives length, ETag and the acceptance of ranges."""
    response = ask("/download", method="HEAD")
    assert response.first("content-length") == str(2**30)
    assert response.first("accept-ranges") == "bytes"


def test_large_download_takes_no_memory(demo_upstream: DemoUpstream) -> None:
    """256 MiB come whole while the server's memory stays flat."""
    with closing(http.client.HTTPConnection(*demo_upstream.address, timeout=30)) as connection:
        connection.request("GET", "/download?size=256MiB")
        response = connection.getresponse()
        octets, first, most = len(response.read(2**20)), demo_upstream.rss_kib(), 0
        while piece := response.read(2**20):
            octets += len(piece)
            most = max(most, demo_upstream.rss_kib())
    assert octets == 256 * 2**20
    assert most - first < 8 * 1024
