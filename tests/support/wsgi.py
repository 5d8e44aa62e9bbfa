"""What the server hands to an application: a request object, the environment around it, and a ``start_response``."""

from dataclasses import dataclass, field
from typing import Any

from gateway.exchange.message import Fields, ReplyHead


@dataclass
class ListedBody:
    """A body that was received with the head."""

    content: bytes = b""
    length: int | None = 0
    done: bool = False

    def at_hand(self) -> bool:
        return True

    def received(self) -> bytes:
        return self.content

    def wait(self, seconds: float | None) -> bool:
        return True

    def pieces(self) -> Any:
        if self.content:
            yield self.content
        self.done = True


@dataclass
class ServedRequest:
    """A request as the server read it."""

    method: str = "GET"
    uri: str = "/demo/text"
    version: tuple[int, int] = (1, 1)
    field_lines: Fields = field(default_factory=lambda: [("Host", "api.example.com")])
    scheme: str = "http"
    body: ListedBody = field(default_factory=lambda: ListedBody(done=True))


def environ_of(request: ServedRequest, sock: Any = None, peer: tuple[str, int] | None = ("192.0.2.7", 40000)) -> Any:
    """Return the WSGI environment of ``request``; its interim responses are collected under ``interim``."""
    path, _, query = request.uri.partition("?")
    interim: list[ReplyHead] = []
    return {
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.uri,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": f"HTTP/{request.version[0]}.{request.version[1]}",
        "REMOTE_ADDR": peer[0] if peer else "",
        "REMOTE_PORT": str(peer[1]) if peer else "",
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": request.body,
        "gunicorn.socket": sock,
        "gateway.request": request,
        "gateway.interim": interim.append,
        "gateway.hang_up": lambda: None,
        "interim": interim,
    }


class Started:
    """A ``start_response`` that keeps what it is given."""

    def __init__(self) -> None:
        self.status = ""
        self.fields: Fields = []

    def __call__(self, status: str, fields: Fields, exc_info: Any = None) -> None:
        self.status, self.fields = status, fields
