"""One exchange's keep-alive, put together: the policy that decides, the spine that commits, the server that sends."""

import time
from typing import Any

from gateway.exchange.exchange import Exchange
from gateway.lifecycle import Spine
from gateway.policy.keepalive import AsksToStream, body_ping, ping, promise
from gateway.relay.interrupts import Interrupts
from gateway.relay.keepalive import Keepalive, Pulse
from gateway.relay.upload import ClientUpload


def keep_alive(spine: Spine, exchange: Exchange, environ: dict[str, Any], interrupts: Interrupts) -> None:
    """Look after the client from now to the exchange's end, where its route asks for that."""
    route = exchange.route
    if route is None or route.stream.keepalive is None or exchange.request.method == "HEAD":
        return
    asks = AsksToStream()
    upload = exchange.upload
    if isinstance(upload, ClientUpload) and route.stream.grace is not None:
        upload.look(asks.feed)
    pulse = Pulse(
        seconds=route.stream.keepalive,
        grace=route.stream.grace,
        promise=lambda: promise(exchange, asks.asked),
        commit=lambda head, promised: spine.commit_early(exchange, head, promised),
        ping=ping,
        body_ping=lambda: body_ping(exchange),
        report=lambda error: spine.report(exchange, error),
    )
    keepalive = Keepalive(exchange, interrupts, environ["gateway.response"], pulse, time.monotonic)
    exchange.at_finish(keepalive.stop)
    keepalive.start()
