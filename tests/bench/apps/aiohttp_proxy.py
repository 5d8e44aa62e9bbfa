"""A proxy on aiohttp and uvloop, as one writes it by hand: pieces passed on as they come, both ways, nothing decoded.

python aiohttp_proxy.py PORT ACCESS_LOG
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

UPSTREAM = os.environ["PROXY_UPSTREAM"]
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
CLIENT = web.AppKey("client", aiohttp.ClientSession)


async def proxy(request: web.Request) -> web.StreamResponse:
    """Pass one request on."""
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OF_THE_CONNECTION]
    if request.content_length is not None:
        headers.append(("Content-Length", str(request.content_length)))
    body = request.content.iter_any() if request.can_read_body else None
    url = UPSTREAM + request.path_qs
    async with request.app[CLIENT].request(
        request.method, url, headers=headers, data=body, allow_redirects=False
    ) as answer:
        reply = web.StreamResponse(status=answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in OF_THE_CONNECTION:
                reply.headers.add(name, value)
        reply.content_length = answer.content_length
        await reply.prepare(request)
        async for piece in answer.content.iter_any():
            await reply.write(piece)
        await reply.write_eof()
        return reply


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep one session as long as the application runs."""
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(auto_decompress=False, timeout=timeout, connector=connector) as client:
        app[CLIENT] = client
        yield


def main() -> None:
    """Serve."""
    logging.basicConfig(filename=sys.argv[2], level=logging.INFO, format="%(message)s")
    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", proxy)
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    web.run_app(
        app, host="127.0.0.1", port=int(sys.argv[1]), print=None, loop=loop, handler_cancellation=True, backlog=4096
    )


if __name__ == "__main__":
    main()
