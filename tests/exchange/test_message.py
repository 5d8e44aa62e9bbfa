"""The plain values of messages."""

import pytest
from support.exchanges import a_request

from gateway.exchange.message import FixedChunks, ReplyHead, first_value


@pytest.mark.parametrize(("body", "chunks"), [(b"", []), (b"ab", [b"ab"])])
def test_fixed_body_is_one_chunk_or_none(body: bytes, chunks: list[bytes]) -> None:
    """An empty body has no chunk, and closing twice does no harm."""
    fixed = FixedChunks(body)

    assert fixed.ready()
    assert list(fixed) == chunks
    fixed.close()
    fixed.close()


@pytest.mark.parametrize(("length", "has_body"), [(0, False), (1, True), (None, True)])
def test_request_has_a_body_unless_it_says_zero(length: int | None, has_body: bool) -> None:
    """A chunked body is a body."""
    assert a_request(body_length=length).has_body is has_body


def test_first_value_is_found_in_any_case_of_letters() -> None:
    """The first of several lines counts; a missing one is None."""
    fields = [("A-B", "1"), ("a-b", "2")]

    assert first_value(fields, "a-b") == "1"
    assert ReplyHead(200, "OK", fields).first("a-b") == "1"
    assert a_request(fields=fields).first("a-c") is None
