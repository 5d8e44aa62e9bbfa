"""requests at the adapter, with everything below it exact: targets, field lines and bodies pass octet for octet.

`HTTPAdapter.send` stays as it is, so that what stands in for it in unit tests also stands in for this adapter. What it
calls is replaced: the pool, the target, the response. No Session, hence no cookie jar, no netrc, no proxies from the
environment, no redirects, no default fields.
"""

import datetime
from collections.abc import Iterator
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.structures import CaseInsensitiveDict

from gateway.exchange.failure import FailureError
from gateway.exchange.message import Fields, ReplyHead
from gateway.exchange.target import Endpoint
from gateway.upstream import translate
from gateway.upstream.chunks import LARGE_READ_OCTETS, SMALL_READ_OCTETS, Body
from gateway.upstream.connection import Sending
from gateway.upstream.pool import FieldLines, Pool

_MOCKED_READ_OCTETS = 64 * 1024


class ExactRequest(requests.PreparedRequest):
    """A request that is prepared already: nothing in it is quoted, completed or guessed."""

    def __init__(self, method: str, endpoint: Endpoint, target: str, lines: Fields, sending: Sending) -> None:
        self.method = method
        self.endpoint = endpoint
        self.target = target
        self.url = f"{endpoint.scheme}://{endpoint.authority}{target}"
        self.headers = cast("CaseInsensitiveDict[str | bytes]", FieldLines(lines, sending))
        self.body = None
        self.hooks = {}
        self._cookies = None
        self._body_position = None

    def sent(self) -> None:
        """Let go of what only the sending needed: a response knows its request, and would hold the exchange by it."""
        cast(FieldLines, self.headers).sending = None


class StreamedResponse(requests.Response):
    """A response whose body passes as it comes: undecoded, unjoined, strictly framed, without a cookie jar."""

    encoding = None
    elapsed = datetime.timedelta(0)
    _content = False
    _content_consumed = False
    _next = None

    def __init__(self, request: requests.PreparedRequest, raw: "Body | urllib3.BaseHTTPResponse") -> None:
        self.request = request
        self.url = request.url or ""
        self.raw = raw
        self.head = raw.head if isinstance(raw, Body) else _head_of(raw)
        self.status_code = self.head.status
        self.reason = self.head.reason

    @property
    def headers(self) -> CaseInsensitiveDict[str]:  # type: ignore[override]
        """The fields as a mapping, for those who read responses the library's way; made when asked for."""
        return CaseInsensitiveDict(FieldLines(self.head.fields))

    @property
    def cookies(self) -> RequestsCookieJar:  # type: ignore[override]
        """Always empty: no state crosses exchanges."""
        return RequestsCookieJar()

    @property
    def history(self) -> list[requests.Response]:  # type: ignore[override]
        """Always empty: redirects are not followed."""
        return []

    @property
    def length(self) -> int | None:
        """Octets of the body, None where only its end will tell."""
        if isinstance(self.raw, Body):
            return self.raw.length
        if self.request.method == "HEAD" or self.status_code in (204, 304):
            return 0
        value = self.head.first("content-length")
        return int(value) if value is not None and value.isdecimal() else None

    def iter_content(self, chunk_size: int | None = None, decode_unicode: bool = False) -> Iterator[bytes]:
        """Return an iterator over the body's chunks as they arrive, small ones and large ones.

        ``chunk_size`` is what is read at once where the upstream is faster than who iterates; nothing waits for it.
        Raises ``FailureError`` where the body does not come whole, after handing over every octet before that.
        """
        if isinstance(self.raw, Body):
            return self.raw.chunks(max(chunk_size or LARGE_READ_OCTETS, SMALL_READ_OCTETS))
        return _read_library_body(self.raw)

    def ready(self) -> bool:
        """Whether the first chunk, or the end, came along with the head."""
        return isinstance(self.raw, Body) and self.raw.ready()

    def close(self) -> None:
        """Give up what is left of the body. Harmless at any time."""
        self.raw.close()


class ExactAdapter(HTTPAdapter):
    """The adapter of one upstream, with a pool for each of its endpoints."""

    def __init__(self, pools: dict[Endpoint, Pool]) -> None:
        super().__init__()
        self._pools = pools

    def get_connection_with_tls_context(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> Any:
        """Return the pool of the request's endpoint, where TLS is already decided."""
        return self._pools[cast(ExactRequest, request).endpoint]

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing to do for one request: the pool's context verifies."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Return the target, octet for octet."""
        return cast(ExactRequest, request).target

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> StreamedResponse:
        """Return the response around what the pool returned, or around urllib3's response from a stand-in for it."""
        return StreamedResponse(req, resp)

    def idle(self) -> dict[Endpoint, int]:
        """Return how many connections each pool keeps."""
        return {endpoint: pool.idle for endpoint, pool in self._pools.items()}

    def prune(self) -> None:
        """Close what has been idle for too long in any pool."""
        for pool in self._pools.values():
            pool.prune()

    def close(self) -> None:
        """Close the idle connections of all pools."""
        for pool in self._pools.values():
            pool.close()
        super().close()


def _head_of(raw: urllib3.BaseHTTPResponse) -> ReplyHead:
    return ReplyHead(raw.status, raw.reason or "", list(raw.headers.items()))


def _read_library_body(raw: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := raw.read1(_MOCKED_READ_OCTETS, decode_content=False):
            yield chunk
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise FailureError(translate.reading(error)) from error
    finally:
        raw.close()
