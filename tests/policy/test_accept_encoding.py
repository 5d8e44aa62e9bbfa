"""Which coding a client gets: RFC 9110 section 12.5.3 as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.accept_encoding import preferred

BOTH = ("zstd", "gzip")


@pytest.mark.parametrize(
    ("lines", "offered", "expected"),
    [
        ([], BOTH, None),
        ([""], BOTH, None),
        (["gzip"], BOTH, "gzip"),
        (["gzip, deflate, br, zstd"], BOTH, "zstd"),
        (["gzip, deflate, br, zstd"], ("gzip", "zstd"), "gzip"),
        (["gzip, deflate", "zstd"], BOTH, "zstd"),
        (["br"], BOTH, None),
        (["zstd"], ("gzip",), None),
        (["zstd;q=0.5, gzip"], BOTH, "gzip"),
        (["zstd;q=0.5, gzip;q=0.501"], BOTH, "gzip"),
        (["zstd;q=0, gzip;q=0.001"], BOTH, "gzip"),
        (["gzip;q=0"], BOTH, None),
        (["GZIP;Q=1.000"], BOTH, "gzip"),
        (["x-gzip"], BOTH, "gzip"),
        (["\tgzip ; q=0.8"], BOTH, "gzip"),
        # Any, but for what is named.
        (["*"], BOTH, "zstd"),
        (["*, zstd;q=0"], BOTH, "gzip"),
        (["*;q=0, gzip"], BOTH, "gzip"),
        (["*;q=0"], BOTH, None),
        (["gzip, *;q=0.5"], BOTH, "gzip"),
        # Plain is always acceptable, but preferred only by name.
        (["identity"], BOTH, None),
        (["identity, gzip"], BOTH, "gzip"),
        (["identity, gzip;q=0.5"], BOTH, None),
        (["identity;q=0.5, gzip"], BOTH, "gzip"),
        (["identity;q=0"], BOTH, None),
        (["identity;q=0, *"], BOTH, "zstd"),
        (["gzip;q=0, identity;q=0"], BOTH, None),
        # What is not valid says nothing.
        (["gzip;q=2"], BOTH, None),
        (["gzip;q=-1"], BOTH, None),
        (["gzip;q=0.5555"], BOTH, None),
        (["gzip;level=9"], BOTH, None),
        (["gzip;"], BOTH, None),
        (["gzipped, notgzip"], BOTH, None),
        (["gzip;q=x, zstd"], BOTH, "zstd"),
        # The first word about a coding holds.
        (["gzip;q=0, gzip"], BOTH, None),
        (["gzip, x-gzip;q=0"], BOTH, "gzip"),
    ],
)
def test_client_gets_the_coding_it_likes_best(lines: list[str], offered: tuple[str, ...], expected: str | None) -> None:
    """The heaviest weight wins, the configuration's order between equals, and nothing that was not asked for."""
    assert preferred(lines, offered) == expected


@given(st.lists(st.text(max_size=40), max_size=3))
def test_any_field_is_answered(lines: list[str]) -> None:
    """Whatever a client sends, the answer is a coding that its words hold, or none."""
    found = preferred(lines, BOTH)
    assert found is None or any(found in line.lower() or "*" in line for line in lines)
