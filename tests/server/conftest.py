"""Connections that end with their test."""

from collections.abc import Iterator
from typing import Any

import pytest
from support.connections import PATIENCE_SECONDS, Client, Connect, Site


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients whose connections end with the test."""
    clients: list[Client] = []

    def make(site: Site, **options: Any) -> Client:
        clients.append(Client(site, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.socket.close()
        client.served.join(PATIENCE_SECONDS)
        assert client.served.dead
