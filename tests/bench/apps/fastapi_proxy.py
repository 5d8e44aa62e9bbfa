"""A proxy on FastAPI and httpx, as one writes it by hand: pieces passed on as they come, both ways, nothing decoded."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import fastapi
import httpx
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

UPSTREAM = os.environ["PROXY_UPSTREAM"]
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "host"}


@asynccontextmanager
async def lifespan(app: fastapi.FastAPI) -> AsyncIterator[None]:
    """Keep one client as long as the application runs."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1000)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:  # noqa: S113 - streams have no end
        app.state.client = client
        yield


app = fastapi.FastAPI(lifespan=lifespan)


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
async def proxy(request: fastapi.Request, path: str) -> StreamingResponse:
    """Pass one request on."""
    client: httpx.AsyncClient = request.app.state.client
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    headers = [(name, value) for name, value in request.headers.items() if name not in OF_THE_CONNECTION]
    asked = client.build_request(
        request.method,
        f"{UPSTREAM}/{path}",
        params=request.query_params,
        headers=headers,
        content=request.stream() if has_body else None,
    )
    answer = await client.send(asked, stream=True)
    reply = StreamingResponse(answer.aiter_raw(), answer.status_code, background=BackgroundTask(answer.aclose))
    for name, value in answer.headers.multi_items():
        if name.lower() not in OF_THE_CONNECTION:
            reply.headers.append(name, value)
    return reply
