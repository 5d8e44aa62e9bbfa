"""Where a gateway listens: what it says of its addresses, and of those it cannot have."""

from pathlib import Path

import pytest

from gateway.assemble import read_text_checked
from gateway.server.binding import CannotBind, try_to_bind, urls

TEXT = """\
[server]
listen = ["127.0.0.1:8080", "unix:/run/a.sock"]
[admin]
listen = "[::1]:8081"
[upstreams.a]
endpoints = ["http://127.0.0.1:9000"]
[[routes]]
path = "/"
upstream = "a"
"""


def test_every_address_is_told_as_what_a_client_would_ask() -> None:
    """The admin listener last; a unix socket has no scheme."""
    settings = read_text_checked(TEXT, "here").settings

    assert urls(settings) == ["http://127.0.0.1:8080", "unix:/run/a.sock", "http://[::1]:8081"]


def test_directory_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    """It is made, not made writable."""
    with pytest.raises(CannotBind, match=f"there is no directory {tmp_path}/none$"):
        try_to_bind(f"unix:{tmp_path}/none/a.sock")
