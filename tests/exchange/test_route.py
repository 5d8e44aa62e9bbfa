"""What a route says about itself."""

import dataclasses
from typing import Any

import pytest
from support.exchanges import a_route

from gateway.exchange.route import Compression, Conversions, Stream


@pytest.mark.parametrize(
    ("values", "looks"),
    [
        ({}, False),
        ({"stream": Stream(keepalive=5.0)}, False),
        ({"stream": Stream(format="sse")}, True),
        ({"compression": Compression(codings=("zstd",))}, True),
        ({"convert": Conversions(to=("ndjson",))}, True),
    ],
)
def test_a_route_that_does_something_with_octets_looks_into_bodies(values: dict[str, Any], looks: bool) -> None:
    """Formats, codings and conversions read what passes; pings and timeouts do not."""
    assert dataclasses.replace(a_route(), **values).looks_into_bodies is looks
