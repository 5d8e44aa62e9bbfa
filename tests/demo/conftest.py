"""Asking the demo upstream on a bare socket."""

from collections.abc import Callable, Iterator

import pytest
from support.demo_process import DemoUpstream
from support.rude_client import RawResponse, RudeClient

Ask = Callable[..., RawResponse]


@pytest.fixture
def client(demo_upstream: DemoUpstream) -> Iterator[RudeClient]:
    """One connection to the demo upstream."""
    with RudeClient(demo_upstream.address) as connected:
        yield connected


@pytest.fixture
def ask(demo_upstream: DemoUpstream) -> Ask:
    """Ask once, on a connection of its own: ``ask(target, *lines, method=..., version=..., body=...)``."""

    def once(
        target: str, *lines: str, method: str = "GET", version: str = "HTTP/1.1", body: bytes = b""
    ) -> RawResponse:
        length = [f"Content-Length: {len(body)}"] if body else []
        head = "\r\n".join([f"{method} {target} {version}", "Host: demo.test", *lines, *length, "", ""])
        with RudeClient(demo_upstream.address) as client:
            return client.send(head.encode("latin-1") + body).read_response(method=method)

    return once
