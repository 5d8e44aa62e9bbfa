"""Ordinary values of an exchange, so that a test only has to name what is special about its own."""

from collections.abc import Iterator

from gateway.exchange.attempt import Attempt
from gateway.exchange.exchange import Exchange
from gateway.exchange.failure import Failure, FailureError, Kind
from gateway.exchange.message import Chunks, Fields, FixedChunks, Reply, ReplyHead, RequestHead, Source
from gateway.exchange.route import Conversions, Forwarding, Limit, Route, Stream, Timeouts, Upstream
from gateway.exchange.target import Endpoint, parse_endpoint

ENDPOINT = parse_endpoint("http://127.0.0.1:9000/base")


def a_request(
    method: str = "GET",
    target: str = "/demo/text",
    fields: Fields | None = None,
    *,
    version: tuple[int, int] = (1, 1),
    authority: str = "api.example.com",
    scheme: str = "http",
    peer: str = "192.0.2.7",
    body_length: int | None = 0,
) -> RequestHead:
    return RequestHead(method, target, version, fields or [], scheme, authority, peer, 40000, body_length)


def a_route(
    path: str = "/demo",
    name: str = "demo",
    *,
    endpoint: Endpoint = ENDPOINT,
    keep_host: bool = False,
    hosts: tuple[str, ...] = (),
    methods: frozenset[str] = frozenset(),
    headers: tuple[tuple[str, str | None], ...] = (),
    strip_prefix: str = "",
    rewrite: str | None = None,
    max_request_body: int | None = None,
    forwarding: Forwarding | None = None,
    limit: Limit | None = None,
    upstream_limit: Limit | None = None,
    priority: str = "normal",
    fair_by: str = "",
    timeouts: Timeouts | None = None,
    stream: Stream | None = None,
    convert: Conversions | None = None,
) -> Route:
    return Route(
        name=name,
        path=path,
        upstream=Upstream("demo", (endpoint,), keep_host=keep_host, limit=upstream_limit),
        hosts=hosts,
        methods=methods,
        headers=headers,
        strip_prefix=strip_prefix,
        rewrite=rewrite,
        max_request_body=max_request_body,
        forwarding=forwarding or Forwarding(),
        limit=limit,
        priority=priority,
        fair_by=fair_by,
        timeouts=timeouts or Timeouts(),
        stream=stream or Stream(),
        convert=convert or Conversions(),
    )


def an_exchange(
    request: RequestHead | None = None, route: Route | None = None, *, trusted_peer: bool = False
) -> Exchange:
    return Exchange("0f1e", request or a_request(), 100.0, trusted_peer=trusted_peer, route=route)


def an_attempt(fields: Fields | None = None, endpoint: Endpoint = ENDPOINT) -> Attempt:
    return Attempt(endpoint, fields=[] if fields is None else fields)


def a_reply(
    status: int = 200, fields: Fields | None = None, source: Source = Source.UPSTREAM, chunks: Chunks | None = None
) -> Reply:
    return Reply(ReplyHead(status, "", fields or []), chunks or FixedChunks(b""), source, 0)


def a_failure(kind: Kind, detail: str = "") -> FailureError:
    return FailureError(Failure(kind, detail))


class ListedChunks:
    """A body that follows a list: octets are chunks, exceptions are raised; ``closed`` counts the calls."""

    def __init__(self, *items: bytes | BaseException, ready: bool = False) -> None:
        self._items = items
        self._ready = ready
        self.closed = 0
        self.handed: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for item in self._items:
            if isinstance(item, BaseException):
                raise item
            self.handed.append(item)
            yield item

    def ready(self) -> bool:
        return self._ready

    def close(self) -> None:
        self.closed += 1
