"""The addresses a gateway listens on, tried before anything is started."""

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.settings import Settings


class CannotBind(Exception):
    """A listening address is taken or not ours."""


def addresses(settings: "Settings") -> list[str]:
    """Return all listening addresses: the data listeners first, the admin listener last."""
    admin = [settings.admin.listen] if settings.admin.listen is not None else []
    return [*settings.server.listen, *admin]


def urls(settings: "Settings") -> list[str]:
    """Return all listening addresses as URLs, in the same order; those of unix sockets as they are."""
    data, admin = settings.server, settings.admin
    secured = [data.tls is not None] * len(data.listen) + [admin.tls is not None]
    return [
        address if address.startswith("unix:") else f"{'https' if tls else 'http'}://{address}"
        for address, tls in zip(addresses(settings), secured, strict=False)
    ]


def try_to_bind(address: str) -> None:
    """Bind and let go; raise ``CannotBind``. gunicorn would retry for five seconds and leave with its own status."""
    if address.startswith("unix:"):
        folder = Path(address.removeprefix("unix:")).parent
        if not folder.is_dir():
            raise CannotBind(f"cannot bind {address}: there is no directory {folder}")
        if not os.access(folder, os.W_OK):
            raise CannotBind(f"cannot bind {address}: no permission to write in {folder}")
        return
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError as error:
            reason = "already in use" if error.errno == errno.EADDRINUSE else (error.strerror or "not usable")
            raise CannotBind(f"cannot bind {address}: {reason}") from error
